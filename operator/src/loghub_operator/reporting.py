"""The agents' reports by node and by pipeline: small, and aware of what changed.

`running` feeds it from the watch, `reconciling.observing` asks it for a pipeline's sums, and
`dispatching` for the pipelines that the last reports said something new of. Of thousands of
reports only what says something is kept: an agent that merely took a pipeline is one number.
"""

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from loghub_operator.cache import Object


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """What one agent says of one pipeline."""

    failed: bool
    message: str
    generation: int
    """Of the LogPipeline that runs."""
    origin_generation: int
    """Of the LogConfig that it was made from."""
    refused_generation: int
    pods: int
    containers: int
    samples: tuple[str, ...]
    lines: int
    bytes: int
    lag_seconds: int
    lost: tuple[tuple[str, int], ...]
    last: str


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What one agent says."""

    node: str
    version: int
    """Every pipeline up to this resource version is taken or refused; 0 of an older agent."""
    entries: Mapping[str, Entry]
    opt_ins: tuple[Mapping[str, Any], ...]
    problems: tuple[Mapping[str, Any], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Changes:
    """What is new since it was asked for last."""

    pipelines: frozenset[str]
    """Of which an agent says something else than before."""
    versions: tuple[int, int] | None
    """Agents have taken up pipelines written after the first and up to the second."""
    nodes: bool
    """Whether an agent came or went."""
    opt_ins: bool


class Reports:
    """The last report of each node; those outside `namespace` are not the agents'."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._reports: dict[str, Report] = {}
        self._by_pipeline: dict[str, dict[str, Entry]] = {}
        self._versions: collections.Counter[int] = collections.Counter()
        self._texts: dict[str, str] = {}
        self._reset()

    def __len__(self) -> int:
        return len(self._reports)

    def all(self) -> Iterator[Report]:
        """Every report, by node."""
        for _, report in sorted(self._reports.items()):
            yield report

    def names(self) -> list[str]:
        """The names of the AgentReports."""
        return sorted(self._reports)

    def of(self, pipeline: str) -> Mapping[str, Entry]:
        """What agents say of a pipeline, by the report's name; others may run it and be silent."""
        return self._by_pipeline.get(pipeline, {})

    def up_to(self, version: int) -> int:
        """How many agents have taken or refused everything up to a resource version."""
        return sum(count for has, count in self._versions.items() if has >= version)

    def get(self, name: str) -> Report | None:
        """One report."""
        return self._reports.get(name)

    def put(self, found: Object) -> None:
        """Take a report as it is now."""
        if self._is_ours(found):
            self._change(found["metadata"]["name"], self._read(found.get("report") or {}))

    def drop(self, found: Object) -> None:
        """Forget a report."""
        if self._is_ours(found):
            self._change(found["metadata"]["name"], None)

    def replace(self, found: Iterable[Object]) -> None:
        """Take a whole list as the truth."""
        listed = {each["metadata"]["name"]: each for each in found if self._is_ours(each)}
        for name in [name for name in self._reports if name not in listed]:
            self._change(name, None)
        for each in listed.values():
            self.put(each)

    def changes(self) -> Changes:
        """What is new since the last call."""
        versions = (self._lowest, self._highest) if self._highest else None
        found = Changes(frozenset(self._dirty), versions, self._nodes, self._opt_ins)
        self._reset()
        return found

    def _is_ours(self, found: Object) -> bool:
        return bool(found["metadata"].get("namespace") == self._namespace)

    def _reset(self) -> None:
        self._dirty: set[str] = set()
        self._lowest, self._highest = 0, 0
        self._nodes = self._opt_ins = False

    def _change(self, name: str, report: Report | None) -> None:
        before = self._reports.pop(name, None)
        if report is not None:
            self._reports[name] = report
        old = before.entries if before else {}
        new = report.entries if report else {}
        for pipeline in old.keys() | new.keys():
            if old.get(pipeline) != new.get(pipeline):
                self._dirty.add(pipeline)
                self._set_entry(pipeline, name, new.get(pipeline))
        self._nodes |= (before is None) != (report is None)
        said = [(each.opt_ins, each.problems) if each else ((), ()) for each in (before, report)]
        self._opt_ins |= said[0] != said[1]
        self._count(before.version if before else None, report.version if report else None)

    def _set_entry(self, pipeline: str, name: str, entry: Entry | None) -> None:
        by_node = self._by_pipeline.setdefault(pipeline, {})
        if entry is not None:
            by_node[name] = entry
        else:
            by_node.pop(name, None)
            if not by_node:
                del self._by_pipeline[pipeline]

    def _count(self, old: int | None, new: int | None) -> None:
        if old == new:
            return
        if old is not None:
            self._versions[old] -= 1
            self._versions += collections.Counter()  # drops what is zero
        if new is not None:
            self._versions[new] += 1
        if old is not None and new is not None:
            low, high = sorted((old, new))
            self._lowest = min(self._lowest, low) if self._highest else low
            self._highest = max(self._highest, high)

    def _read(self, report: Mapping[str, Any]) -> Report:
        entries = (each for each in report.get("pipelines") or () if each.get("name"))
        return Report(
            node=str(report.get("node", "")),
            version=_number(report.get("pipelinesVersion")),
            entries={self._text(each["name"]): self._entry(each) for each in entries},
            opt_ins=tuple(report.get("optIns") or ()),
            problems=tuple(report.get("problems") or ()),
        )

    def _entry(self, each: Mapping[str, Any]) -> Entry:
        lost = each.get("lostBytes") or {}
        return Entry(
            failed=each.get("state") == "Failed",
            message=str(each.get("message") or ""),
            generation=_number(each.get("generation")),
            origin_generation=_number(each.get("originGeneration")),
            refused_generation=_number(each.get("refusedGeneration")),
            pods=_number(each.get("pods")),
            containers=_number(each.get("containers")),
            samples=tuple(map(str, each.get("samplePods") or ())),
            lines=_number(each.get("lines")),
            bytes=_number(each.get("bytes")),
            lag_seconds=_number(each.get("lagSeconds")),
            lost=tuple(sorted((self._text(key), _number(lost[key])) for key in lost)),
            last=str(each.get("lastLogTime") or ""),
        )

    def _text(self, text: object) -> str:
        """One object for equal names: hundreds of reports have the same ones."""
        found = str(text)
        return self._texts.setdefault(found, found) if len(self._texts) < 50_000 else found


def _number(found: object) -> int:
    """A whole number as it stands in a report, which anything may have written."""
    if isinstance(found, str) and found.isascii() and found.isdecimal():
        return int(found)
    return found if isinstance(found, int) else 0
