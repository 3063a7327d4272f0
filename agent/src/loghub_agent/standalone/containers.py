"""Finds the pods of a node by the names of their log directories alone.

`<pods-dir>/<namespace>_<pod>_<uid>/<container>`: none of the parts may hold an underscore, so the
name says all there is to know. Labels, annotations, image and address stay unknown.
"""

import pathlib
from collections.abc import Iterator
from typing import Final

from loghub_agent import pods

MAX_PODS: Final = 10_000
"""Bound on the directories looked at; a node runs some hundreds of pods at most."""
_PARTS: Final = 3


def changed(pods_dir: pathlib.Path) -> int:
    """Return when a pod directory was last made or removed, in ns; 0 without `pods_dir`."""
    try:
        return pods_dir.stat().st_mtime_ns
    except OSError:
        return 0


def find(pods_dir: pathlib.Path, *, node: str) -> list[pods.Pod]:
    """Return the pods that have a log directory; none where `pods_dir` does not exist (yet)."""
    try:
        return list(_found(pods_dir, node))
    except FileNotFoundError:
        return []


def _found(pods_dir: pathlib.Path, node: str) -> Iterator[pods.Pod]:
    for count, folder in enumerate(pods_dir.iterdir()):
        if count >= MAX_PODS:
            return
        parts = folder.name.split("_")
        if len(parts) != _PARTS or not all(parts) or not folder.is_dir():
            continue
        namespace, name, uid = parts
        yield pods.Pod(
            uid=uid,
            log_uid=uid,
            namespace=namespace,
            name=name,
            node=node,
            ip="",
            labels=None,
            annotations=None,
            containers=tuple(_containers(folder)),
        )


def _containers(folder: pathlib.Path) -> list[pods.Container]:
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    except OSError:
        return []  # removed between two looks: gone at the next one
    return [pods.Container(name, "") for name in names]
