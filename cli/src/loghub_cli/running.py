"""What the agent of one node reports of one pipeline. Pure; part of `explaining`."""

import dataclasses
from collections.abc import Sequence

from loghub_cli import objects


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """A pipeline on a node."""

    works: bool
    message: str


def on_node(
    config: objects.Object,
    node: str,
    reports: Sequence[objects.Object] | None,
    pipelines: Sequence[objects.Object],
) -> Running:
    """Whether the agent of `node` runs the pipeline of `config`; reports None: not readable."""
    pipeline = str(objects.status(config).get("pipeline") or "")
    if not pipeline:
        return Running(False, "no pipeline was made of it yet")
    if not node:
        return Running(True, "the pod is on no node yet")
    if reports is None:
        agents = objects.status(config).get("agents") or {}
        return Running(
            True,
            f"its agent's report is not readable; it runs on {agents.get('summary', '?')} nodes",
        )
    report = next((each["report"] for each in reports if _node(each) == node), None)
    if report is None:
        return Running(
            False,
            f"no agent has reported from {node}: is there one (`loghub agents`), and does its "
            "CollectionAgent select and tolerate the node?",
        )
    return _reported(report, node, pipeline, _generation(pipelines, pipeline))


def namespace_faults(
    config: objects.Object, namespace: str, pipelines: Sequence[objects.Object]
) -> list[str]:
    """Why a ClusterLogConfig takes no pod of a namespace, by what the operator made of it."""
    name = str(objects.status(config).get("pipeline") or "")
    made = next((each for each in pipelines if objects.name(each) == name), None)
    if made is None:
        return ["which namespaces it takes is not known: its pipeline is not there or readable"]
    select = objects.spec(made).get("select") or {}
    taken, left_out = select.get("namespaces") or [], select.get("excludeNamespaces") or []
    if namespace in left_out or (taken and namespace not in taken):
        return [f"spec.selector.namespaces does not take namespace {namespace}"]
    return []


def _reported(report: objects.Object, node: str, pipeline: str, wanted: int) -> Running:
    entries = report.get("pipelines") or []
    entry = next((each for each in entries if each.get("name") == pipeline), None)
    if entry is None:
        return Running(False, f"the agent of {node} has not taken up pipeline {pipeline}")
    if entry.get("state") != "Applied":
        return Running(False, f"the agent of {node} refuses it: {entry.get('message', '')}")
    has = int(entry.get("generation", 0))
    if has < wanted:
        return Running(False, f"the agent of {node} runs generation {has}, {wanted} is current")
    return Running(True, f"{node} applied pipeline {pipeline}, generation {has}")


def _node(report: objects.Object) -> str:
    return str((report.get("report") or {}).get("node") or "")


def _generation(pipelines: Sequence[objects.Object], name: str) -> int:
    found = (each["metadata"] for each in pipelines if objects.name(each) == name)
    return max((int(each.get("generation", 0)) for each in found), default=0)
