"""The objects as they were seen last, by kind, namespace and name. Written by `watching`.

It knows who refers to whom, so that a change reaches what it concerns and nothing else.
"""

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from loghub_operator import kinds

Object = Mapping[str, Any]
Place = tuple[str, str, str]
"""Plural of the kind, namespace, name."""

_REFERENCES: Final = {
    kinds.STORE.plural: ("projectRef", kinds.PROJECT.plural),
    kinds.CONFIG.plural: ("logStoreRef", kinds.STORE.plural),
    kinds.CLUSTER_CONFIG.plural: ("logStoreRef", kinds.STORE.plural),
}
"""The field of a spec that names another object, and that one's kind."""
_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


class Cache:
    """What the API server holds of the watched kinds."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[tuple[str, str], Object]] = {
            kind.plural: {} for kind in kinds.WATCHED
        }
        self._referrers: dict[Place, set[Place]] = collections.defaultdict(set)

    def get(self, kind: kinds.Kind, name: str, namespace: str = "") -> Object | None:
        """One object, or None."""
        return self._objects[kind.plural].get((namespace, name))

    def all(self, kind: kinds.Kind, namespace: str | None = None) -> Iterator[Object]:
        """All of a kind, or of a namespace, by namespace and name."""
        objects = self._objects[kind.plural]
        places = [each for each in objects if namespace is None or each[0] == namespace]
        for each in sorted(places):
            if each in objects:  # unless it went while the caller was at work
                yield objects[each]

    def referrers(self, kind: kinds.Kind, name: str, namespace: str) -> list[Place]:
        """The objects whose spec names that one, whether it exists or not."""
        return sorted(self._referrers.get((kind.plural, namespace, name), ()))

    def put(self, kind: kinds.Kind, found: Object) -> Object | None:
        """Remember an object; returns how it was before."""
        before = self._forget(kind, place(found))
        kept = _slim(found)
        self._objects[kind.plural][place(found)] = kept
        if target := _target(kind, kept):
            self._referrers[target].add((kind.plural, *place(found)))
        return before

    def drop(self, kind: kinds.Kind, found: Object) -> None:
        """Forget an object."""
        self._forget(kind, place(found))

    def replace(self, kind: kinds.Kind, found: Iterable[Object]) -> None:
        """Take a whole list as the truth."""
        listed = {place(each): each for each in found}
        for where in [each for each in self._objects[kind.plural] if each not in listed]:
            self._forget(kind, where)
        for each in listed.values():
            self.put(kind, each)

    def _forget(self, kind: kinds.Kind, where: tuple[str, str]) -> Object | None:
        before = self._objects[kind.plural].pop(where, None)
        target = _target(kind, before) if before else None
        if target:
            self._referrers[target].discard((kind.plural, *where))
            if not self._referrers[target]:
                del self._referrers[target]
        return before


def place(found: Object) -> tuple[str, str]:
    """Namespace and name."""
    metadata = found["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _target(kind: kinds.Kind, found: Object) -> Place | None:
    if kind.plural not in _REFERENCES:
        return None
    field, plural = _REFERENCES[kind.plural]
    reference = (found.get("spec") or {}).get(field) or {}
    return (plural, reference.get("namespace") or place(found)[0], reference.get("name", ""))


def _slim(found: Object) -> Object:
    """Without what is as long as the object itself and read by nobody here."""
    metadata = found["metadata"]
    annotations = metadata.get("annotations") or {}
    if "managedFields" not in metadata and _APPLIED not in annotations:
        return found
    kept = {key: value for key, value in metadata.items() if key != "managedFields"}
    if _APPLIED in annotations:
        kept["annotations"] = {key: annotations[key] for key in annotations if key != _APPLIED}
    return {**found, "metadata": kept}
