"""Volumes of the local cluster: a few directories per node, offered as `local` PersistentVolumes.

Nothing provisions or recycles such volumes by itself: `recycle` empties released ones, so that the
next test finds them again.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from harness import layout
from harness.kubectl import Kubectl
from harness.layout import Node

CLASS = "standard"
"""As kind calls its default class, so that the same manifests fit."""

PER_NODE = 2
SIZE = "5Gi"


def directory(node: Node, number: int) -> Path:
    """Where volume `number` of `node` keeps its files."""
    return node.data / "volumes" / str(number)


def objects() -> list[dict[str, Any]]:
    """The storage class and every volume; their directories are made here."""
    found: list[dict[str, Any]] = [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {
                "name": CLASS,
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer",
        }
    ]
    for node in layout.NODES:
        for number in range(1, PER_NODE + 1):
            directory(node, number).mkdir(parents=True, exist_ok=True)
            found.append(_volume(node, number))
    return found


def recycle(kubectl: Kubectl) -> list[str]:
    """Empty every released volume and make it available; returns their names."""
    items = json.loads(kubectl.run("get", "persistentvolumes", "--output=json"))["items"]
    released = {
        item["metadata"]["name"]: item for item in items if item["status"]["phase"] == "Released"
    }
    recycled = []
    for node in layout.NODES:
        for number in range(1, PER_NODE + 1):
            name = f"{node.name}-{number}"
            if name in released:
                _empty(directory(node, number))
                patch = '[{"op": "remove", "path": "/spec/claimRef"}]'
                kubectl.run("patch", "persistentvolume", name, "--type=json", f"--patch={patch}")
                recycled.append(name)
    return recycled


def _empty(path: Path) -> None:
    # The directory as well: a pod's fsGroup has changed its owner and mode.
    shutil.rmtree(path)
    path.mkdir()


def _volume(node: Node, number: int) -> dict[str, Any]:
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{node.name}-{number}"},
        "spec": {
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": CLASS,
            "local": {"path": str(directory(node, number))},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }
