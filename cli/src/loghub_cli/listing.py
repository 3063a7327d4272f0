"""The rows of `loghub stores` and `loghub agents`. Pure, over what `inspecting` fetched."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from loghub_cli import objects, tables

_DEFAULT_RETENTION_DAYS: Final = 30
"""The definition's own default, for objects older than it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Store:
    """A LogStore, what it is remotely, and the LogConfigs that write into it."""

    namespace: str
    name: str
    logstore: str
    project: str
    """The remote project; empty until the operator knows it."""
    log_project: str
    """The LogProject as NAMESPACE/NAME."""
    retention_days: int
    shards: int
    ready: str
    reason: str
    configs: Sequence[str]
    """As NAMESPACE/NAME."""


@dataclasses.dataclass(frozen=True, slots=True)
class Agent:
    """The agent of a node: its pod, and what it reports."""

    node: str
    pool: str
    pod: str
    ready: bool
    version: str
    started_at: str
    applied: int
    failed: int
    reported: bool
    troubles: Sequence[str]


def stores(found: Iterable[objects.Object], configs: Iterable[objects.Object]) -> list[Store]:
    """LogStores by namespace and name."""
    writers: dict[tuple[str, str], list[str]] = {}
    for each in sorted(configs, key=objects.place):
        reference = objects.spec(each).get("logStoreRef") or {}
        place = objects.refer(reference, objects.namespace(each))
        writers.setdefault(place, []).append(objects.place(each))
    return [_store(each, writers) for each in sorted(found, key=objects.place)]


def agents(reports: Iterable[objects.Object], pods: Iterable[objects.Object]) -> list[Agent]:
    """Agents by node: every node that has an agent's pod, or a report of one."""
    by_node = {objects.name(each): each.get("report") or {} for each in reports}
    # Of two pods of a node (one goes, one comes; one was evicted) the one that works counts.
    running = {
        str(objects.spec(each).get("nodeName") or ""): each for each in sorted(pods, key=_is_ready)
    }
    return [
        _agent(node, by_node.get(node), running.get(node)) for node in sorted(by_node | running)
    ]


def store_lines(found: Sequence[Store]) -> Iterator[str]:
    """LogStores as a table."""
    header = ("NAMESPACE", "NAME", "LOGSTORE", "PROJECT", "RETENTION", "SHARDS", "READY", "REASON")
    rows = [
        (
            each.namespace,
            each.name,
            each.logstore,
            each.project,
            f"{each.retention_days}d",
            str(each.shards),
            each.ready,
            each.reason,
            ", ".join(each.configs),
        )
        for each in found
    ]
    yield from tables.table((*header, "WRITTEN BY"), rows)


def agent_lines(found: Sequence[Agent]) -> Iterator[str]:
    """Agents as a table, and below it what is wrong with which."""
    header = ("NODE", "POOL", "POD", "READY", "VERSION", "APPLIED", "FAILED", "STARTED")
    rows = [
        (
            each.node,
            each.pool,
            each.pod,
            str(each.ready),
            each.version,
            str(each.applied),
            str(each.failed),
            each.started_at,
        )
        for each in found
    ]
    yield from tables.table(header, rows)
    for each in found:
        for trouble in each.troubles:
            yield ""
            yield tables.cell(f"{each.node or 'no node'}: {trouble}")


def _store(found: objects.Object, writers: dict[tuple[str, str], list[str]]) -> Store:
    spec, status, ready = objects.spec(found), objects.status(found), objects.ready(found)
    namespace, name = objects.namespace(found), objects.name(found)
    return Store(
        namespace=namespace,
        name=name,
        logstore=str(spec.get("logStoreName") or name),
        project=str(status.get("projectName") or ""),
        log_project="/".join(objects.refer(spec.get("projectRef") or {}, namespace)),
        retention_days=int(spec.get("retentionDays", _DEFAULT_RETENTION_DAYS)),
        shards=int(spec.get("shardCount", 2)),
        ready=ready.status,
        reason=ready.reason,
        configs=writers.get((namespace, name), []),
    )


def _agent(node: str, report: objects.Object | None, pod: objects.Object | None) -> Agent:
    about = (report or {}).get("agent") or {}
    entries = (report or {}).get("pipelines") or []
    failed = [each for each in entries if each.get("state") == "Failed"]
    ready = pod is not None and _is_ready(pod)
    troubles = [f"refuses {each.get('name')}: {each.get('message', '')}" for each in failed]
    troubles += [str(each) for each in (report or {}).get("errors") or []]
    if report is None:
        troubles.append("its agent has not reported yet.")
    if pod is None:
        troubles.append("it has a report, and no agent's pod runs there any more.")
    elif not ready:
        place = f"-n {objects.namespace(pod)} describe pod {objects.name(pod)}"
        troubles.append(f"its pod is not ready: `kubectl {place}`")
    labels = pod["metadata"].get("labels") or {} if pod else {}
    return Agent(
        node=node,
        pool=str(about.get("pool") or labels.get("loghub.dev/pool") or ""),
        pod=objects.name(pod) if pod else "",
        ready=ready,
        version=str(about.get("version") or ""),
        started_at=str(about.get("startedAt") or ""),
        # An agent lists what says something; older ones listed everything.
        applied=int((report or {}).get("applied", len(entries) - len(failed))),
        failed=len(failed),
        reported=report is not None,
        troubles=troubles,
    )


def _is_ready(pod: objects.Object) -> bool:
    conditions = objects.status(pod).get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
