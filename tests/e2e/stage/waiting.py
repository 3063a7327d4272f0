"""Waits for a condition with a deadline; the last thing seen is in the failure."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(what: str, look: Callable[[], T], *, seconds: float = 60, every: float = 0.5) -> T:
    """The first true answer of `look`.

    Raises:
        AssertionError: none within `seconds`; says what was waited for and seen last.
    """
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}; last seen: {seen!r}")
        time.sleep(every)
