"""Splits shards of Logstores with `autoSplit` that get more than a shard is meant for.

`metering` counts what each shard got, `serving` runs `watch`. A shard is split in two when it was
above its rate for a whole minute, until the Logstore has `maxSplitShard` that are written to, as
the cloud does it. Nothing is merged again: whoever wants fewer shards says so by MergeShards.
"""

import asyncio
import collections
import logging
from typing import Final

from loghub_ingest import metering, telemetry
from loghub_ingest.storage import contract

_log = logging.getLogger(__name__)

TICK_SECONDS: Final = 10.0
TICKS: Final = 6
"""Above the rate for so many in a row: a burst is no reason for a shard more."""

BYTES_PER_SECOND: Final = 5_000_000
"""What the cloud means a shard for, in raw bytes of log groups."""

WRITES_PER_SECOND: Final = 500
"""The same in requests."""


class Splitter:
    """How long each shard has been above its rate. Used on the loop only."""

    def __init__(self, storage: contract.LogStorage, usages: metering.Usages) -> None:
        self._storage, self._usages = storage, usages
        self._above: collections.Counter[tuple[int, int]] = collections.Counter()

    async def watch(self) -> None:
        """Look every `TICK_SECONDS`, for ever."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            await self.look(TICK_SECONDS)

    async def look(self, seconds: float) -> None:
        """Judge what was written in the last `seconds`, and split what has to be split."""
        written = self._usages.take_loads()
        busy = {place for place, load in written.items() if _is_busy(load, seconds)}
        self._above = collections.Counter({place: self._above[place] + 1 for place in busy})
        due = {place for place, ticks in self._above.items() if ticks >= TICKS}
        for store in self._with_auto_split() if due else ():
            for shard in store.writable:
                if (store.ident, shard.number) in due:
                    await self._split(store, shard)

    def _with_auto_split(self) -> list[contract.Logstore]:
        return [
            store
            for project in self._storage.projects()
            for store in self._storage.logstores(project.name)
            if store.document["autoSplit"]
        ]

    async def _split(self, store: contract.Logstore, shard: contract.Shard) -> None:
        current = self._storage.logstore(store.project, store.name)
        if current is None or not contract.may_split(current):
            return
        halves = contract.divide(shard.begin, shard.end, 2)
        split = self._storage.replace_shards
        changed = await asyncio.to_thread(split, current, [shard.number], halves)
        if changed is not None:
            telemetry.SPLITS.inc()
            place = {"project": store.project, "logstore": store.name, "shard": shard.number}
            _log.info("a busy shard was split", extra=place)


def _is_busy(load: metering.Load, seconds: float) -> bool:
    return load.bytes > BYTES_PER_SECOND * seconds or load.writes > WRITES_PER_SECOND * seconds
