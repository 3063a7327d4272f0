"""What a service runs on: one directory, or brokers and a catalogue; and what else each needs.

`serving` opens one by the settings. The embedded storage is trimmed, packed and probed here;
`replicas` has the other one.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import functools
import logging
import os
import pathlib
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from loghub_ingest import access, metering, readiness, service
from loghub_ingest.kafka import address
from loghub_ingest.storage import contract, embedded, steady

_log = logging.getLogger(__name__)

TRIM_SECONDS: Final = 60.0

PACK_SECONDS: Final = 5.0

MOST_UNPACKED: Final = 4 * 1024**3
"""Bytes of closed segments that wait for their age; beyond, the oldest are packed before it."""

NICE: Final = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What `cli` read: `data` and the key file of it, or `replicas` and theirs."""

    data: pathlib.Path | None
    replicas: address.Address | None
    key_file: pathlib.Path | None
    pack_after: float | None
    """Seconds after its last write when a closed segment is packed; None for never."""


def _as_made(running: service.Service) -> service.Service:
    return running


@dataclasses.dataclass(frozen=True, slots=True)
class Backend:
    """A storage that is open, and what `serving` does with it."""

    storage: contract.LogStorage
    metered: metering.Metered
    probe: Callable[[], str]
    """Why nothing can be kept, empty when it can; may take long."""
    shared: bool
    background: Callable[[service.Service], Sequence[Coroutine[Any, Any, None]]]
    equipped: Callable[[service.Service], service.Service] = _as_made
    """The service with what this storage needs in place of the usual parts."""

    def service(
        self, names: tuple[str, ...], logged: access.Access, default_project: str
    ) -> service.Service:
        """A service over it."""
        return self.equipped(service.make(self.storage, names, logged, default_project))


def open_one(settings: Settings) -> Backend:
    """Open what the settings name.

    Raises:
        OSError, embedded.InUseError, database.NewerFormatError: it cannot be used.
    """
    if settings.replicas is not None and settings.key_file is not None:
        # Imported here: a directory's service does without 20 MB of Kafka's client.
        from loghub_ingest import replicas  # noqa: PLC0415

        return replicas.open_one(settings.replicas, settings.key_file)
    if settings.data is None:
        raise ValueError("the settings name neither a directory nor brokers")
    return _directory(settings.data, settings)


def _directory(data: pathlib.Path, settings: Settings) -> Backend:
    storage = embedded.Embedded(data, settings.key_file)

    def background(_running: service.Service) -> Sequence[Coroutine[Any, Any, None]]:
        packing = () if settings.pack_after is None else (_pack(storage, settings.pack_after),)
        return (_trim(storage), *packing)

    return Backend(
        storage=storage,
        metered=metering.Volume(storage, data),
        probe=functools.partial(readiness.probe, data),
        shared=False,
        background=background,
    )


def _running_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


async def _trim(storage: embedded.Embedded) -> None:
    clock = steady.Steady(time.time_ns(), _running_ns())
    while True:
        await asyncio.sleep(TRIM_SECONDS)
        now = clock.now(time.time_ns(), _running_ns())
        await asyncio.to_thread(storage.drop_expired_shards, now)
        dropped = await asyncio.to_thread(storage.trim, now)
        if dropped:
            _log.info("expired segments were dropped", extra={"segments": dropped})


async def _pack(storage: embedded.Embedded, after: float) -> None:
    # A thread of its own: one that was made nice cannot be made eager again.
    with concurrent.futures.ThreadPoolExecutor(1, "packing", initializer=_be_nice) as thread:
        try:
            while True:
                await asyncio.sleep(PACK_SECONDS)
                await asyncio.get_running_loop().run_in_executor(thread, _pack_once, storage, after)
        finally:
            storage.stop_packing()


def _pack_once(storage: embedded.Embedded, after: float) -> None:
    try:
        storage.pack(time.time() - after, most_bytes=MOST_UNPACKED)
    except OSError as fault:
        _log.warning("old segments cannot be packed now: %s", fault)


def _be_nice() -> None:
    # Linux counts niceness by thread.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
