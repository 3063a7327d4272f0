"""A budget for writes that nobody waits for: a burst, then so many a second. Used for status."""

import time
from collections.abc import Callable
from typing import Final

PER_SECOND: Final = 20.0
"""With 5,000 configs a node that comes is in every status within five minutes, and neither the API
server nor those who watch the configs notice."""
BURST: Final = 100.0


class Pace:
    """A token bucket; `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left, self._since = BURST, clock()

    def allows(self) -> bool:
        """Whether one more write is within the budget, which it then takes."""
        now = self._clock()
        self._left = min(BURST, self._left + (now - self._since) * PER_SECOND)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
