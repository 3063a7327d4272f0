"""The DaemonSet of a CollectionAgent: a typed object, built here and nowhere else. Pure."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from loghub_operator.resources import agents, model

_ADMIN_PORT: Final = 8081
_GRACE_SECONDS: Final = 30
"""The agent drains for 20 of them."""

_TEMPLATE: Final = "loghub.dev/template"
"""Annotation: a digest of the pods' template, so that a change of it is known before it is made."""
LABELS: Final = {"app.kubernetes.io/name": "loghub", "app.kubernetes.io/component": "agent"}


def name_of(pool: str) -> str:
    """The DaemonSet's name."""
    return f"loghub-agent-{pool}"


def build(
    pool: str,
    spec: agents.CollectionAgentSpec,
    *,
    namespace: str,
    image: str,
    owner: dict[str, Any],
    aliases: Sequence[str] = (),
    there: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The DaemonSet of the CollectionAgent `pool`; `image` is used where it names none.

    `aliases` are the collectors whose keys on pods count too.
    `there` is the DaemonSet as it is: how far its pods are decides how fast it may go on.
    """
    labels = LABELS | {"loghub.dev/pool": pool}
    template = {"metadata": {"labels": labels}, "spec": _pod(owner, spec, image, aliases)}
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:16]
    most, waits = _pace(spec.update_strategy, digest, there)
    return {
        "metadata": {
            "name": name_of(pool),
            "namespace": namespace,
            "labels": labels,
            "annotations": {_TEMPLATE: digest},
            "ownerReferences": [owner],
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "minReadySeconds": waits,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": most}},
            "template": template,
        },
    }


def _pace(
    strategy: agents.UpdateStrategy, digest: str, there: Mapping[str, Any] | None
) -> tuple[int | str, int]:
    """How many pods may be unavailable, and for how long one must be ready to be available.

    A wave of canaries is as many as may be unavailable; the next comes only as they become
    available. Once there were two waves all of the first are well, and the rest follows. Canaries
    that do not become ready stop it by themselves.
    """
    regular = (strategy.max_unavailable, 0)
    status = (there or {}).get("status") or {}
    desired = int(status.get("desiredNumberScheduled", 0))
    if there is None or not strategy.canary_percent or not desired:
        return regular
    metadata = there["metadata"]
    changed = (metadata.get("annotations") or {}).get(_TEMPLATE) != digest
    if not changed and status.get("observedGeneration") != metadata.get("generation"):
        spec = there["spec"]  # its numbers are not of now: stay as it is
        most = spec["updateStrategy"]["rollingUpdate"]["maxUnavailable"]
        return most, int(spec.get("minReadySeconds", 0))
    canaries = max(1, math.ceil(desired * strategy.canary_percent / 100))
    updated = 0 if changed else int(status.get("updatedNumberScheduled", 0))
    if updated >= min(desired, 2 * canaries):
        return regular
    return canaries, strategy.canary_seconds


def owner_of(found: dict[str, Any], kind: str) -> dict[str, Any]:
    """An owner reference to a CollectionAgent."""
    metadata = found["metadata"]
    return {
        "apiVersion": model.API_VERSION,
        "kind": kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }


_ROOT: Final = "/host"
"""Where an agent that reads files has the node's file system."""


def _pod(
    owner: dict[str, Any], spec: agents.CollectionAgentSpec, image: str, aliases: Sequence[str]
) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "serviceAccountName": "loghub-agent",
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(owner, spec, image, aliases)],
        "volumes": [
            # Logs may be links into a runtime's own directory; with containerd they are files.
            {"name": "pods", "hostPath": {"path": "/var/log/pods"}},
            {
                "name": "state",
                "hostPath": {"path": "/var/lib/loghub-agent", "type": "DirectoryOrCreate"},
            },
            {"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}},
            *_file_volumes(spec),
        ],
    }
    optional = {
        "nodeSelector": dict(spec.node_selector),
        "tolerations": [*spec.tolerations, *_startup(spec)],
        "affinity": dict(spec.affinity),
        "priorityClassName": spec.priority_class_name,
    }
    return pod | {key: value for key, value in optional.items() if value}


def _startup(spec: agents.CollectionAgentSpec) -> list[dict[str, Any]]:
    """Of a node that waits for its agent the agent must not stay away."""
    if not spec.startup_taint.remove:
        return []
    return [{"key": agents.STARTUP_TAINT, "operator": "Exists"}]


def _file_volumes(spec: agents.CollectionAgentSpec) -> list[dict[str, Any]]:
    """What is needed for files inside containers and of the node.

    A volume's directory, a container's layers and the runtime's state lie where a node's
    configuration says: one root is the only set of directories that is right on every node. It is
    read-only. No process of the node is visible (no hostPID), no capability lets the agent mount
    or trace, and what it may read is what a pipeline's paths mean.
    """
    if spec.host_access == "Logs":
        return []
    return [{"name": "host", "hostPath": {"path": "/"}}]


def _file_mounts(spec: agents.CollectionAgentSpec) -> list[dict[str, Any]]:
    """The node's root in the agent.

    HostToContainer: volumes that are mounted later are seen, and those that are unmounted on the
    node are so here too. Without it an agent would keep each volume that was there at its start.
    """
    if spec.host_access == "Logs":
        return []
    mount = {"name": "host", "mountPath": _ROOT, "readOnly": True}
    return [{**mount, "mountPropagation": "HostToContainer"}]


def _capabilities(spec: agents.CollectionAgentSpec) -> dict[str, list[str]]:
    """None of root's, but for files one: applications' files are often readable by them alone."""
    added = {} if spec.host_access == "Logs" else {"add": ["DAC_READ_SEARCH"]}
    return {"drop": ["ALL"], **added}


def _container(
    owner: dict[str, Any], spec: agents.CollectionAgentSpec, image: str, aliases: Sequence[str]
) -> dict[str, Any]:
    def field(path: str) -> dict[str, Any]:
        return {"fieldRef": {"fieldPath": path}}

    def probe(path: str, **timing: int) -> dict[str, Any]:
        return {"httpGet": {"path": path, "port": "admin"}, "timeoutSeconds": 5, **timing}

    return {
        "name": "agent",
        "image": spec.image or image,
        "imagePullPolicy": spec.image_pull_policy,
        "args": ["run"],
        "env": [
            {"name": "LOGHUB_NODE_NAME", "valueFrom": field("spec.nodeName")},
            {"name": "LOGHUB_POD_NAME", "valueFrom": field("metadata.name")},
            {"name": "LOGHUB_NAMESPACE", "valueFrom": field("metadata.namespace")},
            {"name": "LOGHUB_POOL", "value": owner["name"]},
            {"name": "LOGHUB_POOL_UID", "value": owner["uid"]},
            *([] if spec.host_access == "Logs" else [{"name": "LOGHUB_ROOT", "value": _ROOT}]),
            *([{"name": "LOGHUB_ALIASES", "value": ",".join(aliases)}] if aliases else []),
            *_limits(spec.limits),
            *spec.extra_env,
        ],
        "ports": [{"name": "admin", "containerPort": _ADMIN_PORT}],
        "readinessProbe": probe("/readyz", periodSeconds=5),
        "livenessProbe": probe("/healthz", periodSeconds=20, failureThreshold=6),
        "resources": dict(spec.resources),
        "securityContext": {
            # Log files are root's and readable by root alone. Nothing else of root is kept.
            "runAsUser": 0,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": _capabilities(spec),
        },
        "volumeMounts": [
            {"name": "pods", "mountPath": "/var/log/pods", "readOnly": True},
            {"name": "state", "mountPath": "/var/lib/loghub-agent"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod alone
            *_file_mounts(spec),
        ],
    }


def _limits(limits: agents.Limits) -> list[dict[str, str]]:
    """The agent's settings, as variables."""
    given = limits.model_dump(exclude_none=True)
    return [{"name": f"LOGHUB_{key.upper()}", "value": str(given[key])} for key in sorted(given)]
