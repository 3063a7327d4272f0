"""Group commit: one thread writes what many requests wait for, and one fdatasync acknowledges it.

While a batch is being synced the next one gathers, so that a lone request waits for one sync and a
thousand share one. Bounded in bytes and requests; beyond, the sender is told to come back.
"""

import asyncio
import collections
import dataclasses
import logging
import os
import pathlib
import threading
import time
from collections.abc import Callable
from typing import Final

from loghub_ingest.storage import contract, records, segments

_log = logging.getLogger(__name__)

MAX_WAITING_BYTES: Final = 128 * 1024 * 1024
"""Of all requests that wait for the disk: a dozen of the largest bodies."""

MAX_BATCH_BYTES: Final = 16 * 1024 * 1024
"""One write; keeps the time to the first acknowledgement bounded under load."""

RESERVE_BYTES: Final = 64 * 1024 * 1024
"""Space left free on the volume, so that metadata and recovery always find some."""


@dataclasses.dataclass(slots=True)
class _Waiting:
    group: contract.NewGroup
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[int]"


Stored = Callable[[segments.Found], None]
"""Told of each record once it is durable, before its sender is."""

Number = Callable[[int, int], int]
"""(store, shard) -> the next sequence."""


class Committer:
    """The writing thread. `number` and `stored` are called on it."""

    def __init__(
        self, log: segments.Segments, directory: pathlib.Path, number: Number, stored: Stored
    ) -> None:
        self._log, self._directory = log, directory
        self._number, self._stored = number, stored
        self._queue: collections.deque[_Waiting] = collections.deque()
        self._bytes = 0
        self._wake = threading.Condition()
        self._closing = False
        self.syncs = 0
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    async def append(self, group: contract.NewGroup) -> int:
        """Wait until `group` is durable; its sequence.

        Raises:
            StorageFullError: it was not written.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(group, loop, loop.create_future())
        with self._wake:
            if self._closing or self._bytes + len(group.block) > MAX_WAITING_BYTES:
                raise contract.StorageFullError("too many writes wait for the disk")
            self._queue.append(waiting)
            self._bytes += len(group.block)
            self._wake.notify()
        return await waiting.done

    @property
    def alive(self) -> bool:
        """Whether the writing thread runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Write what waits, then end the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            try:
                sequences = self._commit(batch)
            except (OSError, contract.StorageFullError) as fault:
                _log.exception("a write failed; its senders are told to come back")
                self._answer(batch, contract.StorageFullError(str(fault)))
            else:
                self._answer(batch, sequences)

    def _take(self) -> list[_Waiting]:
        with self._wake:
            while not self._queue and not self._closing:
                self._wake.wait()
            batch: list[_Waiting] = []
            size = 0
            while self._queue and size < MAX_BATCH_BYTES:
                batch.append(self._queue.popleft())
                size += len(batch[-1].group.block)
            self._bytes -= size
            return batch

    def _commit(self, batch: list[_Waiting]) -> list[int]:
        space = os.statvfs(self._directory)
        if space.f_bavail * space.f_frsize < RESERVE_BYTES:
            raise contract.StorageFullError(f"less than {RESERVE_BYTES} bytes are free")
        heads, packed = [], []
        received = time.time_ns()
        taken: dict[tuple[int, int], int] = {}
        for waiting in batch:
            group = waiting.group
            place = (group.store, group.shard)
            sequence = taken.get(place, self._number(*place))
            taken[place] = sequence + 1
            head = records.Head(
                store=group.store,
                sequence=sequence,
                received=received,
                shard=group.shard,
                logs=group.logs,
                min_time=group.min_time,
                max_time=group.max_time,
                raw_size=group.raw_size,
            )
            heads.append(head)
            packed.append(records.pack(head, group.block))
        segment, offset = self._log.write(b"".join(packed))
        self.syncs += 1
        for head, record in zip(heads, packed, strict=True):
            self._stored(segments.Found(head, segment, offset, len(record)))
            offset += len(record)
        return [head.sequence for head in heads]

    @staticmethod
    def _answer(batch: list[_Waiting], outcome: list[int] | Exception) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, int | Exception]]] = {}
        for index, waiting in enumerate(batch):
            result = outcome if isinstance(outcome, Exception) else outcome[index]
            by_loop.setdefault(waiting.loop, []).append((waiting, result))
        for loop, answers in by_loop.items():
            # A loop that has ended has nobody waiting any more.
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, answers)


def _resolve(answers: list[tuple[_Waiting, int | Exception]]) -> None:
    for waiting, result in answers:
        if waiting.done.done():  # its request was cancelled; what is durable stays
            continue
        if isinstance(result, Exception):
            waiting.done.set_exception(result)
        else:
            waiting.done.set_result(result)
