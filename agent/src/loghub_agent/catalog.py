"""The pipelines this agent was told to run, and for each the last form that really ran.

`cluster` and `standalone` report documents, `agent` asks what to put into the plan and comes back
with the core's verdict. A document that cannot be read, or that the core refuses, leaves its
pipeline's last good form running, across restarts too (`state`).
"""

import dataclasses
import json
from collections.abc import Collection, Iterable, Mapping
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
    written: int = dataclasses.field(default=0, compare=False)
    """The object's resource version; 0 where it comes from disk."""


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a pipeline; `generation` is the one that runs, 0 when none does."""

    name: str
    generation: int
    refusal: str
    origin_generation: int = 0
    """The generation of the resource that the running form was made from; 0: not known."""
    refused_generation: int = 0
    """The generation that is refused; 0 when none is."""


@dataclasses.dataclass(slots=True)
class _Entry:
    current: Version
    good: Version | None = None
    """The last version that the core took, in this process or a former one."""
    running: Version | None = None
    """The last version that the core took in this process."""
    refused: Version | None = None
    """The version that the core refused, and its sentence."""
    sentence: str = ""
    written: int = 0
    """The greatest resource version seen of the object."""

    def settled(self) -> bool:
        """Whether the current version runs or is refused."""
        return self.running is self.current or bool(self.refusal())

    def outcome(self, name: str) -> Outcome:
        refusal, running = self.refusal(), self.running
        return Outcome(
            name,
            running.generation if running else 0,
            refusal,
            running.pipeline.origin_generation if running and running.pipeline else 0,
            self.current.generation if refusal else 0,
        )

    def refusal(self) -> str:
        if self.refused is self.current:
            return self.sentence
        return self.current.refusal


def read_version(
    document: object, *, name: str, namespace: str, generation: int, written: int = 0
) -> Version:
    """Read one generation of a pipeline; a refusal is part of the result, not an exception."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str)
    try:
        pipeline = plan.resolve(document, name=name, namespace=namespace, generation=generation)
    except errors.RefusedError as refusal:
        return Version(generation, text, None, str(refusal), written)
    return Version(generation, text, pipeline, written=written)


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
            self._entries[name] = _Entry(version, written=version.written)
            return True
        entry.written = max(entry.written, version.written)
        if entry.current == version:
            return False  # and keep the known one: verdicts are tied to its identity
        entry.current = version
        return True

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

    def wanted(self, refused: Collection[str] = ()) -> dict[str, Version]:
        """Return what should run, by name; of what the core `refused`, the last good form."""
        versions: dict[str, Version] = {}
        for name, entry in self._entries.items():
            version: Version | None = entry.current
            if entry.current.pipeline is None or name in refused:
                version = entry.good
            if version is not None:
                versions[name] = version
        return versions

    def has_fallback(self, name: str, refused: Version) -> bool:
        """Say whether a version other than the `refused` one ran before."""
        entry = self._entries.get(name)
        return entry is not None and entry.good is not None and entry.good is not refused

    def settle(self, applied: Mapping[str, Version], refused: Mapping[str, str]) -> bool:
        """Take the core's verdict on the versions `applied`; `refused` holds sentences by name.

        The versions are passed back in because newer ones may have come while the core thought.

        Returns:
            Whether a pipeline has a new last good form, which is then worth saving.
        """
        news = False
        for name, version in applied.items():
            entry = self._entries.get(name)
            if entry is None:
                continue
            if name in refused:
                entry.refused, entry.sentence = version, refused[name]
                continue
            entry.running = version
            news = news or entry.good is not version
            entry.good = version
            if entry.refused is version:
                entry.refused = None
        return news

    def outcomes(self) -> list[Outcome]:
        """Return what became of every pipeline that was settled, sorted by name."""
        return [
            entry.outcome(name)
            for name, entry in sorted(self._entries.items())
            if entry.running or entry.refusal()
        ]

    def written(self) -> int:
        """Return the resource version up to which every pipeline is settled; 0: not known.

        With it a report need not list thousands of pipelines to say that it has taken them.
        """
        entries = self._entries.values()
        done = max((entry.written for entry in entries if entry.settled()), default=0)
        waits = min((entry.written for entry in entries if not entry.settled()), default=done + 1)
        return max(0, min(done, waits - 1))

    def to_state(self) -> list[dict[str, object]]:
        """Return every pipeline as plain JSON values: its current version and the last good one.

        The latter is null where there is none and left out where it is the current one.
        """
        items: list[dict[str, object]] = []
        for name, entry in self._entries.items():
            item: dict[str, object] = {"name": name, "current": _saved(entry.current)}
            if entry.good is not entry.current:
                item["good"] = entry.good and _saved(entry.good)
            items.append(item)
        return items

    def restore(self, items: Iterable[Mapping[str, Any]]) -> None:
        """Read what `to_state` wrote.

        Raises:
            StateError: it is not what `to_state` writes.
        """
        try:
            self._entries = {item["name"]: self._restored(item) for item in items}
        except (KeyError, TypeError, ValueError) as fault:
            raise errors.StateError(f"a saved pipeline cannot be read: {fault}") from fault

    def _restored(self, item: Mapping[str, Any]) -> _Entry:
        name, current = item["name"], self._version(item["name"], item["current"])
        if "good" not in item:
            return _Entry(current, good=current)
        return _Entry(current, good=self._version(name, item["good"]) if item["good"] else None)

    def _version(self, name: str, saved: Mapping[str, Any]) -> Version:
        document = json.loads(saved["document"])
        generation = int(saved["generation"])
        return read_version(document, name=name, namespace=self._namespace, generation=generation)


def _saved(version: Version) -> dict[str, object]:
    return {"generation": version.generation, "document": version.document}
