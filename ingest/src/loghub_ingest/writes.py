"""Writes on their way: which shards still have some, so that a sealed one's end is known for sure.

The loop chooses a shard and counts the write in one step; `consumers` releases a shard's children
only when nothing is on its way to it any more.
"""

import collections
import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

from loghub_ingest import metering
from loghub_ingest.storage import contract
from slswire import errors


class Writes:
    """Counts appends in progress by Logstore and shard. Used on the loop only."""

    def __init__(self, storage: contract.LogStorage, usages: metering.Usages) -> None:
        self._storage, self._usages = storage, usages
        self._running: collections.Counter[tuple[int, int]] = collections.Counter()

    async def append(self, groups: Sequence[contract.NewGroup], shard: contract.Shard) -> None:
        """Append to `shard`, one after the other; durable on return.

        Raises:
            SlsError: ServerBusy; every client keeps its data and comes back, while anything in the
                400s may drop it. Groups before the one that failed may be stored.
        """
        with self.to(groups[0].store, shard.number):
            try:
                for group in groups:
                    await self._storage.append(dataclasses.replace(group, shard=shard.number))
                    self._usages.wrote(group, shard.number)
            except contract.StorageFullError as fault:
                raise errors.make("ServerBusy") from fault

    @contextlib.contextmanager
    def to(self, store: int, shard: int) -> Iterator[None]:
        """Counts one write as in progress."""
        place = (store, shard)
        self._running[place] += 1
        try:
            yield
        finally:
            self._running[place] -= 1
            if not self._running[place]:
                del self._running[place]

    def running(self, store: int, shard: int) -> bool:
        """Whether a write to the shard is in progress."""
        return (store, shard) in self._running
