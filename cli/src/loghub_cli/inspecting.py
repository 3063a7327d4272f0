"""The commands about the installation itself: fetch with kubectl, judge with pure functions, print.

`status` is `installation`'s, `explain` is `surveying`'s and `explaining`'s, `matches` is
`matching`'s, the tables `listing`'s.
"""

import argparse
import dataclasses
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from loghub_cli import (
    errors,
    explaining,
    installation,
    kubectl,
    listing,
    matching,
    objects,
    surveying,
    workloads,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_NO_KIND: Final = "the server doesn't have a resource type"
_GROUP: Final = "loghub.dev"

_UNDERSCORE: Final = re.compile("_(.)")

FINE: Final = 0
NOT_WELL: Final = 1


def run(options: argparse.Namespace) -> int:
    """Run one of the commands; the exit status is 1 where something is not well.

    Raises:
        CliError: the cluster cannot be asked, or holds no loghub.
    """
    cluster = kubectl.Kubectl(options.context, options.kubeconfig)
    try:
        return COMMANDS[options.command](cluster, options)
    except errors.CliError as fault:
        if _NO_KIND in str(fault):
            raise errors.CliError(
                "loghub is not installed in this cluster, or its definitions are older than this "
                f"program. Install it: helm install loghub charts/loghub ({fault})"
            ) from fault
        raise


def status(cluster: kubectl.Kubectl, options: argparse.Namespace) -> int:
    """`loghub status`."""
    workloads = cluster.items("deployments,statefulsets,daemonsets", labels=surveying.RELEASE)
    kinds = ("logprojects", "logstores", "logconfigs", "clusterlogconfigs", "collectionagents")
    declared = cluster.items(_own(*kinds))
    reports = cluster.items(_own("agentreports"))
    found = installation.judge(workloads, declared, reports)
    _print(options.output, _document(found), installation.lines(found))
    return NOT_WELL if found.problems else FINE


def explain(cluster: kubectl.Kubectl, options: argparse.Namespace) -> int:
    """`loghub explain`: a pod, or one of a workload's."""
    namespace = options.namespace or cluster.namespace()
    chosen = workloads.pod(cluster, options.kind, options.name, namespace)
    found = explaining.explain(chosen.pod, surveying.Survey(cluster, chosen.pod).facts())
    if chosen.note:
        print(chosen.note, file=sys.stderr)
    _print(options.output, _document(found), explaining.lines(found))
    return FINE if found.collected else NOT_WELL


def matches(cluster: kubectl.Kubectl, options: argparse.Namespace) -> int:
    """`loghub matches`; the exit status is 0 where pods are taken and everything works."""
    namespace = options.namespace or cluster.namespace()
    config = cluster.get(_own("logconfigs"), options.name, namespace)
    if config is None:
        known = ", ".join(cluster.names(_own("logconfigs"), namespace)[:20]) or "none"
        raise errors.CliError(
            f"There is no LogConfig {options.name} in namespace {namespace} (there: {known}). "
            "Choose another namespace with -n."
        )
    pods = cluster.items("pods", namespace)
    found = matching.match(config, pods, surveying.ConfigSurvey(cluster, config).facts())
    _print(options.output, {**_document(found), "works": found.works}, matching.lines(found))
    return FINE if found.works else NOT_WELL


def stores(cluster: kubectl.Kubectl, options: argparse.Namespace) -> int:
    """`loghub stores`; the exit status is 1 where one is not ready."""
    namespace = "" if options.all_namespaces else options.namespace or cluster.namespace()
    found = cluster.items(_own("logstores", "logconfigs"), namespace)
    kinds = (objects.of_kind(found, "LogStore"), objects.of_kind(found, "LogConfig"))
    rows = listing.stores(*kinds)
    if not rows and options.output == "text":
        where = f"namespace {namespace}: see -n and -A" if namespace else "any namespace"
        print(f"There is no LogStore in {where}.", file=sys.stderr)
        return FINE
    _print(options.output, [_document(each) for each in rows], listing.store_lines(rows))
    return FINE if all(each.ready == "True" for each in rows) else NOT_WELL


def agents(cluster: kubectl.Kubectl, options: argparse.Namespace) -> int:
    """`loghub agents`; the exit status is 1 where one has a trouble."""
    reports = cluster.items(_own("agentreports"))
    pods = cluster.items("pods", labels=f"{surveying.RELEASE},{installation.COMPONENT}=agent")
    rows = listing.agents(reports, pods)
    if not rows and options.output == "text":
        print("No node has an agent: see `loghub status`.", file=sys.stderr)
        return NOT_WELL
    _print(options.output, [_document(each) for each in rows], listing.agent_lines(rows))
    return NOT_WELL if not rows or any(each.troubles for each in rows) else FINE


def _own(*plurals: str) -> str:
    return ",".join(f"{plural}.{_GROUP}" for plural in plurals)


def _document(found: "DataclassInstance") -> dict[str, Any]:
    """A dataclass as JSON, its fields named in Kubernetes' manner."""
    return dataclasses.asdict(found, dict_factory=_camel)


def _camel(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {_UNDERSCORE.sub(lambda found: found[1].upper(), key): value for key, value in fields}


def _print(shape: str, document: Any, lines: Iterable[str]) -> None:
    if shape == "json":
        print(json.dumps(document, indent=2))
        return
    for line in lines:
        print(line)


COMMANDS: Final[Mapping[str, Callable[[kubectl.Kubectl, argparse.Namespace], int]]] = {
    "status": status,
    "explain": explain,
    "matches": matches,
    "stores": stores,
    "agents": agents,
}
"""By the command's name."""
