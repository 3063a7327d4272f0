"""A cgroup per node for its pods, made before the kubelet starts and removed after it.

The kubelet wants its `cgroupRoot` to exist. On version 1 (and hybrid) that means one directory in
every controller's hierarchy; on version 2 there is one hierarchy.
"""

import contextlib
from pathlib import Path

from harness import waiting

ROOT = Path("/sys/fs/cgroup")


def hierarchies(mounts: str) -> list[Path]:
    """Mount points of every cgroup hierarchy, from the text of /proc/mounts."""
    fields = [line.split() for line in mounts.splitlines()]
    points = [each[1] for each in fields if len(each) > 2 and each[2] in {"cgroup", "cgroup2"}]
    return [Path(point) for point in points if Path(point).is_relative_to(ROOT)]


def create(name: str) -> None:
    """Make cgroup `name` at the top of every hierarchy, able to hold pods."""
    for root in _roots():
        group = root / name
        group.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):
            # A version 1 cpuset is born empty, and an empty one can hold no process.
            if (root / file).exists() and (group / file).exists():
                (group / file).write_text((root / file).read_text())
        if (root / "cgroup.controllers").exists():
            _delegate(root)


def remove(name: str) -> None:
    """Remove cgroup `name` with all below it; its processes must be dead, though maybe just now."""
    for root in _roots():
        waiting.until(
            f"cgroup {root / name} is empty", lambda root=root: _removed(root / name), seconds=15
        )


def left(name: str) -> list[Path]:
    """Where cgroup `name` still exists."""
    return [root / name for root in _roots() if (root / name).exists()]


def _roots() -> list[Path]:
    return hierarchies(Path("/proc/mounts").read_text(encoding="utf-8"))


def _delegate(root: Path) -> None:
    """Version 2: hand every controller down to the children of the root."""
    controllers = (root / "cgroup.controllers").read_text().split()
    for controller in controllers:
        with contextlib.suppress(OSError):  # one that is in use in version 1 cannot be handed down
            (root / "cgroup.subtree_control").write_text(f"+{controller}")


def _removed(group: Path) -> bool:
    if not group.exists():
        return True
    below = sorted((p for p in group.rglob("*") if p.is_dir()), key=lambda p: -len(p.parts))
    for each in (*below, group):
        each.rmdir()
    return True
