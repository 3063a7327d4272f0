"""Finds the pods of a node by the names of their log directories alone.

`<pods-dir>/<namespace>_<pod>_<uid>/<container>`: none of the parts may hold an underscore, so the
name says all there is to know. Labels, annotations, image and address stay unknown.
"""

import itertools
import os
import pathlib
import stat
import time
from collections.abc import Callable, Sequence
from typing import Final

from loghub_agent import pods

MAX_PODS: Final = 10_000
"""Bound on the directories looked at; a node runs some hundreds of pods at most."""
SETTLED_NS: Final = 2_000_000_000
"""A directory that changed later than that before a look is looked into again: it may change twice
within one tick of the file system's clock, of which FAT's is the coarsest with two seconds."""
YOUNG_NS: Final = 5_000_000_000
"""A pod that changed that lately is looked into at every look: its containers come one by one."""
SCAN_SECONDS: Final = 10.0
"""How often pods are looked at where nothing has changed: an old one may get a container."""
HEARING_SCAN_SECONDS: Final = 30.0
"""The same where the kernel tells of a container at once: for an event that was missed."""
_PARTS: Final = 3


def changed(pods_dir: pathlib.Path) -> int:
    """Return when a pod directory was last made or removed, in ns; 0 without `pods_dir`."""
    try:
        return pods_dir.stat().st_mtime_ns
    except OSError:
        return 0


class Finder:
    """Looks at a pods directory again and again; a pod that stayed as it was costs one call."""

    def __init__(
        self,
        pods_dir: pathlib.Path,
        *,
        node: str,
        follow: Callable[[str], bool] = lambda _directory: False,
    ) -> None:
        """`follow` asks to hear of names that come to a directory; it says whether that is so."""
        self._pods_dir, self._node, self._follow = pods_dir, node, follow
        self._known: dict[str, tuple[int, pods.Pod]] = {}
        """By directory: when it changed last (ns), and what was in it then."""
        self._quiet: int | None = None
        """When the pods directory changed last, if that and every pod's change were long ago."""
        self._next_scan = 0.0
        self.hears = False
        """Whether every pod and container that comes will be heard of."""

    def look(self) -> list[pods.Pod] | None:
        """Return what `find` does; None where a look would find nothing else than the last one."""
        quiet, now = changed(self._pods_dir), time.monotonic()
        if quiet == self._quiet and now < self._next_scan:
            return None
        found = self.find()
        self._next_scan = now + (HEARING_SCAN_SECONDS if self.hears else SCAN_SECONDS)
        youngest = time.time_ns() - YOUNG_NS
        settled = len(self._known) == len(found) and quiet < youngest
        old = all(moment < youngest for moment, _ in self._known.values())
        self._quiet = quiet if settled and old else None
        return found

    def find(self) -> list[pods.Pod]:
        """Return the pods that have a log directory; none where `pods_dir` does not exist (yet)."""
        # Before looking: what changes while we look counts as new at the next look.
        settled = time.time_ns() - SETTLED_NS
        found = {}
        self.hears = self._follow(str(self._pods_dir))
        try:
            with os.scandir(self._pods_dir) as entries:
                for entry in itertools.islice(entries, MAX_PODS):
                    known = self._look(entry)
                    if known is not None:
                        found[entry.name] = known
        except FileNotFoundError:
            pass
        self._known = {name: known for name, known in found.items() if known[0] < settled}
        return [pod for _, pod in found.values()]

    def _look(self, entry: os.DirEntry[str]) -> tuple[int, pods.Pod] | None:
        parts = entry.name.split("_")
        if len(parts) != _PARTS or not all(parts):
            return None
        try:
            state = entry.stat()
        except OSError:
            return None  # removed meanwhile, or a link to nowhere
        known = self._known.get(entry.name)
        if known is not None and known[0] == state.st_mtime_ns:
            return known
        if not stat.S_ISDIR(state.st_mode):
            return None
        return state.st_mtime_ns, self._pod(parts, pathlib.Path(entry.path))

    def _pod(self, parts: Sequence[str], folder: pathlib.Path) -> pods.Pod:
        namespace, name, uid = parts
        # Before it is looked into: what comes later is told of.
        self.hears = self._follow(str(folder)) and self.hears
        return pods.Pod(
            uid=uid,
            log_uid=uid,
            namespace=namespace,
            name=name,
            node=self._node,
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
