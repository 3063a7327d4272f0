"""Where a container's files are on this node, by what its runtime wrote down when it was started.

containerd, CRI-O and docker hand runc the same document (`config.json` of the OCI runtime
specification): which directories are mounted where, the kubelet's volumes of every kind among them.
The rest is the container's own file system, of which the written part is a plain directory: the
upper one of an overlay. Nothing is asked of a socket, and nothing is mounted or entered.

`collecting` asks for each container whose files are wanted, `planning` puts it into the plan.
"""

import dataclasses
import json
import logging
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

_log = logging.getLogger(__name__)

BUNDLES: Final = (
    "run/containerd/io.containerd.runtime.v2.task/k8s.io/{id}",
    "run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/{id}",
    "run/containers/storage/overlay-containers/{id}/userdata",
    "run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/{id}",
    "run/containerd/io.containerd.runtime.v2.task/moby/{id}",
)
"""Directories of `config.json`: containerd, k3s, CRI-O, and docker with its own or a shared one."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""Of one `config.json`; a large one with its seccomp profile has 100 KB."""
MAX_MOUNTS: Final = 1000
"""Of one container; a guess, ten times what pods have."""
_ID: Final = re.compile(r"[a-z0-9-]+://([0-9a-zA-Z][0-9a-zA-Z_.-]{0,127})")
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


@dataclasses.dataclass(frozen=True, slots=True)
class Mount:
    """A directory of this node, and the path at which a container has it."""

    at: str
    dir: str | None
    """None where nothing can be read: /proc, /dev and their kind."""


Ground = tuple[Mount, ...]
"""All that one container sees."""


class Grounds:
    """Containers' mounts by their runtime ids. `root` is where the node's file system is."""

    def __init__(
        self, root: pathlib.Path, mountinfo: pathlib.Path = pathlib.Path("/proc/self/mountinfo")
    ) -> None:
        self._root = root
        self._mountinfo = mountinfo
        self._known: dict[str, Ground] = {}
        self._missing: set[str] = set()

    @property
    def missing(self) -> frozenset[str]:
        """Ids asked for that no runtime has written down (yet)."""
        return frozenset(self._missing)

    def of(self, container_id: str) -> Ground | None:
        """Return what a container (`containerd://<id>`) sees; None while nobody knows."""
        found = self._known.get(container_id)
        if found is None:
            found = self._read(container_id)
            if found is None:
                self._missing.add(container_id)
                return None
            self._known[container_id] = found
            self._missing.discard(container_id)
        return found

    def keep(self, ids: Iterable[str]) -> None:
        """Forget all but these."""
        kept = set(ids)
        self._known = {each: ground for each, ground in self._known.items() if each in kept}
        self._missing &= kept

    def _read(self, container_id: str) -> Ground | None:
        matched = _ID.fullmatch(container_id)
        if matched is None:
            return None
        for form in BUNDLES:
            bundle = form.format(id=matched[1])
            try:
                with (self._root / bundle / "config.json").open("rb") as file:
                    content = file.read(MAX_BYTES + 1)
                return self._ground(json.loads(content), bundle)
            except OSError:
                continue
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
                _log.warning(
                    "a container's config.json is not understood",
                    extra={"container": container_id, "reason": str(fault)[:300]},
                )
                return None
        return None

    def _ground(self, config: Mapping[str, Any], bundle: str) -> Ground:
        mounts = [
            Mount(mount["destination"], self._source(mount)) for mount in config.get("mounts") or ()
        ]
        if len(mounts) >= MAX_MOUNTS:
            raise ValueError(f"it has over {MAX_MOUNTS} mounts")
        rootfs = pathlib.PurePosixPath("/", bundle, config["root"]["path"])
        # A later mount covers an earlier one at the same place.
        by_place = {"/": self._own(str(rootfs))} | {mount.at: mount.dir for mount in mounts}
        return tuple(Mount(at, found) for at, found in by_place.items())

    def _source(self, mount: Mapping[str, Any]) -> str | None:
        options = mount.get("options") or ()
        if mount.get("type") == "bind" or "bind" in options or "rbind" in options:
            return self._here(mount["source"])
        return None

    def _here(self, path: str) -> str:
        return str(self._root / path.lstrip("/"))

    def _own(self, rootfs: str) -> str | None:
        """Where the files are that the container itself wrote.

        The mount is left alone: whoever has a file of it open keeps it from being unmounted.
        """
        at = self._here(rootfs)
        for point, kind, options in _mounts(self._mountinfo):
            if point != at:
                continue
            if kind != "overlay":
                return at  # no layers: there is no other way in
            uppers = [each[9:] for each in options if each.startswith("upperdir=")]
            return self._here(uppers[-1]) if uppers else None
        return None


def _mounts(mountinfo: pathlib.Path) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield mount point, file system type and its options, the newest mount first."""
    try:
        lines = mountinfo.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return
    for line in reversed(lines):
        fields, _, system = line.partition(" - ")
        point, kind = fields.split(" ")[4:5], system.split(" ")
        if point and len(kind) >= 3:
            yield _plain(point[0]), kind[0], [_plain(each) for each in kind[2].split(",")]


def _plain(text: str) -> str:
    """A space and its kind stand as octal numbers."""
    return _ESCAPED.sub(lambda found: os.fsdecode(bytes([int(found[1], 8)])), text)
