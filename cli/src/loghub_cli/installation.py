"""The whole installation as facts: its programs, its objects, and everything that is not well.

Pure, over what `inspecting` fetched; `advising` says what to do. What cannot be seen from objects
(a full disk, a slow service) is not here.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from loghub_cli import advising, objects, tables

COMPONENT: Final = "app.kubernetes.io/component"
JUDGED: Final = ("LogProject", "LogStore", "LogConfig", "ClusterLogConfig", "CollectionAgent")
"""Kinds with a Ready condition."""


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One program of the release: operator, ingest, or the agents of a pool."""

    component: str
    kind: str
    namespace: str
    name: str
    ready: int
    desired: int


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """How many objects of a kind are ready."""

    kind: str
    ready: int
    total: int


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not well, and what to do."""

    kind: str
    namespace: str
    name: str
    reason: str
    message: str
    advice: str


@dataclasses.dataclass(frozen=True, slots=True)
class Installation:
    """All that `loghub status` says."""

    parts: Sequence[Part]
    objects: Sequence[Count]
    problems: Sequence[Problem]


def judge(
    workloads: Iterable[objects.Object],
    declared: Sequence[objects.Object],
    reports: Sequence[objects.Object],
) -> Installation:
    """The installation.

    Args:
        workloads: Deployments, StatefulSets and DaemonSets of the release.
        declared: objects of the `JUDGED` kinds.
        reports: AgentReports.
    """
    parts = sorted(map(_part, workloads), key=lambda each: (each.component, each.name))
    system = next((each.namespace for each in parts), "loghub-system")
    found = [
        *_part_problems(parts),
        *_object_problems(declared),
        *_report_problems(reports, declared),
    ]
    counts = []
    for kind in JUDGED:
        states = [objects.ready(each).status for each in objects.of_kind(declared, kind)]
        counts.append(Count(kind, states.count("True"), len(states)))
    return Installation(parts, counts, [_advised(each, system) for each in found])


def lines(found: Installation) -> Iterator[str]:
    """The installation as text."""
    shown = {"agent": "agents"}
    rows = [
        (
            shown.get(each.component, each.component),
            f"{each.ready}/{each.desired}",
            f"{each.kind.lower()} {each.namespace}/{each.name}",
        )
        for each in found.parts
    ]
    rows += [(each.kind, f"{each.ready}/{each.total}", "") for each in found.objects if each.total]
    yield from tables.table(("PART", "READY", "IS"), rows)
    yield ""
    if not found.problems:
        yield "Everything is well."
        return
    count = len(found.problems)
    yield f"{count} {'thing is' if count == 1 else 'things are'} not well:"
    for each in found.problems:
        place = "/".join(filter(None, [each.namespace, each.name]))
        yield ""
        yield tables.cell(f"{each.kind} {place}: {each.reason}")
        yield f"  {tables.cell(each.message)}"
        yield f"  to do: {tables.cell(each.advice)}"


def _part(found: objects.Object) -> Part:
    spec, status = objects.spec(found), objects.status(found)
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    daemons = found["kind"] == "DaemonSet"
    ready = status.get("numberReady" if daemons else "readyReplicas") or 0
    desired = status.get("desiredNumberScheduled", 0) if daemons else spec.get("replicas", 1)
    component = str(labels.get(COMPONENT) or objects.name(found))
    place = (objects.namespace(found), objects.name(found))
    return Part(component, str(found["kind"]), *place, ready=int(ready), desired=int(desired))


def _part_problems(parts: Sequence[Part]) -> Iterator[Problem]:
    if not any(each.component == "operator" for each in parts):
        words = "There is no operator in any namespace: nothing that is declared becomes true."
        yield _problem(
            "Deployment", "loghub-system", "loghub-operator", reason="Missing", say=words
        )
    for each in parts:
        if each.desired == 0:
            reason = "NoNodes" if each.kind == "DaemonSet" else "ScaledToZero"
            words = f"The {each.component} has no pods and wants none."
        elif each.ready < each.desired:
            reason, words = "NotReady", f"{each.ready} of {each.desired} pods are ready."
        else:
            continue
        yield _problem(each.kind, each.namespace, each.name, reason=reason, say=words)


def _object_problems(declared: Sequence[objects.Object]) -> Iterator[Problem]:
    for kind in JUDGED:
        for each in objects.of_kind(declared, kind):
            state = objects.ready(each)
            place = (kind, objects.namespace(each), objects.name(each))
            if state.status != "True":
                yield _problem(*place, reason=state.reason, say=state.message)
                continue
            agents = objects.status(each).get("agents") or {}
            applied, desired = int(agents.get("applied", 0)), int(agents.get("desired", 0))
            if applied < desired:
                words = f"{applied} of {desired} agents have applied it."
                yield _problem(*place, reason="NotOnAllNodes", say=words)


def _report_problems(
    reports: Sequence[objects.Object], declared: Sequence[objects.Object]
) -> Iterator[Problem]:
    made = set()
    for config in objects.of_kind(declared, "LogConfig"):
        asked = (objects.spec(config).get("selector") or {}).get("optIn") or {}
        logstore = asked.get("logstore") or objects.name(config).removeprefix("optin-")
        made.add((objects.namespace(config), logstore))
    for found in sorted(reports, key=objects.place):
        report = found.get("report") or {}
        if errors := report.get("errors"):
            place = (objects.namespace(found), objects.name(found))
            words = "; ".join(map(str, errors))
            yield _problem("AgentReport", *place, reason="AgentErrors", say=words)
    for (namespace, logstore), pods in sorted(_optins(reports).items()):
        if (namespace, logstore) not in made:
            words = f"{', '.join(pods)}: asks for Logstore {logstore!r}, and is not collected."
            yield _problem("Pod", namespace, pods[0], reason="OptInNotGranted", say=words)


def _optins(reports: Iterable[objects.Object]) -> dict[tuple[str, str], list[str]]:
    asked: dict[tuple[str, str], set[str]] = {}
    for found in reports:
        for each in (found.get("report") or {}).get("optIns") or []:
            key = str(each.get("namespace")), str(each.get("logstore"))
            asked.setdefault(key, set()).update(map(str, each.get("pods") or ["?"]))
    return {key: sorted(pods) for key, pods in asked.items()}


def _problem(kind: str, namespace: str, name: str, *, reason: str, say: str) -> Problem:
    return Problem(kind, namespace, name, reason, say, "")


def _advised(found: Problem, system: str) -> Problem:
    words = advising.advice(
        found.kind, found.namespace, found.name, reason=found.reason, system=system
    )
    return dataclasses.replace(found, advice=words)
