"""The core's plan: every pipeline with the log directories of the containers that it takes. Pure.

`agent` calls `build` with what `catalog` wants to run and what `inventory` holds, and hands the
text to the core through `supervisor`. Equal input gives equal text, so an unchanged plan is known.
"""

import collections
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from loghub_agent import hearing, matching, pods, runtime, wishes
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
class _Site:
    """The node, as `build` was told of it."""

    pods_dir: str
    node: str
    root: str
    ground: Callable[[str], runtime.Ground | None]


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
    ground: Callable[[str], runtime.Ground | None] = lambda _: None,
    hear: hearing.Hear = hearing.heard,
) -> Plan:
    """Match every resident with every pipeline and render the core's plan.

    `node` stands in where a pod has no address yet; `root` is where the node's own files are;
    `ground` says what a container, by its runtime id, sees as its files; `hear` what a pod's
    containers say for themselves. A live pod wins over a
    deleted one with the same log directory (a static pod whose mirror object was replaced).
    """
    site = _Site(pods_dir, node, root, ground)
    ordered = sorted(pipelines, key=lambda pipeline: pipeline.name)
    index = matching.Index(ordered)
    rendered: dict[str, list[str]] = collections.defaultdict(list)
    matches: dict[str, Match] = collections.defaultdict(Match)
    sources: dict[str, tuple[SourceKey, ...]] = {}
    seen: set[SourceKey] = set()
    for resident in sorted(residents, key=_order):
        taken: list[SourceKey] = []
        heard, _ = hear(resident.pod)
        _look_ahead(resident.pod, heard, site)
        for pipeline in index.taking(resident.pod):
            before = len(taken)
            for container in _containers(pipeline, resident.pod, heard):
                key = (pipeline.name, f"{resident.pod.log_uid}/{container.name}")
                if key not in seen:
                    seen.add(key)
                    taken.append(key)
                    about = (container, heard[container.name])
                    rendered[pipeline.name].append(_source(pipeline, resident, about, site))
            if len(taken) > before and not resident.gone:
                _count(matches[pipeline.name], resident.pod, len(taken) - before)
        sources[resident.pod.uid] = tuple(taken)
    for pipeline in ordered:
        if pipeline.is_of_node:
            rendered[pipeline.name].append(_node_source(pipeline, site))
    text = ",".join(
        f'{{{pipeline.head},"sources":[{",".join(rendered.get(pipeline.name, ()))}]}}'
        for pipeline in ordered
    )
    return Plan(f'{{"pipelines":[{text}]}}', dict(matches), sources)


def _look_ahead(pod: pods.Pod, heard: Mapping[str, wishes.Said], site: _Site) -> None:
    """Have it noted where a pod's files are that asks for some itself.

    Its LogConfig comes seconds later, and of a container that is over by then, such as an init
    container, the runtime keeps no record.
    """
    if any(wish.form.files for each in heard.values() for wish in each.wishes):
        for container in pod.containers:
            site.ground(container.id)


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
        and (pipeline.files is not None or _streams(pipeline, heard[container.name]))
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
    site: _Site,
) -> str:
    pod, (container, said) = resident.pod, about
    own = _own_tags(pipeline, said)
    source = {
        "id": f"{pod.log_uid}/{container.name}",
        "dir": f"{site.pods_dir}/{pod.directory}/{container.name}",
        "source": pod.ip or site.node,
        "tags": list((_tags(pipeline, pod, container, site.node) | own).items()),
        "ended": resident.ended,
    }
    if pipeline.files is None:
        return f'{_json(source)[:-1]},"streams":{_streams(pipeline, said)}}}'
    # The kubelet waits for its volumes before it takes the pod out of the API: who waited for that
    # with a file open would wait for ever.
    is_over = (pod.deleting or pod.finished) and not pod.running
    source |= {"dir": "", "streams": [], "ended": resident.ended or is_over}
    mounts = [dataclasses.asdict(mount) for mount in site.ground(container.id) or ()]
    return _with_files(source, pipeline, mounts)


def _node_source(pipeline: plan.Pipeline, site: _Site) -> str:
    """The node's files as a source; the core adds each one's `__path__`."""
    tags = {"__hostname__": site.node, "_node_name_": site.node} | dict(pipeline.static_tags)
    source = {
        "id": NODE_SOURCE,
        "dir": "",
        "streams": [],
        "source": site.node,
        "tags": [pair for pair in tags.items() if pair[1]],
        "ended": False,
    }
    return _with_files(source, pipeline, [{"at": "/", "dir": site.root}])


def _with_files(
    source: Mapping[str, object], pipeline: plan.Pipeline, mounts: Sequence[Mapping[str, object]]
) -> str:
    files = f'"files":{{"mounts":{_json(mounts)},{pipeline.files_text}}}'
    return f"{_json(source)[:-1]},{files}}}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


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
