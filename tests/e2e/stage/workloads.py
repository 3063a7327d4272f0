"""Pods that log numbered lines, and the resources that collect them."""

from typing import Any

IMAGE = "docker.io/library/python:3.11-slim-bookworm"
"""Any image with a Python; a local cluster answers for it with its own base."""

Object = dict[str, Any]

COUNT = """
import sys, time
first, last, pause = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
for n in range(first, last + 1):
    print(f"line {n:07d}", flush=True)
    if pause:
        time.sleep(pause)
"""
"""Prints `line 0000001` and so on, numbers FIRST to LAST with PAUSE seconds between."""


def namespace(name: str) -> Object:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def pod(
    name: str,
    namespace: str,
    command: list[str],
    *,
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    restart: str = "Never",
    node: str = "",
) -> Object:
    """A pod of one container `app` that ends at once when told to."""
    container = {
        "name": "app",
        "image": IMAGE,
        "command": command,
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "256Mi"}},
    }
    spec: Object = {
        "restartPolicy": restart,
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "containers": [container],
    }
    if node:
        spec["nodeName"] = node
    metadata = {"name": name, "namespace": namespace}
    metadata |= {"annotations": annotations or {}, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def counting(first: int, last: int, pause: float = 0.0) -> list[str]:
    """The command of a container that prints numbered lines and ends."""
    return ["python3", "-c", COUNT, str(first), str(last), str(pause)]


def project(name: str, namespace: str, **spec: Any) -> Object:
    """A LogProject in the bundled service."""
    return _resource("LogProject", name, namespace, {"service": {"bundled": {}}, **spec})


def store(name: str, namespace: str, project: str, **spec: Any) -> Object:
    """A LogStore of a project in the same namespace."""
    return _resource("LogStore", name, namespace, {"projectRef": {"name": project}, **spec})


def config(name: str, namespace: str, store: str, **spec: Any) -> Object:
    """A LogConfig for stdout."""
    given = {"logStoreRef": {"name": store}, "input": {"stdout": {}}, **spec}
    return _resource("LogConfig", name, namespace, given)


def cluster_config(name: str, namespace: str, store: str, **spec: Any) -> Object:
    """A ClusterLogConfig for stdout into a LogStore of `namespace`."""
    reference = {"name": store, "namespace": namespace}
    found = _resource("ClusterLogConfig", name, "", {"logStoreRef": reference, **spec})
    del found["metadata"]["namespace"]
    found["spec"].setdefault("input", {"stdout": {}})
    return found


def _resource(kind: str, name: str, namespace: str, spec: Object) -> Object:
    return {
        "apiVersion": "loghub.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
