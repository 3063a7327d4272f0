"""Waiting for a condition with a deadline: the harness' only way to wait."""

import time
from collections.abc import Callable

from harness.trouble import TroubleError

PAUSE = 0.05
"""Seconds between two looks; short, because every second of `up` is waited for by a person."""


def until(what: str, condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Return when `condition` holds; TroubleError naming `what` when it does not within `seconds`.

    A condition that raises OSError (connection refused, say) does not hold yet.
    """
    deadline = time.monotonic() + seconds
    last = ""
    while True:
        try:
            if condition():
                return
        except OSError as error:
            last = f" (last answer: {error})"
        if time.monotonic() > deadline:
            raise TroubleError(f"{what}: not within {seconds:g} s{last}")
        time.sleep(PAUSE)
