"""Which pods and containers one LogConfig takes, which it does not, and why not.

Pure, over what `surveying` fetched; `explaining` decides on each pod, `inspecting` prints.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final

from loghub_cli import explaining, objects, tables

_NAMED: Final = 3
"""Pods that a line of the text names; JSON has all. A namespace may hold thousands."""


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """A pod of which the config takes at least one container."""

    pod: str
    node: str
    containers: Sequence[str]
    left_out: Sequence[explaining.Container]
    works: bool
    agent: str
    """What the node's agent reports of the config."""


@dataclasses.dataclass(frozen=True, slots=True)
class Refused:
    """A pod that the config does not take."""

    pod: str
    why_not: Sequence[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Reported:
    """What the agents say that they take, as the operator summed their reports up."""

    pods: int
    containers: int


@dataclasses.dataclass(frozen=True, slots=True)
class Matches:
    """All that `loghub matches` says."""

    config: str
    store: str
    """Where the lines go, in words."""
    troubles: Sequence[str]
    """Of the config itself. One that is not ready may run on in an older form than its spec."""
    taken: Sequence[Taken]
    refused: Sequence[Refused]
    reported: Reported | None
    notes: Sequence[str]

    @property
    def works(self) -> bool:
        """Whether some pod is taken, and everything that should work does."""
        return bool(self.taken) and not self.troubles and all(each.works for each in self.taken)


def match(
    config: objects.Object, pods: Sequence[objects.Object], facts: explaining.Facts
) -> Matches:
    """The config against every pod of its namespace."""
    ready = objects.ready(config)
    taken, refused = [], []
    for pod in sorted(pods, key=objects.name):
        found = explaining.decide(config, pod, facts)
        if found.matches:
            taken.append(_taken(pod, found))
        else:
            refused.append(Refused(objects.name(pod), found.why_not))
    reported = _reported(config)
    return Matches(
        config=objects.place(config),
        store=explaining.destination(config, facts.around),
        troubles=[] if ready.status == "True" else [f"{ready.reason}: {ready.message}"],
        taken=taken,
        refused=refused,
        reported=reported,
        notes=[*facts.unreadable, *_difference(taken, reported)],
    )


def lines(found: Matches) -> Iterator[str]:
    """The matches as text."""
    count = sum(len(each.containers) for each in found.taken)
    everything = len(found.taken) + len(found.refused)
    yield (
        f"LogConfig {found.config}: takes {_counted(count, 'container')} of "
        f"{len(found.taken)} of the namespace's {_counted(everything, 'pod')}"
    )
    yield f"  goes to      {tables.cell(found.store)}"
    if found.reported:
        said = _counted(found.reported.containers, "container")
        yield f"  agents say   {said} of {_counted(found.reported.pods, 'pod')}"
    for trouble in found.troubles:
        yield f"  not well     {tables.cell(trouble)}"
    if found.taken:
        yield ""
        rows = [
            (each.pod, each.node, ", ".join(each.containers), _state(each)) for each in found.taken
        ]
        yield from tables.table(("POD", "NODE", "TAKES", "AGENT"), rows)
    if reasons := _reasons(found):
        yield ""
        why = [(_some(names), reason) for reason, names in reasons.items()]
        yield from tables.table(("NOT TAKEN", "WHY NOT"), why)
    for note in found.notes:
        yield ""
        yield tables.cell(note)


def _taken(pod: objects.Object, found: explaining.Decision) -> Taken:
    return Taken(
        pod=objects.name(pod),
        node=str(objects.spec(pod).get("nodeName") or ""),
        containers=[each.name for each in found.containers if not each.why_not],
        left_out=[each for each in found.containers if each.why_not],
        works=found.agent not in found.troubles,
        agent=found.agent,
    )


def _reported(config: objects.Object) -> Reported | None:
    found = objects.status(config).get("matched")
    if not found:
        return None
    return Reported(int(found.get("pods", 0)), int(found.get("containers", 0)))


def _difference(taken: Sequence[Taken], reported: Reported | None) -> Iterator[str]:
    """A pod that has just come or gone is no trouble, so that this is said and not judged."""
    placed = sum(1 for each in taken if each.node)
    if reported and reported.pods != placed:
        yield (
            f"The selector takes {_counted(placed, 'pod')} that are on a node, the agents report "
            f"{reported.pods}. Where that lasts, see `loghub agents`."
        )


def _reasons(found: Matches) -> dict[str, list[str]]:
    """What is not taken by the reason: pods, and as POD/CONTAINER what a taken pod leaves out."""
    by_reason: dict[str, list[str]] = {}
    for pod in found.refused:
        by_reason.setdefault("; ".join(pod.why_not), []).append(pod.pod)
    for taken in found.taken:
        for each in taken.left_out:
            by_reason.setdefault(each.why_not, []).append(f"{taken.pod}/{each.name}")
    return by_reason


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _state(found: Taken) -> str:
    return found.agent if found.works else f"NOT WELL: {found.agent}"


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
