"""A node's containers as a runtime leaves them: real mounts, and what it wrote down of them."""

import contextlib
import json
import os
import subprocess
from pathlib import Path

BUNDLE = "run/containerd/io.containerd.runtime.v2.task/k8s.io"


class Node:
    """A node's file system in a directory; `container` starts one, `close` unmounts everything."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._mounted: list[Path] = []

    def mount(self, at: Path, *options: str) -> Path:
        """Mount with mount(8)'s options; gives where."""
        at.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", *options, str(at)], check=True, cwd=self.root)
        self._mounted.append(at)
        return at

    def unmount(self, at: Path) -> bool:
        """Unmount as the kubelet does, not lazily; False while it is busy."""
        if subprocess.run(["umount", str(at)], capture_output=True, check=False).returncode:
            return False
        self._mounted.remove(at)
        return True

    def volume(self, name: str) -> Path:
        """A directory of the kubelet's for a pod's volume."""
        path = self.root / "var/lib/kubelet/pods/uid/volumes" / name
        path.mkdir(parents=True)
        return path

    def container(self, name: str, mounts: dict[str, Path], *, layers: bool = True) -> Path:
        """Start a container with these directories at these paths; gives its root as it sees it."""
        bundle = self.root / BUNDLE / name
        bundle.mkdir(parents=True)
        layer = self.root / "var/lib/containerd" / name
        for part in ("lower/etc", "fs", "work"):
            (layer / part).mkdir(parents=True)
        rootfs = bundle / "rootfs"
        if layers:
            # Relative, so that the kernel tells the paths as this node has them.
            here = f"var/lib/containerd/{name}"
            options = f"lowerdir={here}/lower,upperdir={here}/fs,workdir={here}/work"
            self.mount(rootfs, "-t", "overlay", "-o", options, "overlay")
        else:
            self.mount(rootfs, "--bind", str(layer / "lower"))
        for at in mounts:
            self._mount_point(at, mounts, rootfs).mkdir(parents=True, exist_ok=True)
        document = {
            "ociVersion": "1.1.0",
            "root": {"path": "rootfs"},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                *(
                    {
                        "destination": at,
                        "type": "bind",
                        "source": "/" + str(source.relative_to(self.root)),
                        "options": ["rbind", "rw"],
                    }
                    for at, source in mounts.items()
                ),
            ],
        }
        (bundle / "config.json").write_text(json.dumps(document))
        return rootfs

    @staticmethod
    def _mount_point(at: str, mounts: dict[str, Path], rootfs: Path) -> Path:
        """Where a runtime makes the directory that it then covers."""
        above = [each for each in mounts if at.startswith(f"{each}/")]
        if not above:
            return rootfs / at.lstrip("/")
        nearest = max(above, key=len)
        return mounts[nearest] / at.removeprefix(f"{nearest}/")

    def close(self) -> None:
        """Unmount what is left."""
        for at in reversed(self._mounted):
            with contextlib.suppress(OSError):
                subprocess.run(["umount", "--lazy", str(at)], check=False)


def is_root() -> bool:
    """Whether mounts can be made."""
    return os.geteuid() == 0
