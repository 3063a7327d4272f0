"""The pipelines this agent was told to run, and for each the last form that really ran.

`cluster` and `standalone` report documents, `agent` asks what to put into the plan and comes back
with the core's verdict. A document that cannot be read, or that the core refuses, leaves its
pipeline's last good form running, across restarts too (`state`).
"""

import dataclasses
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from loghub_agent import errors
from loghub_agent.config import plan


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """One generation of a pipeline: the spec as JSON text, and the pipeline unless refused."""

    generation: int
    document: str
    pipeline: plan.Pipeline | None
    refusal: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a pipeline; `generation` is the one that runs, 0 when none does."""

    name: str
    generation: int
    refusal: str


@dataclasses.dataclass(slots=True)
class _Entry:
    current: Version
    good: Version | None = None
    core_refusal: str = ""
    good_refused: bool = False


def read_version(document: object, *, name: str, namespace: str, generation: int) -> Version:
    """Read one generation of a pipeline; a refusal is part of the result, not an exception."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str)
    try:
        pipeline = plan.resolve(document, name=name, namespace=namespace, generation=generation)
    except errors.RefusedError as refusal:
        return Version(generation, text, None, str(refusal))
    return Version(generation, text, pipeline)


class Catalog:
    """Pipelines by name."""

    def __init__(self, namespace: str = "") -> None:
        self._namespace = namespace
        self._entries: dict[str, _Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def observe(self, name: str, version: Version) -> bool:
        """Take a pipeline's current version; say whether it is another one."""
        entry = self._entries.get(name)
        if entry is None:
            self._entries[name] = _Entry(version)
            return True
        changed = entry.current != version
        entry.current = version
        return changed

    def remove(self, name: str) -> bool:
        """Forget a pipeline; say whether it was known."""
        return self._entries.pop(name, None) is not None

    def replace(self, versions: Mapping[str, Version]) -> bool:
        """Take a complete list; what is not in it is forgotten. Say whether anything changed."""
        changed = False
        for name in [name for name in self._entries if name not in versions]:
            changed = self.remove(name) or changed
        for name, version in versions.items():
            changed = self.observe(name, version) or changed
        return changed

    def wanted(self, refused: Collection[str] = ()) -> Iterator[plan.Pipeline]:
        """Yield what should run; of pipelines in `refused` by the core, the last good form."""
        for name, entry in self._entries.items():
            version = entry.current
            if version.pipeline is None or name in refused:
                version = entry.good or version
            usable = name not in refused or version is entry.good
            if version.pipeline is not None and usable:
                yield version.pipeline

    def has_fallback(self, name: str) -> bool:
        """Say whether another form of the pipeline than the current one ran before."""
        entry = self._entries.get(name)
        return entry is not None and entry.good is not None and entry.good != entry.current

    def settle(self, refused: Mapping[str, str], still_refused: Collection[str] = ()) -> bool:
        """Take the core's verdict on `wanted()`, and on `wanted(refused)` where it was asked.

        Returns:
            Whether a pipeline has a new last good form, which is then worth saving.
        """
        news = False
        for name, entry in self._entries.items():
            entry.core_refusal = refused.get(name, "")
            entry.good_refused = name in still_refused
            accepted = entry.current.pipeline is not None and name not in refused
            if accepted and entry.good != entry.current:
                entry.good = entry.current
                news = True
        return news

    def outcomes(self) -> list[Outcome]:
        """Return what became of every pipeline, sorted by name. Meaningful after `settle`."""
        return [
            Outcome(name, self._running(entry), entry.current.refusal or entry.core_refusal)
            for name, entry in sorted(self._entries.items())
        ]

    @staticmethod
    def _running(entry: _Entry) -> int:
        if entry.good is None or entry.good_refused:
            return 0
        if entry.core_refusal and entry.good == entry.current:
            return 0
        return entry.good.generation

    def to_state(self) -> list[dict[str, object]]:
        """Return every pipeline as plain JSON values: current and last good version."""
        return [
            {"name": name, "current": _saved(entry.current), "good": _saved(entry.good)}
            for name, entry in self._entries.items()
        ]

    def restore(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Read what `to_state` wrote.

        Raises:
            StateError: it is not what `to_state` writes.
        """
        try:
            entries = {
                item["name"]: _Entry(
                    self._version(item["name"], item["current"]),
                    self._version(item["name"], item["good"]) if item["good"] else None,
                )
                for item in items
            }
        except (KeyError, TypeError, ValueError) as fault:
            raise errors.StateError(f"a saved pipeline cannot be read: {fault}") from fault
        self._entries = entries

    def _version(self, name: str, saved: Mapping[str, Any]) -> Version:
        document = json.loads(saved["document"])
        generation = int(saved["generation"])
        return read_version(document, name=name, namespace=self._namespace, generation=generation)


def _saved(version: Version | None) -> dict[str, object] | None:
    if version is None:
        return None
    return {"generation": version.generation, "document": version.document}
