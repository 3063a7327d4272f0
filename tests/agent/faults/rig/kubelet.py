"""Writes a container's log as containerd does and rotates it as the kubelet does.

The kubelet (`container_log_manager.go`) on each rotation removes the oldest files beyond its limit,
compresses every plain rotated file (`.tmp`, rename to `.gz`, remove the plain one), renames the
current file to `<restart>.log.<time>` and then asks the runtime to reopen: until it does, lines
still go to the renamed file.
"""

import datetime as dt
import gzip
import os
from pathlib import Path

KEPT_FILES = 5
"""`containerLogMaxFiles`: the current file, the newest rotated one plain, three compressed."""

_STAMP = "2026-01-02T03:04:05.{:09d}Z"
_FIRST_ROTATION = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


class Container:
    """The log of one container: `lines` writes numbered records, `rotate` rotates."""

    def __init__(
        self, pods_dir: Path, pod: str = "counter", *, namespace: str = "shop", width: int = 60
    ) -> None:
        self.dir = pods_dir / f"{namespace}_{pod}_uid-{pod}" / "app"
        self.dir.mkdir(parents=True)
        self.pod = pod
        self.written = 0
        self._width = width
        self._rotations = 0
        self._current = self._create()

    @property
    def path(self) -> Path:
        return self.dir / "0.log"

    def _create(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)

    def content(self, number: int) -> str:
        """The record of that number: long enough to tell a torn one."""
        head = f"{self.pod} {number} "
        return head + "x" * (self._width - len(head)) + "|"

    def lines(self, count: int, stream: str = "stdout") -> None:
        """Write the next `count` records."""
        numbers = range(self.written + 1, self.written + count + 1)
        text = "".join(
            f"{_STAMP.format(number)} {stream} F {self.content(number)}\n" for number in numbers
        )
        self.raw(text.encode())
        self.written += count

    def raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._current, view) :]

    def rotate(self, *, late_lines: int = 0, compress: bool = True) -> None:
        """Rotate once; `late_lines` go to the renamed file before the runtime reopens."""
        rotated = sorted(self.dir.glob("0.log.*"))
        for excess in rotated[: max(0, len(rotated) - (KEPT_FILES - 2))]:
            excess.unlink()
        for plain in self.dir.glob("0.log.*") if compress else ():
            if plain.suffix != ".gz":
                self._compress(plain)
        stamp = _FIRST_ROTATION + dt.timedelta(seconds=self._rotations)
        self._rotations += 1
        self.path.rename(self.dir / f"0.log.{stamp:%Y%m%d-%H%M%S}")
        self.lines(late_lines)
        self.reopen()

    def reopen(self) -> None:
        """Go on in a new current file."""
        self.close()
        self._current = self._create()

    def close(self) -> None:
        """The container has ended: nothing more is written."""
        os.close(self._current)

    @staticmethod
    def _compress(plain: Path) -> None:
        draft = plain.with_name(plain.name + ".tmp")
        with plain.open("rb") as source, gzip.open(draft, "wb", compresslevel=1) as target:
            while chunk := source.read(1 << 20):
                target.write(chunk)
        draft.rename(plain.with_name(plain.name + ".gz"))
        plain.unlink()

    def delete(self) -> None:
        """Remove it all, as the kubelet does with a deleted pod."""
        self.close()
        for path in self.dir.iterdir():
            path.unlink()
        self.dir.rmdir()
        self.dir.parent.rmdir()
