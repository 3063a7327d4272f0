"""When a closed segment can go: remembered, so that a pass of retention looks at what is due only.

`embedded` keeps one `Schedule`. It says of each closed segment when everything in it will have
expired, as far as was known when it was last looked at. A retention that was made longer only makes
that too early: the segment is looked at once more when its time has come. One that was made
shorter, and what was deleted, `revise` the segments concerned: they are looked at in the next pass.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from loghub_ingest.storage import contract, indexes
from loghub_ingest.storage.runs import Run

NEVER: Final = (1 << 63) - 1
"""Later than any time in nanoseconds."""

Kept = Callable[[indexes.Place], int | None]
"""How long a shard's log groups are kept (nanoseconds, NEVER for ever); None: they are deleted."""


def span(store: contract.Logstore) -> int:
    """How long a Logstore's log groups are kept, in nanoseconds."""
    if store.ttl_days >= contract.FOR_EVER_DAYS:
        return NEVER
    return store.ttl_days * contract.DAY


def due(runs: Mapping[indexes.Place, Sequence[Run]], kept: Kept) -> int:
    """When all of a segment's runs will have expired; 0 where nothing of it is kept."""
    latest = 0
    for place, own in runs.items():
        how_long = kept(place)
        if how_long is not None and own:
            latest = max(latest, max(run.received_last for run in own) + how_long)
    return min(latest, NEVER)


class Schedule:
    """When each closed segment is to be looked at; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[int, int] = {}
        self._revised: set[indexes.Place] = set()

    def plan(self, segment: int, moment: int) -> None:
        """Look at a segment once `moment` (nanoseconds) has passed."""
        with self._lock:
            self._due[segment] = moment

    def revise(self, places: Iterable[indexes.Place]) -> None:
        """These shards are kept for a shorter time than before, or not at all any more."""
        with self._lock:
            self._revised.update(places)

    def take_revised(self) -> set[indexes.Place]:
        """The shards that were revised since the last call."""
        with self._lock:
            found, self._revised = self._revised, set()
            return found

    def passed(self, now: int) -> list[int]:
        """The segments to be looked at, oldest first."""
        with self._lock:
            return sorted(segment for segment, moment in self._due.items() if moment < now)

    def forget(self, segment: int) -> None:
        """A segment is gone."""
        with self._lock:
            self._due.pop(segment, None)
