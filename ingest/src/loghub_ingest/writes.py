"""Writes on their way: which shards still have some, so that a sealed one's end is known for sure.

The loop chooses a shard and counts the write in one step; `consumers` releases a shard's children
only when nothing is on its way to it any more. `splitting` asks how much each shard got.
"""

import collections
import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

from loghub_ingest.storage import contract
from slswire import errors


@dataclasses.dataclass(slots=True)
class Load:
    """What a shard got: raw bytes of log groups, and log groups."""

    bytes: int = 0
    writes: int = 0


class Writes:
    """Counts appends in progress by Logstore and shard. Used on the loop only."""

    def __init__(self, storage: contract.LogStorage) -> None:
        self._storage = storage
        self._running: collections.Counter[tuple[int, int]] = collections.Counter()
        self._written: dict[tuple[int, int], Load] = {}

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
                    self._count(group, shard)
            except contract.StorageFullError as fault:
                raise errors.make("ServerBusy") from fault

    def take_written(self) -> dict[tuple[int, int], Load]:
        """What (Logstore, shard) got since this was asked last."""
        written, self._written = self._written, {}
        return written

    def _count(self, group: contract.NewGroup, shard: contract.Shard) -> None:
        load = self._written.setdefault((group.store, shard.number), Load())
        load.bytes += group.raw_size
        load.writes += 1

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
