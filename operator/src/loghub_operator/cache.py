"""The objects as they were seen last, by kind, namespace and name. Written by `watching`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from loghub_operator import kinds

Object = Mapping[str, Any]


class Cache:
    """What the API server holds of the watched kinds."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[tuple[str, str], Object]] = {
            kind.plural: {} for kind in kinds.WATCHED
        }

    def get(self, kind: kinds.Kind, name: str, namespace: str = "") -> Object | None:
        """One object, or None."""
        return self._objects[kind.plural].get((namespace, name))

    def all(self, kind: kinds.Kind, namespace: str | None = None) -> Iterator[Object]:
        """All of a kind, or of a namespace, by namespace and name."""
        for place, found in sorted(self._objects[kind.plural].items()):
            if namespace is None or place[0] == namespace:
                yield found

    def put(self, kind: kinds.Kind, found: Object) -> None:
        """Remember an object."""
        self._objects[kind.plural][place(found)] = found

    def drop(self, kind: kinds.Kind, found: Object) -> None:
        """Forget an object."""
        self._objects[kind.plural].pop(place(found), None)

    def replace(self, kind: kinds.Kind, found: Iterable[Object]) -> None:
        """Take a whole list as the truth."""
        self._objects[kind.plural] = {place(each): each for each in found}


def place(found: Object) -> tuple[str, str]:
    """Namespace and name."""
    metadata = found["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
