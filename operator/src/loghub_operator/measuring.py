"""The operator's metrics by name, and what says that it is stuck. `admin` serves both.

Counted where things happen: API requests in `cluster`, faults of services in `reconciling.remote`,
reconciles in `running`; here are the definitions, the lag of the event loop and the watches' ages.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Final

import prometheus_client as prometheus

RECONCILED: Final = prometheus.Counter(
    "loghub_operator_reconciles_total", "Keys worked on.", ["kind", "outcome"]
)
RECONCILE_SECONDS: Final = prometheus.Histogram(
    "loghub_operator_reconcile_seconds",
    "Time that one key took.",
    ["kind"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0),
)
QUEUED: Final = prometheus.Gauge("loghub_operator_queue_length", "Keys that wait.")
API_REQUESTS: Final = prometheus.Counter(
    "loghub_operator_api_requests_total",
    "Requests to the API server, watches left out; status 0 is no answer.",
    ["method", "status"],
)
REMOTE_ERRORS: Final = prometheus.Counter(
    "loghub_operator_remote_errors_total", "Failed looks at a log service.", ["reason"]
)
LOOP_LAG: Final = prometheus.Gauge(
    "loghub_operator_loop_lag_seconds", "The longest that the event loop was busy of late."
)
WATCH_AGE: Final = prometheus.Gauge(
    "loghub_operator_watch_age_seconds",
    "Since the API server's last word on a watch; it speaks once a minute at least.",
    ["kind"],
)
LEADING: Final = prometheus.Gauge("loghub_operator_leading", "1 where this replica works.")

STUCK_SECONDS: Final = 600.0
"""Longer than one key can take: each of its requests has a time-out of at most 30 s."""
SILENT_SECONDS: Final = 240.0
"""kopf starts a silent watch anew after 70 s; three times that it did not help."""
_TICK_SECONDS: Final = 0.5
_WINDOW_TICKS: Final = 60
"""The lag shown is the longest of 30 s, so that a scrape does not miss it."""


class Watches:
    """When the API server spoke last on each watch, bookmarks included."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, float] = {}

    def hear(self, plural: str) -> None:
        """The API server spoke, or was asked."""
        if plural not in self._heard:
            WATCH_AGE.labels(plural).set_function(lambda: self._clock() - self._heard[plural])
        self._heard[plural] = self._clock()

    def silent(self) -> Iterator[str]:
        """Sentences about watches on which nothing came for too long."""
        for plural, moment in self._heard.items():
            if (age := self._clock() - moment) > SILENT_SECONDS:
                yield f"the watch of {plural} has been silent for {age:.0f} s"


async def keep_lag() -> None:
    """Measure how late the event loop is, until cancelled."""
    loop, late = asyncio.get_running_loop(), [0.0] * _WINDOW_TICKS
    while True:
        due = loop.time() + _TICK_SECONDS
        await asyncio.sleep(_TICK_SECONDS)
        late = [*late[1:], max(0.0, loop.time() - due)]
        LOOP_LAG.set(max(late))
