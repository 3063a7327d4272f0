"""Writes a log as a program does, and rotates it as logrotate does: by renaming or by copying."""

import gzip
import os
import shutil
from pathlib import Path


class Program:
    """One log: `lines` writes numbered records, the rotations put them aside."""

    def __init__(self, path: Path, *, width: int = 60) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.written = 0
        self._width = width
        self._file = self._create()

    def _create(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def content(self, number: int) -> str:
        """The record of that number: long enough to tell a torn one."""
        head = f"{self.path.name} {number} "
        return head + "x" * (self._width - len(head)) + "|"

    def contents(self) -> list[str]:
        """Every record so far."""
        return [self.content(number) for number in range(1, self.written + 1)]

    def lines(self, count: int) -> None:
        """Write the next `count` records."""
        numbers = range(self.written + 1, self.written + count + 1)
        self.raw("".join(f"{self.content(number)}\n" for number in numbers).encode())
        self.written += count

    def raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def rename(self, *, compress: bool = False) -> None:
        """Move every rotated file up by one, then the log to `.1`; it is still written to."""
        folder, name = self.path.parent, self.path.name
        for number in range(9, 0, -1):
            for end in ("", ".gz"):
                old = folder / f"{name}.{number}{end}"
                if old.exists():
                    old.rename(folder / f"{name}.{number + 1}{end}")
        self.path.rename(folder / f"{name}.1")
        older = folder / f"{name}.2"
        if compress and older.exists():
            with older.open("rb") as source, gzip.open(f"{older}.gz", "wb") as target:
                shutil.copyfileobj(source, target)
            older.unlink()

    def reopen(self) -> None:
        """Go on in a new file."""
        os.close(self._file)
        self._file = self._create()

    def copy_and_truncate(self) -> None:
        """As `copytruncate` does."""
        copy = self.path.with_name(f"{self.path.name}.1")
        if copy.exists():
            copy.rename(self.path.with_name(f"{self.path.name}.2"))
        shutil.copyfile(self.path, copy)
        os.truncate(self.path, 0)

    def close(self) -> None:
        """The program has ended."""
        os.close(self._file)
