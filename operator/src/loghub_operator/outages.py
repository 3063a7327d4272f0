"""Services that do not answer: one look at a time asks whether they do again, the rest wait for it.

Without it a thousand LogStores of a service that is away would each hold a worker for as long as a
request can take, and those of other services would wait behind them; and each would find out for
itself, within its own long pause, that the service is back. Used by `reconciling.context`.
"""

import dataclasses
import time
from collections.abc import Callable, Hashable
from typing import Final

from loghub_operator.queueing import Key

PROBE_SECONDS: Final = 5.0
"""Between two looks at a service that is away."""
_CLAIM_SECONDS: Final = 120.0
"""A look that has not ended by then counts no more: its requests have time-outs of 30 s."""


@dataclasses.dataclass(slots=True)
class _Outage:
    sentence: str
    due: float
    probed_since: float | None = None
    waiting: set[Key] = dataclasses.field(default_factory=set)


class Outages:
    """What is away, by where it is; `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[Hashable, _Outage] = {}

    def ask(self, place: Hashable) -> str:
        """Why a service need not be asked now; empty where it may be, and the turn is taken."""
        known, now = self._known.get(place), self._clock()
        if known is None:
            return ""
        claimed = known.probed_since is not None and now - known.probed_since < _CLAIM_SECONDS
        if claimed or now < known.due:
            return known.sentence
        known.probed_since = now
        return ""

    def failed(self, place: Hashable, sentence: str) -> None:
        """It did not answer."""
        due = self._clock() + PROBE_SECONDS
        known = self._known.setdefault(place, _Outage(sentence, due))
        known.sentence, known.due, known.probed_since = sentence, due, None

    def gave_up(self, place: Hashable) -> None:
        """A look ended before it could say whether the service answers."""
        if (known := self._known.get(place)) is not None:
            known.probed_since = None

    def wait(self, place: Hashable, key: Key) -> None:
        """Tell of `key` when the service answers."""
        if (known := self._known.get(place)) is not None:
            known.waiting.add(key)

    def answered(self, place: Hashable) -> set[Key]:
        """It answers: who waited for that."""
        known = self._known.pop(place, None)
        return known.waiting if known else set()
