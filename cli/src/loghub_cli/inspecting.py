"""The commands about the installation itself: fetch with kubectl, judge with pure functions, print.

`status` is `installation`'s, `explain` is `surveying`'s and `explaining`'s.
"""

import argparse
import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from loghub_cli import errors, explaining, installation, kubectl, surveying

_NO_KIND: Final = "the server doesn't have a resource type"
_GROUP: Final = "loghub.dev"

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
    declared = cluster.items(_own("logprojects", "logstores", "logconfigs", "collectionagents"))
    reports = cluster.items(_own("agentreports"))
    found = installation.judge(workloads, declared, reports)
    _print(options.output, dataclasses.asdict(found), installation.lines(found))
    return NOT_WELL if found.problems else FINE


def explain(cluster: kubectl.Kubectl, options: argparse.Namespace) -> int:
    """`loghub explain pod`."""
    namespace = options.namespace or cluster.namespace()
    pod = cluster.get("pod", options.name, namespace)
    if pod is None:
        raise errors.CliError(
            f"There is no pod {options.name} in namespace {namespace}. "
            "Choose another namespace with -n."
        )
    found = explaining.explain(pod, surveying.Survey(cluster, pod).facts())
    _print(options.output, dataclasses.asdict(found), explaining.lines(found))
    return FINE if found.collected else NOT_WELL


def _own(*plurals: str) -> str:
    return ",".join(f"{plural}.{_GROUP}" for plural in plurals)


def _print(shape: str, document: Any, lines: Iterable[str]) -> None:
    if shape == "json":
        print(json.dumps(document, indent=2))
        return
    for line in lines:
        print(line)


COMMANDS: Final[Mapping[str, Callable[[kubectl.Kubectl, argparse.Namespace], int]]] = {
    "status": status,
    "explain": explain,
}
"""By the command's name."""
