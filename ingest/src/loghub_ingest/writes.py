"""Writes on their way: which shards still have some, so that a sealed one's end is known for sure.

The loop chooses a shard and counts the write in one step; `consumers` releases a shard's children
only when nothing is on its way to it any more.
"""

import collections
import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from loghub_ingest import metering
from loghub_ingest.storage import contract
from slswire import errors

MOST_TURNS: Final = 8
"""Shards tried for one body: each turn but the last met a split."""


class Writes:
    """Counts appends in progress by Logstore and shard. Used on the loop only."""

    def __init__(self, storage: contract.LogStorage, usages: metering.Usages) -> None:
        self._storage, self._usages = storage, usages
        self._running: collections.Counter[tuple[int, int]] = collections.Counter()

    async def place(
        self, groups: Sequence[contract.NewGroup], choose: Callable[[], contract.Shard]
    ) -> None:
        """Append to the shard that `choose` says, one after the other; durable on return.

        Where another replica seals that shard meanwhile, what is left goes to the one that it says
        then.

        Raises:
            SlsError: ServerBusy; every client keeps its data and comes back, while anything in the
                400s may drop it. Groups before the one that failed may be stored.
        """
        left = collections.deque(groups)
        for _ in range(MOST_TURNS):
            with contextlib.suppress(contract.ShardSealedError):
                await self._append(left, choose())
                return
        raise errors.make("ServerBusy")

    async def append(self, groups: Sequence[contract.NewGroup], shard: contract.Shard) -> None:
        """The same to one shard.

        Raises:
            SlsError: ServerBusy.
            ShardSealedError: the first that is not stored did not find it open any more.
        """
        await self._append(collections.deque(groups), shard)

    async def _append(
        self, left: "collections.deque[contract.NewGroup]", shard: contract.Shard
    ) -> None:
        with self.to(left[0].store, shard.number):
            try:
                while left:
                    group = dataclasses.replace(left[0], shard=shard.number)
                    await self._storage.append(group)
                    self.count(group)
                    left.popleft()
            except contract.StorageFullError as fault:
                raise errors.make("ServerBusy") from fault

    def count(self, group: contract.NewGroup) -> None:
        """Count a group that is durable in its shard."""
        self._usages.wrote(group, group.shard)

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
