"""One harness command at a time: two at once would build the same namespaces twice."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from harness import places, progress

FILE = f"{places.NAME}.lock"


@contextlib.contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold the lock in `directory`; says who has it while it waits."""
    # Opened for reading and appending: truncating would wipe the holder's number.
    with (directory / FILE).open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            progress.say(f"waiting for the harness command with pid {file.read().strip()}")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
