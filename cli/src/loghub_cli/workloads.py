"""The pod that a person means: by its own name, or by that of the workload that made it.

Pods of one workload have one template, so one of them stands for all; `inspecting` explains it.
"""

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Final

from loghub_cli import errors, kubectl, objects

_WORKLOADS: Final[Mapping[str, str]] = {
    "deployment": "deployment",
    "deploy": "deployment",
    "statefulset": "statefulset",
    "sts": "statefulset",
    "daemonset": "daemonset",
    "ds": "daemonset",
    "job": "job",
}
"""What may be typed, kubectl's short names too."""

KINDS: Final = ("pod", "po", *_WORKLOADS)
OFFERED: Final = ("pod", *dict.fromkeys(_WORKLOADS.values()))
MAX_NAMED: Final = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Chosen:
    """A pod, and what a person must know of the choice."""

    pod: objects.Object
    note: str = ""


def pod(cluster: kubectl.Kubectl, kind: str, name: str, namespace: str) -> Chosen:
    """The pod NAME, or the newest pod of the workload NAME.

    Raises:
        CliError: there is none; says what there is instead.
    """
    if kind not in _WORKLOADS:
        found = cluster.get("pod", name, namespace)
        if found is None:
            raise errors.CliError(_no_pod(cluster, name, namespace))
        return Chosen(found)
    kind = _WORKLOADS[kind]
    workload = cluster.get(kind, name, namespace)
    if workload is None:
        raise errors.CliError(
            f"There is no {kind} {name} in namespace {namespace}. Choose another namespace with -n."
        )
    labels = _selector(workload)
    if not labels:
        raise errors.CliError(
            f"The {kind} {name} selects its pods by more than labels: name one of its pods, "
            f"`kubectl get pods -n {namespace}`."
        )
    pods = sorted(cluster.items("pods", namespace, labels=labels), key=_made)
    if not pods:
        raise errors.CliError(
            f"The {kind} {name} has no pods: see `kubectl describe {kind} {name} -n {namespace}`."
        )
    return Chosen(pods[-1], f"{kind} {name}: the newest of its {len(pods)} pods stands for all.")


def _no_pod(cluster: kubectl.Kubectl, name: str, namespace: str) -> str:
    alike: list[str] = []
    with contextlib.suppress(errors.CliError):  # Who may read one pod may not list them all.
        alike = [each for each in cluster.names("pods", namespace) if each.startswith(f"{name}-")]
    hint = "Choose another namespace with -n."
    if alike:
        more = ", ..." if len(alike) > MAX_NAMED else ""
        hint = f"There are {', '.join(alike[:MAX_NAMED])}{more}."
    return f"There is no pod {name} in namespace {namespace}. {hint}"


def _selector(workload: objects.Object) -> str:
    selector = objects.spec(workload).get("selector") or {}
    if selector.get("matchExpressions"):
        return ""
    return ",".join(f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items())


def _made(found: objects.Object) -> str:
    return str(found["metadata"].get("creationTimestamp") or "")
