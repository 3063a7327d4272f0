"""Coarse numbers of a pipeline for the AgentReport: what arrived, how late, what was lost.

Counters move all the time and a report is written when it changes, so this module decides which
move is worth a write of every node: two digits of a count, the order of a delay, and the time of
the last record when records stop coming. `cluster.running` asks it for each report. Exact numbers
are in the metrics.
"""

import dataclasses
import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, Final

from loghub_agent import supervisor

REFRESH_SECONDS: Final = 60.0
"""Least time between two changes of a pipeline's numbers, except for what is news at once."""
BUSY_SECONDS: Final = 600.0
"""While records come, the time of the last one is at most that old."""
LAGS: Final = (30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600)
"""Delays that are told apart, in seconds; less than the first is none."""
_DIGITS: Final = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """What a report says of one pipeline since the agent started."""

    lines: int = 0
    """Records acknowledged, two digits of them."""
    bytes: int = 0
    lag_seconds: int = 0
    lost: tuple[tuple[str, int], ...] = ()
    """Bytes by reason."""
    last: float = 0.0
    """Unix time of the last acknowledged record; 0.0 without one."""

    def document(self) -> dict[str, Any]:
        """Return the fields of the report's entry; those that say nothing are left out."""
        found: dict[str, Any] = {
            "lines": self.lines,
            "bytes": self.bytes,
            "lagSeconds": self.lag_seconds,
            "lostBytes": dict(self.lost),
        }
        if self.last:
            moment = dt.datetime.fromtimestamp(self.last, dt.UTC)
            found["lastLogTime"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {key: value for key, value in found.items() if value}


@dataclasses.dataclass(slots=True)
class _Known:
    shown: Figures
    since: float
    """When it was shown."""
    lines: float = 0.0
    """The exact counter, for seeing that it moves."""
    last: float = 0.0


class Board:
    """The figures as they are shown, by pipeline."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def look(self, stats: supervisor.Stats | None, now: float) -> Mapping[str, Figures]:
        """Return what to show at the Unix time `now`."""
        pipelines = stats.pipelines if stats else {}
        for name in [name for name in self._known if name not in pipelines]:
            del self._known[name]
        for name, numbers in pipelines.items():
            known = self._known.setdefault(name, _Known(Figures(), 0.0))
            _refresh(known, numbers, now)
        return {name: known.shown for name, known in self._known.items()}


def _refresh(known: _Known, numbers: supervisor.PipelineStats, now: float) -> None:
    lines = numbers.counters["sentLines"]
    moved = lines > known.lines
    if moved:
        known.lines, known.last = lines, now
    seen = Figures(
        lines=coarse(lines),
        bytes=coarse(numbers.counters["sentBytes"]),
        lag_seconds=_lag(numbers.gauges["lagSeconds"]),
        lost=tuple(sorted((reason, coarse(count)) for reason, count in numbers.lost.items())),
        last=known.last,
    )
    if seen == known.shown:
        return
    if _is_news(seen, known.shown) or (
        now - known.since >= REFRESH_SECONDS and _is_worth(seen, known.shown, moved=moved)
    ):
        known.shown, known.since = seen, now


def _is_news(seen: Figures, shown: Figures) -> bool:
    """Say whether it must not wait: the first records, a growing delay, a new kind of loss."""
    lost = {reason for reason, _ in seen.lost} - {reason for reason, _ in shown.lost}
    return bool(lost) or seen.lag_seconds > shown.lag_seconds or (seen.lines > 0 == shown.lines)


def _is_worth(seen: Figures, shown: Figures, *, moved: bool) -> bool:
    if dataclasses.replace(seen, last=shown.last) != shown:
        return True
    return not moved or seen.last - shown.last >= BUSY_SECONDS


def coarse(count: float) -> int:
    """Round down to two digits: a steady stream changes them ever more seldom."""
    if count < 10**_DIGITS:
        return int(count)
    unit = 10 ** (math.floor(math.log10(count)) - _DIGITS + 1)
    return int(count // unit * unit)


def _lag(seconds: float) -> int:
    return max((step for step in LAGS if step <= seconds), default=0)
