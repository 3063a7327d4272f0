"""Exactly-once writing by many replicas: as `exactlyonce`, with Kafka's transactions as the fence.

A write is announced in the catalogue under the transactional id that it is sent with, then sent,
then marked as done. Where a replica finds one that was announced and not marked, it takes that id
away first: from then on nothing of it can come any more, so the shard tells for sure whether the
write is there. That holds across the crash of any replica, and where a client asks two at once.

What waits is written together: a transaction of the catalogue, one of Kafka, one of the catalogue.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from typing import Final

from loghub_ingest import exactlyonce, writes
from loghub_ingest.catalogue import announcements
from loghub_ingest.kafka import storage, transacting
from loghub_ingest.storage import contract
from slswire import errors

MOST_TURNS: Final = 8
"""Times that one write is tried: each but the last met a split, or another replica."""

MOST_TOGETHER: Final = 256
"""Writes of one transaction."""


@dataclasses.dataclass(slots=True, eq=False)
class _Attempt:
    """One write, to a shard that was chosen; `done` says whether it counts."""

    group: contract.NewGroup
    number: exactlyonce.Number
    digest: str
    version: int
    done: "asyncio.Future[bool]"


class Once:
    """The sequence ids of every Logstore, as one replica has them. Used on the loop only."""

    def __init__(
        self,
        kept: storage.KafkaStorage,
        ongoing: writes.Writes,
        transactor: transacting.Transactor,
    ) -> None:
        self._storage, self._writes, self._transactor = kept, ongoing, transactor
        self._turns = exactlyonce.Turns()
        self._brokers = asyncio.Lock()
        self._waiting: list[_Attempt] = []
        self._flush: asyncio.Task[None] | None = None

    async def append(
        self,
        store: contract.Logstore,
        choose: Callable[[], contract.Shard],
        group: contract.NewGroup,
        number: exactlyonce.Number,
    ) -> None:
        """Append unless the number was used; durable on return.

        Raises:
            SlsError: InvalidSequenceId, ParameterInvalid or ServerBusy.
        """
        # Its sender may go away: the outcome must be known to the next one all the same.
        await asyncio.shield(asyncio.create_task(self._append(store, choose, group, number)))

    async def _append(
        self,
        store: contract.Logstore,
        choose: Callable[[], contract.Shard],
        group: contract.NewGroup,
        number: exactlyonce.Number,
    ) -> None:
        async with self._turns.of((store.ident, number.hash_key)):
            digest = await asyncio.to_thread(exactlyonce.digest, group)
            for _ in range(MOST_TURNS):
                last, version = await self._known(store, number.hash_key)
                if number.value <= last:
                    raise errors.make("InvalidSequenceId", number=number.value, last=last)
                shard = choose()
                placed = dataclasses.replace(group, shard=shard.number)
                with self._writes.to(store.ident, shard.number):
                    if await self._try(placed, number, digest, version + 1):
                        self._writes.count(placed)
                        return
            raise errors.make("ServerBusy")

    async def _known(self, store: contract.Logstore, hash_key: str) -> tuple[int, int]:
        """The last number of a hash key, and the version of its ticket."""
        found = await asyncio.to_thread(self._storage.announced, store.ident, hash_key)
        if found is None:
            held = await asyncio.to_thread(self._storage.count_tickets, store.ident)
            exactlyonce.check_room(store, held)
            return -1, 0
        number = found.ticket.number
        if found.done:
            return number, found.version
        if found.writer != self._transactor.ident:  # under its own, this replica's has ended
            async with self._brokers:
                await asyncio.to_thread(self._transactor.fence, found.writer)
        happened = await asyncio.to_thread(self._happened, store, found.ticket)
        return (number if happened else number - 1), found.version

    def _happened(self, store: contract.Logstore, ticket: contract.Ticket) -> bool:
        self._storage.catch_up_now()
        current = self._storage.logstore(store.project, store.name) or store
        shard = next((each for each in current.shards if each.number == ticket.shard), None)
        if shard is not None:
            self._storage.settle_shard(current, shard)
        return exactlyonce.happened(self._storage, current, ticket)

    async def _try(
        self, group: contract.NewGroup, number: exactlyonce.Number, digest: str, version: int
    ) -> bool:
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Attempt(group, number, digest, version, done))
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._run_flush())
        return await done

    async def _run_flush(self) -> None:
        while self._waiting:
            batch = self._waiting[:MOST_TOGETHER]
            self._waiting = self._waiting[MOST_TOGETHER:]
            try:
                async with self._brokers:
                    sent = await asyncio.to_thread(self._send, batch)
                counting = await self._counting(sent)
                await asyncio.to_thread(self._storage.settle, [each for each, _ in counting])
            except (contract.StorageFullError, contract.UnavailableError):
                for attempt in batch:
                    attempt.done.set_exception(errors.make("ServerBusy"))
                continue
            done = {attempt for _, attempt in counting}
            for attempt in batch:
                attempt.done.set_result(attempt in done)

    def _send(
        self, batch: Sequence[_Attempt]
    ) -> list[tuple[announcements.Announced, _Attempt, int]]:
        """Announce and write; what was, with its offset."""
        writer = self._transactor.prepare()
        wanted = [self._ticket(each, writer) for each in batch]
        told = self._storage.announce(wanted)
        pairs = [
            pair for pair, fine in zip(zip(wanted, batch, strict=True), told, strict=True) if fine
        ]
        if not pairs:
            return []
        records = [self._storage.record(attempt.group) for _, attempt in pairs]
        offsets = self._transactor.write(records)
        return [(*pair, offset) for pair, offset in zip(pairs, offsets, strict=True)]

    def _ticket(self, attempt: _Attempt, writer: str) -> announcements.Announced:
        group = attempt.group
        ticket = contract.Ticket(
            store=group.store,
            hash_key=attempt.number.hash_key,
            number=attempt.number.value,
            shard=group.shard,
            after=self._storage.end_now(group.store, group.shard),
            raw_size=group.raw_size,
            digest=attempt.digest,
        )
        return announcements.Announced(ticket, writer, done=False, version=attempt.version)

    async def _counting(
        self, sent: Sequence[tuple[announcements.Announced, _Attempt, int]]
    ) -> list[tuple[announcements.Announced, _Attempt]]:
        """Those that lie where readers see them."""
        await self._storage.catch_up()
        found = []
        for announced, attempt, offset in sent:
            try:
                await self._storage.sequence_of(attempt.group, offset)
            except contract.ShardSealedError:
                continue
            found.append((announced, attempt))
        return found
