"""Exactly-once writing: under one hash key, sequence ids only rise; a repeated one is refused.

A client numbers its writes; after a lost answer it sends the same number again, and learns from
InvalidSequenceId that the first one is stored. That holds over kill -9: a ticket is durable before
its write begins, and where the process died in between, the shard tells whether the write is there.
"""

import asyncio
import dataclasses
import hashlib
import weakref
from collections.abc import Callable
from typing import Final, Protocol

from loghub_ingest import writes
from loghub_ingest.storage import contract
from slswire import compress, errors, limits

MAX_KEYS: Final = 16_384
"""Hash keys with sequence ids per Logstore: a client uses some dozens, its Logstore has some
hundred clients. More would grow memory without end."""

_PAGE: Final = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Number:
    """A write's place in the order of its hash key (32 hexadecimal digits, lower case)."""

    hash_key: str
    value: int


class Writer(Protocol):
    """Writes by their numbers, in a way that fits the storage."""

    async def append(
        self,
        store: contract.Logstore,
        choose: Callable[[], contract.Shard],
        group: contract.NewGroup,
        number: Number,
    ) -> None:
        """Append unless the number was used; durable on return."""


class Turns:
    """One numbered write at a time for each hash key of a Logstore. Used on the loop only."""

    def __init__(self) -> None:
        self._locks: weakref.WeakValueDictionary[tuple[int, str], asyncio.Lock] = (
            weakref.WeakValueDictionary()
        )

    def of(self, place: tuple[int, str]) -> asyncio.Lock:
        """The lock of a Logstore's hash key, there for as long as somebody has or awaits it."""
        lock = self._locks.get(place)
        if lock is None:
            lock = self._locks[place] = asyncio.Lock()
        return lock


class Once:
    """The sequence ids of every Logstore. Used on the loop only."""

    def __init__(self, storage: contract.LogStorage, ongoing: writes.Writes) -> None:
        self._storage, self._writes = storage, ongoing
        self._last: dict[tuple[int, str], int] = {}
        self._turns = Turns()
        self._waiting: list[tuple[contract.Ticket, asyncio.Future[None]]] = []
        self._flush: asyncio.Task[None] | None = None

    async def append(
        self,
        store: contract.Logstore,
        choose: Callable[[], contract.Shard],
        group: contract.NewGroup,
        number: Number,
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
        number: Number,
    ) -> None:
        place = (store.ident, number.hash_key)
        async with self._turns.of(place):
            last = await self._known(store, number.hash_key)
            if number.value <= last:
                raise errors.make("InvalidSequenceId", number=number.value, last=last)
            content = await asyncio.to_thread(digest, group)
            shard = choose()
            with self._writes.to(store.ident, shard.number):
                _, after = await asyncio.to_thread(self._storage.span, store, shard)
                ticket = contract.Ticket(
                    store=store.ident,
                    hash_key=number.hash_key,
                    number=number.value,
                    shard=shard.number,
                    after=after,
                    raw_size=group.raw_size,
                    digest=content,
                )
                await self._announce(ticket)
                await self._writes.append([group], shard)
            self._last[place] = number.value

    async def _known(self, store: contract.Logstore, hash_key: str) -> int:
        place = (store.ident, hash_key)
        if place not in self._last:
            ticket = await asyncio.to_thread(self._storage.ticket, store.ident, hash_key)
            if ticket is None:
                held = await asyncio.to_thread(self._storage.count_tickets, store.ident)
                check_room(store, held)
                return -1
            there = await asyncio.to_thread(happened, self._storage, store, ticket)
            self._last[place] = ticket.number if there else ticket.number - 1
        return self._last[place]

    async def _announce(self, ticket: contract.Ticket) -> None:
        # Like the log's group commit: one transaction for all that waited for the one before.
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((ticket, done))
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._run_flush())
        await done

    async def _run_flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            fault: errors.SlsError | None = None
            try:
                await asyncio.to_thread(self._storage.set_tickets, [each for each, _ in batch])
            except contract.UnavailableError:
                fault = errors.make("ServerBusy")
            for _, done in batch:
                if fault is None:
                    done.set_result(None)
                else:
                    done.set_exception(fault)


def digest(group: contract.NewGroup) -> str:
    """By which a log group is known again."""
    raw = compress.decompress(
        "lz4", group.block, raw_size=group.raw_size, limit=limits.MAX_BODY_BYTES * 2
    )
    return hashlib.sha256(raw).hexdigest()


def check_room(store: contract.Logstore, held: int) -> None:
    """Check that a Logstore may have one hash key more than the `held` it has.

    Raises:
        SlsError: ParameterInvalid.
    """
    if held >= MAX_KEYS:
        detail = (
            f"Logstore {store.name} has sequence ids under {held} hash keys already; "
            "use the same keys again."
        )
        raise errors.make("ParameterInvalid", detail=detail)


def happened(
    storage: contract.LogStorage, store: contract.Logstore, ticket: contract.Ticket
) -> bool:
    """Whether the write of a ticket is in its shard."""
    shard = next((each for each in store.shards if each.number == ticket.shard), None)
    if shard is None or storage.span(store, shard)[0] > ticket.after:
        return True  # retention took the place: far too late for a write to be repeated
    sequence = ticket.after
    while entries := storage.entries(store, shard, sequence, _PAGE):
        for entry in entries:
            if entry.raw_size != ticket.raw_size:
                continue
            raw = storage.read(entry)
            if raw is not None and hashlib.sha256(raw).hexdigest() == ticket.digest:
                return True
        sequence = entries[-1].sequence + 1
    return False
