"""A budget for writes that nobody waits for: a burst, then so many a second. Used for status.

Who cannot write now gets a turn and comes back for it: thousands that wait cost one look each.
"""

import time
from collections.abc import Callable, Hashable
from typing import Final

PER_SECOND: Final = 20.0
"""With 5,000 configs a node that comes is in every status within five minutes, and neither the API
server nor those who watch the configs notice."""
BURST: Final = 100.0


class Pace:
    """A token bucket with turns; `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left, self._since = BURST, clock()
        self._turns: dict[Hashable, float] = {}

    def wait(self, key: Hashable) -> float:
        """Seconds until `key` may write; 0.0 is now, and its turn is used up."""
        now = self._clock()
        turn = self._turns.get(key)
        if turn is None:
            self._take(now)
            if self._left >= 0:
                return 0.0
            turn = self._turns[key] = now - self._left / PER_SECOND
        if turn <= now:
            del self._turns[key]
            return 0.0
        return turn - now

    def charge(self, key: Hashable) -> None:
        """`key` writes without waiting, and has no turn any more."""
        if self._turns.pop(key, None) is None:
            self._take(self._clock())

    def _take(self, now: float) -> None:
        self._left = min(BURST, self._left + (now - self._since) * PER_SECOND) - 1
        self._since = now
