"""Runs the service: storage, the API's server, the admin's server, retention, and a clean end.

Called by `cli`. SIGTERM and SIGINT stop accepting, let running requests end, then close the log.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import functools
import gc
import logging
import os
import pathlib
import secrets
import signal
import threading
import time
from typing import Final

import prometheus_client as prometheus

from loghub_ingest import (
    access,
    admin,
    app,
    connections,
    listening,
    metering,
    readiness,
    service,
    splitting,
)
from loghub_ingest.console import application as console
from loghub_ingest.storage import contract, embedded

_log = logging.getLogger(__name__)

TRIM_SECONDS: Final = 60.0

PACK_SECONDS: Final = 5.0

MOST_UNPACKED: Final = 4 * 1024**3
"""Bytes of closed segments that wait for their age; beyond, the oldest are packed before it."""

NICE: Final = 10

COLLECTED_OBJECTS: Final = 10_000
"""New objects between two rounds of the garbage collector: those of some two hundred requests."""


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What `cli` read."""

    listen: tuple[listening.Address, ...]
    admin_listen: listening.Address | None
    data: pathlib.Path
    names: tuple[str, ...]
    root_key: tuple[str, str] | None
    key_file: pathlib.Path | None
    access: access.Access
    default_project: str
    pack_after: float | None
    """Seconds after its last write when a closed segment is packed; None for never."""
    console: bool


async def serve(settings: Settings) -> None:
    """Serve until a signal.

    Raises:
        embedded.InUseError, OSError: the directory or a port cannot be used.
    """
    storage = embedded.Embedded(settings.data, settings.key_file)
    try:
        _set_root_key(storage, settings.root_key)
        await _run(settings, storage)
    finally:
        await asyncio.to_thread(storage.close)


async def _run(settings: Settings, storage: embedded.Embedded) -> None:
    running = _service(settings, storage)
    application = app.make(running, console.make(running) if settings.console else None)
    connections.allow_files()
    api = [listening.server(application, each) for each in settings.listen]
    servers = list(api)

    ready = readiness.Readiness(
        settings.data,
        listening=lambda: all(each.started for each in api),
        draining=lambda: any(each.should_exit for each in api),
        writing=lambda: storage.alive,
    )
    if settings.admin_listen:
        prometheus.REGISTRY.register(metering.Collector(storage, running.usages, settings.data))
        shown = functools.partial(metering.status, storage, settings.data)
        servers.append(listening.server(admin.make(ready.problem, shown), settings.admin_listen))
    loop = asyncio.get_running_loop()
    _calm_collector()

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    background = [asyncio.create_task(_trim(storage)), asyncio.create_task(ready.watch())]
    splitter = splitting.Splitter(storage, running.usages)
    background.append(asyncio.create_task(splitter.watch()))
    if settings.pack_after is not None:
        background.append(asyncio.create_task(_pack(storage, settings.pack_after)))
    for server, address in zip(api, settings.listen, strict=True):
        if address.certificate is not None:
            watching = listening.watch(server, address.certificate)
            background.append(asyncio.create_task(watching))
    try:
        await asyncio.gather(*(server.serve() for server in servers))
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)


def _calm_collector() -> None:
    # Looked at every 700 new objects, all that the service is made of was a quarter of the CPU of
    # small writes at 256 connections. What is there now stays; a round looks at the rest, which
    # with the largest bodies in cycles is some tens of MB.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_OBJECTS, 10, 10)


def _service(settings: Settings, storage: embedded.Embedded) -> service.Service:
    return service.make(storage, settings.names, settings.access, settings.default_project)


async def _trim(storage: embedded.Embedded) -> None:
    while True:
        await asyncio.sleep(TRIM_SECONDS)
        await asyncio.to_thread(storage.drop_expired_shards, time.time_ns())
        dropped = await asyncio.to_thread(storage.trim, time.time_ns())
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


def _set_root_key(storage: embedded.Embedded, given: tuple[str, str] | None) -> None:
    known = list(storage.keys(""))
    if given is None:
        if known:
            return
        given = ("root" + secrets.token_hex(8), secrets.token_urlsafe(30))
        # Printed once, on purpose: nobody else ever learns it.
        _log.warning(
            "no root key was given: this one was made and is kept in the data directory",
            extra={"accessKeyId": given[0], "accessKeySecret": given[1]},
        )
    for key in known:
        if key.ident != given[0]:
            storage.delete_key(key.ident)
    storage.add_key(
        contract.AccessKey(
            ident=given[0],
            secret=given[1],
            project="",
            rights=frozenset({"admin"}),
            created=int(time.time()),
        )
    )
