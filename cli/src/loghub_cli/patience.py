"""Says what is being waited for, once that takes longer than a second and a person is there."""

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Final

QUIET_SECONDS: Final = 1.0
"""Until the first word, and between two."""


@contextlib.contextmanager
def shown(what: str) -> Iterator[None]:
    """While the block runs; nothing of it is left on the terminal, and nothing goes into a pipe."""
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    teller = threading.Thread(target=_tell, args=(what, done), daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def _tell(what: str, done: threading.Event) -> None:
    seconds = 0
    while not done.wait(QUIET_SECONDS):
        seconds += 1
        print(f"\r\x1b[K{what} ... {seconds} s", end="", file=sys.stderr, flush=True)
    if seconds:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
