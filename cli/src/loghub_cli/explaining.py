"""Why a pod's lines are collected, where they go, and why not: each LogConfig, each opt-in key.

Pure, over what `inspecting` fetched. `selecting` judges selectors, `granting` the pod's own keys,
`running` reads what the node's agent reports.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final

from loghub_cli import granting, objects, running, selecting, tables

OPT_IN: Final = "loghub.dev/opt-in"
"""Label of a LogConfig that the operator made for pods' own annotations."""


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the pod's surroundings."""

    around: granting.Surroundings
    reports: Sequence[objects.Object] | None
    """AgentReports; None where the user may not read them."""
    pipelines: Sequence[objects.Object]
    unreadable: Sequence[str] = ()
    """Sentences about what could not be read."""


@dataclasses.dataclass(frozen=True, slots=True)
class Container:
    """One container as a LogConfig sees it."""

    name: str
    why_not: str


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """What one LogConfig makes of the pod."""

    config: str
    opt_in: bool
    matches: bool
    why_not: Sequence[str]
    containers: Sequence[Container]
    store: str
    """Where the lines go, in words."""
    agent: str
    """What the node's agent reports of it."""
    troubles: Sequence[str]
    """Why it does not work. One that is not ready may run on in an older form than its spec."""


@dataclasses.dataclass(frozen=True, slots=True)
class Explanation:
    """All that `loghub explain pod` says."""

    pod: str
    node: str
    containers: Sequence[str]
    collected: bool
    """Whether some LogConfig takes the pod, and everything that should work does."""
    annotations: Sequence[granting.Key]
    configs: Sequence[Decision]
    notes: Sequence[str]


def explain(pod: objects.Object, facts: Facts) -> Explanation:
    """Everything that bears on one pod."""
    keys = granting.keys(pod, facts.around)
    decisions = [decide(each, pod, facts) for each in sorted(facts.around.configs, key=_name)]
    matching = [each for each in decisions if each.matches]
    notes = list(facts.unreadable)
    if not facts.around.configs:
        notes.append(
            f"Namespace {objects.namespace(pod)} has no LogConfig, and a LogConfig takes pods of "
            f"its own namespace only: create one, or set {granting.LOGSTORE} on the pod."
        )
    elif not matching:
        notes.append("Nothing of this pod is collected.")
    well = all(each.works for each in keys) and not any(each.troubles for each in matching)
    return Explanation(
        pod=objects.place(pod),
        node=_node(pod),
        containers=selecting.containers(pod),
        collected=bool(matching) and well,
        annotations=keys,
        configs=decisions,
        notes=notes,
    )


def lines(found: Explanation) -> Iterator[str]:
    """The explanation as text."""
    node = f"on node {found.node}" if found.node else "on no node yet"
    yield tables.cell(f"Pod {found.pod} {node}; containers: {', '.join(found.containers)}")
    for key in found.annotations:
        yield ""
        yield tables.cell(f"Annotation {key.annotation}={key.value}")
        yield f"  {tables.cell(key.message)}"
    for decision in found.configs:
        yield ""
        yield from _decision_lines(decision)
    for note in found.notes:
        yield ""
        yield tables.cell(note)


def _decision_lines(found: Decision) -> Iterator[str]:
    made = " (made for the pods' annotation)" if found.opt_in else ""
    kind = "LogConfig" if "/" in found.config else "ClusterLogConfig"
    yield f"{kind} {found.config}{made}: {'matches' if found.matches else 'does not match'}"
    for reason in found.why_not:
        yield f"  {tables.cell(reason)}"
    if found.matches:
        taken = [each.name for each in found.containers if not each.why_not]
        yield f"  takes        {tables.cell(', '.join(taken))}"
        for each in found.containers:
            if each.why_not:
                yield f"  leaves out   {tables.cell(f'{each.name}: {each.why_not}')}"
        yield f"  goes to      {tables.cell(found.store)}"
        if found.agent not in found.troubles:
            yield f"  agent        {tables.cell(found.agent)}"
    for trouble in found.troubles:
        yield f"  not well     {tables.cell(trouble)}"


def decide(config: objects.Object, pod: objects.Object, facts: Facts) -> Decision:
    """What one LogConfig makes of one pod of its namespace."""
    selector = objects.spec(config).get("selector") or {}
    names = selecting.containers(pod)
    containers = [Container(each, selecting.container_fault(selector, each, pod)) for each in names]
    faults = selecting.pod_faults(selector, pod)
    if not objects.namespace(config):
        faults += running.namespace_faults(config, objects.namespace(pod), facts.pipelines)
    if selecting.excluded(pod):
        faults.insert(0, f"the pod has the annotation {selecting.EXCLUDE}=true")
    if all(each.why_not for each in containers):
        faults += [f"container {each.name}: {each.why_not}" for each in containers]
    state = running.on_node(config, _node(pod), facts.reports, facts.pipelines)
    ready = objects.ready(config)
    troubles = [] if ready.status == "True" else [f"{ready.reason}: {ready.message}"]
    troubles += [] if state.works or faults else [state.message]
    labels = config["metadata"].get("labels") or {}
    return Decision(
        config=objects.place(config),
        opt_in=labels.get(OPT_IN) == "true",
        matches=not faults,
        why_not=faults,
        containers=containers,
        store=destination(config, facts.around),
        agent=state.message,
        troubles=troubles,
    )


def destination(config: objects.Object, around: granting.Surroundings) -> str:
    """The effective Logstore, project and endpoint, and the objects they come from."""
    home = objects.namespace(config)
    place = objects.refer(objects.spec(config).get("logStoreRef") or {}, home)
    store = _find(around.stores, place)
    if store is None:
        return f"LogStore {'/'.join(place)}, which is not there or not readable"
    project_place = objects.refer(objects.spec(store).get("projectRef") or {}, place[0])
    project = _find(around.projects, project_place)
    endpoint = objects.status(project).get("endpoint") if project else None
    logstore = objects.spec(store).get("logStoreName") or place[1]
    remote = objects.status(store).get("projectName") or "not known yet"
    return (
        f"Logstore {logstore}, project {remote}, at {endpoint or 'an endpoint not known'} "
        f"(LogStore {'/'.join(place)}, LogProject {'/'.join(project_place)})"
    )


def _find(found: Sequence[objects.Object], place: tuple[str, str]) -> objects.Object | None:
    return next((each for each in found if objects.place(each) == "/".join(place)), None)


def _name(found: objects.Object) -> str:
    return objects.name(found)


def _node(pod: objects.Object) -> str:
    return str(objects.spec(pod).get("nodeName") or "")
