"""The core's plan: every pipeline with the log directories of the containers that it takes. Pure.

`agent` calls `build` with what `catalog` wants to run and what `inventory` holds, and hands the
text to the core through `supervisor`. Equal input gives equal text, so an unchanged plan is known.
"""

import collections
import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from loghub_agent import hearing, matching, pods, wishes
from loghub_agent.config import plan

_SAMPLES: Final = 5
"""Pods named per pipeline in the AgentReport (contract)."""

NODE_SOURCE: Final = "node"
"""The id of the source that is the node's own files; a pod's has a slash."""

SourceKey = tuple[str, str]
"""A pipeline's name and a source's id (`<log uid>/<container>`), as the core's stats name them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Resident:
    """A pod as the plan sees it: `ended` when nothing more will be written, `gone` when deleted."""

    pod: pods.Pod
    ended: bool = False
    gone: bool = False


@dataclasses.dataclass(slots=True)
class Match:
    """What one pipeline takes on this node; pods already deleted are not counted."""

    pods: int = 0
    containers: int = 0
    samples: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """The text for the core and what the agent itself needs to know about it."""

    text: str
    matches: Mapping[str, Match]
    """By pipeline name; one without containers here is absent."""
    sources: Mapping[str, tuple[SourceKey, ...]]
    """By pod uid."""


def build(
    pipelines: Iterable[plan.Pipeline],
    residents: Iterable[Resident],
    *,
    pods_dir: str,
    node: str,
    root: str = "/",
) -> Plan:
    """Match every resident with every pipeline and render the core's plan.

    `node` stands in where a pod has no address yet; `root` is where the node's own files are. A
    live pod wins over a deleted one with the same log directory (a static pod whose mirror object
    was replaced).
    """
    ordered = sorted(pipelines, key=lambda pipeline: pipeline.name)
    index = matching.Index(ordered)
    rendered: dict[str, list[str]] = collections.defaultdict(list)
    matches: dict[str, Match] = collections.defaultdict(Match)
    sources: dict[str, tuple[SourceKey, ...]] = {}
    seen: set[SourceKey] = set()
    for resident in sorted(residents, key=_order):
        taken: list[SourceKey] = []
        heard, _ = hearing.heard(resident.pod)
        for pipeline in index.taking(resident.pod):
            before = len(taken)
            for container in _containers(pipeline, resident.pod, heard):
                key = (pipeline.name, f"{resident.pod.log_uid}/{container.name}")
                if key not in seen:
                    seen.add(key)
                    taken.append(key)
                    said = heard[container.name]
                    source = _source(
                        pipeline, resident, (container, said), pods_dir=pods_dir, node=node
                    )
                    rendered[pipeline.name].append(source)
            if len(taken) > before and not resident.gone:
                _count(matches[pipeline.name], resident.pod, len(taken) - before)
        sources[resident.pod.uid] = tuple(taken)
    for pipeline in ordered:
        if pipeline.is_of_node:
            rendered[pipeline.name].append(_node_source(pipeline, node=node, root=root))
    text = ",".join(
        f'{{{pipeline.head},"sources":[{",".join(rendered.get(pipeline.name, ()))}]}}'
        for pipeline in ordered
    )
    return Plan(f'{{"pipelines":[{text}]}}', dict(matches), sources)


def _order(resident: Resident) -> tuple[bool, str, str, str]:
    pod = resident.pod
    return resident.gone, pod.namespace, pod.name, pod.uid


def _containers(
    pipeline: plan.Pipeline, pod: pods.Pod, heard: Mapping[str, wishes.Said]
) -> Iterator[pods.Container]:
    return (
        container
        for container in pod.containers
        if matching.takes_container(pipeline, container.name, heard[container.name])
        and _streams(pipeline, heard[container.name])
    )


def _streams(pipeline: plan.Pipeline, said: wishes.Said) -> str:
    """JSON text of the streams to read; empty where the container wants none of the pipeline's."""
    if pipeline.opt_in is None:
        return pipeline.streams
    wanted = {stream for wish in wishes.granted(pipeline.opt_in, said) for stream in wish.streams}
    streams = [stream for stream in json.loads(pipeline.streams) if stream in wanted]
    return json.dumps(streams) if streams else ""


def _count(match: Match, pod: pods.Pod, containers: int) -> None:
    match.pods += 1
    match.containers += containers
    if len(match.samples) < _SAMPLES:
        match.samples.append(f"{pod.namespace}/{pod.name}")


def _source(
    pipeline: plan.Pipeline,
    resident: Resident,
    about: tuple[pods.Container, wishes.Said],
    *,
    pods_dir: str,
    node: str,
) -> str:
    pod, (container, said) = resident.pod, about
    own = _own_tags(pipeline, said)
    source = {
        "id": f"{pod.log_uid}/{container.name}",
        "dir": f"{pods_dir}/{pod.directory}/{container.name}",
        "source": pod.ip or node,
        "tags": list((_tags(pipeline, pod, container, node) | own).items()),
        "ended": resident.ended,
    }
    text = json.dumps(source, ensure_ascii=False, separators=(",", ":"))
    return f'{text[:-1]},"streams":{_streams(pipeline, said)}}}'


def _node_source(pipeline: plan.Pipeline, *, node: str, root: str) -> str:
    """The node's files as a source; the core adds each one's `__path__`."""
    tags = {"__hostname__": node, "_node_name_": node} | dict(pipeline.static_tags)
    source = {
        "id": NODE_SOURCE,
        "dir": "",
        "streams": [],
        "source": node,
        "tags": [pair for pair in tags.items() if pair[1]],
        "ended": False,
    }
    mounts = [{"at": "/", "dir": root}]
    return _with_files(source, pipeline, mounts)


def _with_files(
    source: Mapping[str, object], pipeline: plan.Pipeline, mounts: Sequence[Mapping[str, object]]
) -> str:
    text = json.dumps(source, ensure_ascii=False, separators=(",", ":"))
    where = json.dumps(mounts, ensure_ascii=False, separators=(",", ":"))
    return f'{text[:-1]},"files":{{"mounts":{where},{pipeline.files_text}}}}}'


def _own_tags(pipeline: plan.Pipeline, said: wishes.Said) -> dict[str, str]:
    """The tags that the container asks for together with the pipeline's Logstore."""
    if pipeline.opt_in is None:
        return {}
    return {
        name: value for wish in wishes.granted(pipeline.opt_in, said) for name, value in wish.tags
    }


def _tags(
    pipeline: plan.Pipeline, pod: pods.Pod, container: pods.Container, node: str
) -> dict[str, str]:
    """Return Alibaba's default tags and the configured ones, which win; unknown ones are absent."""
    tags = {
        "_namespace_": pod.namespace,
        "_pod_name_": pod.name,
        "_pod_uid_": pod.log_uid,
        "_container_name_": container.name,
        "_image_name_": container.image,
        "_container_ip_": pod.ip,
        "_node_name_": pod.node or node,
    }
    labels = pod.labels or {}
    tags |= {tag: labels.get(label, "") for label, tag in pipeline.label_tags}
    tags |= pipeline.static_tags
    return {name: value for name, value in tags.items() if value}
