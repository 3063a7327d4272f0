"""A clock for what cannot be undone: a step forward is believed only when it has lasted for a day.

Retention goes by it. A clock that is set to next year for an hour, by a broken time server or by
hand, would else have everything deleted that is stored. Whoever reads meanwhile goes by the clock
as it is, and finds everything again when it is right.
"""

from typing import Final

_SECOND: Final = 1_000_000_000

STEP: Final = 3600 * _SECOND
"""What is less is no reason to keep anything longer: the shortest retention is a day."""

HELD: Final = 24 * 3600 * _SECOND
"""Somebody has noticed by then; and one that was wrong before the step is not doubted for ever."""


class Steady:
    """All times in nanoseconds: of the wall, and of a clock that runs since the machine started."""

    def __init__(self, wall: int, running: int) -> None:
        self._wall, self._running = wall, running
        self._held: list[tuple[int, int]] = []
        """Until when, and by how much."""

    def now(self, wall: int, running: int) -> int:
        """The time to go by."""
        step = (wall - self._wall) - (running - self._running)
        self._wall, self._running = wall, running
        self._held = [(until, size) for until, size in self._held if until > running]
        if step > STEP:
            self._held.append((running + HELD, step))
        elif step < -STEP:
            self._take_back(-step)
        return wall - sum(size for _, size in self._held)

    def _take_back(self, size: int) -> None:
        while size > 0 and self._held:
            until, held = self._held.pop()
            if held > size:
                self._held.append((until, held - size))
            size -= held
