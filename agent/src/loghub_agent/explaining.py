"""Why a container or a log file is collected, how far that is, and why not. Pure.

`admin` serves it as /explain; `cli` asks the agent that runs on the node, because only that one
knows what it has been told and has seen. Every sentence names what to change.
"""

import pathlib
from collections.abc import Iterator, Mapping
from typing import Final

from loghub_agent import _core, catalog, collecting, matching, planning, pods, wishes
from loghub_agent.config import plan

_MAX_PODS: Final = 20
"""Pods that one question may be about; a longer answer is read by nobody."""


def explain(asked: str, loop: collecting.Collecting, *, pods_dir: str) -> str:
    """Answer a question about NAMESPACE/POD[/CONTAINER], POD, CONTAINER or a path."""
    wanted = _parts(asked, pods_dir)
    found = [
        (resident, container)
        for resident in loop.inventory.residents()
        for container in resident.pod.containers
        if _meant(wanted, resident.pod, container)
    ]
    lines = []
    for resident, container in found[:_MAX_PODS]:
        lines += [*_container(resident, container, loop, pods_dir), ""]
    if len(found) > _MAX_PODS:
        lines.append(f"... and {len(found) - _MAX_PODS} more; ask for NAMESPACE/POD/CONTAINER")
    if asked.startswith("/") and not found:
        lines += _file(asked, loop)
    if not lines:
        lines.append(_nothing(asked, loop, pods_dir))
    return "\n".join(lines).rstrip() + "\n"


def _file(path: str, loop: collecting.Collecting) -> Iterator[str]:
    """Yield what each pipeline that reads files of the node does with this one."""
    versions = loop.catalog.wanted()
    pipelines = [each.pipeline for each in versions.values() if each.pipeline]
    for pipeline in sorted(pipelines, key=lambda each: each.name):
        if not pipeline.is_of_node:
            continue
        reason = _core.why_not(f'{{"mounts":[],{pipeline.files_text}}}', path)
        if reason:
            yield f"  not by     {pipeline.name}: {reason}"
            continue
        yield f"  taken by   {pipeline.name} (generation {pipeline.generation})"
        yield from _standing(pipeline.name, planning.NODE_SOURCE, loop)


def _parts(asked: str, pods_dir: str) -> tuple[str, ...]:
    """Return the names asked for; of a path, those that its directories hold."""
    if not asked.startswith("/"):
        return tuple(part for part in asked.split("/") if part)
    path = pathlib.PurePosixPath(asked)
    if not path.is_relative_to(pods_dir):
        return ()
    parts = path.relative_to(pods_dir).parts
    names = parts[0].split("_") if parts else []
    return (*names[:2], *parts[1:2])


def _meant(wanted: tuple[str, ...], pod: pods.Pod, container: pods.Container) -> bool:
    if len(wanted) == 1:
        return wanted[0] in {pod.name, container.name}
    return wanted in {
        (pod.namespace, pod.name),
        (pod.namespace, pod.name, container.name),
        (pod.name, container.name),
    }


def _nothing(asked: str, loop: collecting.Collecting, pods_dir: str) -> str:
    known = len(loop.inventory)
    if asked.startswith("/") and not pathlib.PurePosixPath(asked).is_relative_to(pods_dir):
        return f"{asked} is not below {pods_dir}, where this agent reads containers' logs."
    return (
        f"No container of this node is called {asked!r}; the agent sees {known} pods here. Ask the "
        "agent of the node that the pod runs on, by NAMESPACE/POD, NAMESPACE/POD/CONTAINER or path."
    )


def _container(
    resident: planning.Resident,
    container: pods.Container,
    loop: collecting.Collecting,
    pods_dir: str,
) -> Iterator[str]:
    pod = resident.pod
    folder = f"{pods_dir}/{pod.directory}/{container.name}"
    state = "deleted, its last lines are read" if resident.gone else "on this node"
    yield f"{pod.namespace}/{pod.name}/{container.name} ({state})"
    yield f"  files      {folder}"
    heard, problems = loop.hear(pod)
    said = heard[container.name]
    for problem in problems:
        if problem.container in {"", container.name}:
            yield f"  its own key {problem.key}: {problem.message}"
    if said.excluded:
        yield f"  no pipeline takes it: the pod has the annotation {pods.EXCLUDE}=true; remove it"
        return
    refusals = {outcome.name: outcome.refusal for outcome in loop.catalog.outcomes()}
    troubles = loop.troubles()
    versions = loop.catalog.wanted()
    for name in sorted((set(versions) | set(refusals)) - _of_node(versions)):
        version = versions.get(name)
        refusal = refusals.get(name, "")
        if version is None or version.pipeline is None:
            yield f"  refused    {name}: {refusal}"
            continue
        why_not = list(_why_not(version.pipeline, pod, container.name, said))
        if why_not:
            yield f"  not by     {name}: {'; '.join(why_not)}"
            continue
        yield f"  taken by   {name} (generation {version.generation})"
        yield from _standing(name, f"{pod.log_uid}/{container.name}", loop)
        if refusal:
            yield f"               a later form is refused, this one goes on: {refusal}"
        if name in troubles:
            yield f"               {troubles[name]}"
    if not versions and not refusals:
        yield "  no pipeline has been given to this agent yet"


def _of_node(versions: Mapping[str, catalog.Version]) -> set[str]:
    """Pipelines that no container has to do with."""
    return {name for name, each in versions.items() if each.pipeline and each.pipeline.is_of_node}


def _why_not(
    pipeline: plan.Pipeline, pod: pods.Pod, container: str, said: wishes.Said
) -> Iterator[str]:
    """Yield every condition that does not hold."""
    if pipeline.namespaces and pod.namespace not in pipeline.namespaces:
        yield f"it takes namespaces {', '.join(sorted(pipeline.namespaces))} only"
    if pod.namespace in pipeline.exclude_namespaces:
        yield f"it leaves out the namespace {pod.namespace}"
    if container in pipeline.exclude_container_names:
        yield f"it leaves out containers called {container}"
    elif pipeline.container_names and container not in pipeline.container_names:
        yield f"it takes containers called {', '.join(sorted(pipeline.container_names))} only"
    elif pipeline.opt_in is not None and not wishes.granted(pipeline.opt_in, said):
        asked = ", ".join(map(str, said.wishes)) or "nothing"
        wanted = wishes.spoken(pipeline.opt_in.logstore, pipeline.opt_in.form)
        yield f"it takes containers that ask for {wanted} themselves; this one asks for {asked}"
    elif pipeline.excludes_by_default and said.excluded is None:
        yield f"the namespace has {pods.EXCLUDE}=true; the pod can say {pods.EXCLUDE}=false"
    if not matching.selects(pipeline, pod):
        yield from _unselected(pipeline, pod)


def _unselected(pipeline: plan.Pipeline, pod: pods.Pod) -> Iterator[str]:
    if pod.labels is None or pod.annotations is None:
        yield "it selects by labels or annotations, which nobody knows without Kubernetes"
        return
    for requirement in pipeline.pod_labels.requirements:
        if not requirement.holds(pod.labels):
            values = f" {', '.join(sorted(requirement.values))}" if requirement.values else ""
            has = pod.labels.get(requirement.key)
            found = "has no such label" if has is None else f"has {has!r}"
            rule = f"{requirement.key} must be {requirement.operator}{values}"
            yield f"label {rule}; the pod {found}"
    for key, value in pipeline.pod_annotations:
        if pod.annotations.get(key) != value:
            yield f"annotation {key} must be {value!r}; the pod has another or none"


def _standing(name: str, source: str, loop: collecting.Collecting) -> Iterator[str]:
    stats = loop.stats
    if stats is None or (name, source) not in stats.sources:
        yield "               the core has not been told yet; ask again in a second"
        return
    state = stats.sources[name, source]
    words = {
        "Waiting": "no file there yet: nothing was written, or it is elsewhere",
        "Reading": "its files are followed",
        "Drained": "it has ended, and everything is acknowledged",
    }
    yield f"               {state}: {words.get(state, '')}"
    numbers = stats.pipelines.get(name)
    if numbers is None:
        return
    sent, read = numbers.counters["sentLines"], numbers.counters["readLines"]
    lag = numbers.gauges["lagSeconds"]
    yield (
        f"               the pipeline on this node: {read:.0f} lines read, {sent:.0f} records "
        f"acknowledged, the oldest one waiting for {lag:.1f} s"
    )
    yield from _counted("bytes lost", numbers.lost)
    yield from _counted("lines that could not be parsed", numbers.parse_errors)
    yield from _counted("records not wanted by its rules", numbers.dropped)
    if numbers.last_error:
        yield f"               last error: {numbers.last_error}"


def _counted(what: str, reasons: Mapping[str, float]) -> Iterator[str]:
    if reasons:
        listed = ", ".join(f"{count:.0f} {reason}" for reason, count in sorted(reasons.items()))
        yield f"               {what}: {listed}"
