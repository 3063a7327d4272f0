"""The DaemonSet of a CollectionAgent: a typed object, built here and nowhere else. Pure."""

from typing import Any, Final

from loghub_operator.resources import agents, model

_ADMIN_PORT: Final = 8081
_GRACE_SECONDS: Final = 30
"""The agent drains for 20 of them."""

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
) -> dict[str, Any]:
    """The DaemonSet of the CollectionAgent `pool`; `image` is used where it names none."""
    labels = LABELS | {"loghub.dev/pool": pool}
    rolling = {"maxUnavailable": spec.update_strategy.max_unavailable}
    return {
        "metadata": {
            "name": name_of(pool),
            "namespace": namespace,
            "labels": labels,
            "ownerReferences": [owner],
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
            "template": {"metadata": {"labels": labels}, "spec": _pod(owner, spec, image)},
        },
    }


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


def _pod(owner: dict[str, Any], spec: agents.CollectionAgentSpec, image: str) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "serviceAccountName": "loghub-agent",
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(owner, spec, image)],
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
        "tolerations": list(spec.tolerations),
        "affinity": dict(spec.affinity),
        "priorityClassName": spec.priority_class_name,
    }
    return pod | {key: value for key, value in optional.items() if value}


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
    owner: dict[str, Any], spec: agents.CollectionAgentSpec, image: str
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
