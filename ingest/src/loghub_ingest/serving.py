"""Runs the service: storage, the API's server, the admin's server, retention, and a clean end.

Called by `cli`. SIGTERM and SIGINT stop accepting, let running requests end, then close the log.
"""

import asyncio
import dataclasses
import gc
import logging
import pathlib
import secrets
import signal
import time
from typing import Final

from loghub_ingest import access, admin, app, connections, listening, readiness, service
from loghub_ingest.console import application as console
from loghub_ingest.storage import contract, embedded

_log = logging.getLogger(__name__)

TRIM_SECONDS: Final = 60.0

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
    served = _service(settings, storage)
    application = app.make(served, console.make(served) if settings.console else None)
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
        servers.append(listening.server(admin.make(ready.problem), settings.admin_listen))
    loop = asyncio.get_running_loop()
    _calm_collector()

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    background = [asyncio.create_task(_trim(storage)), asyncio.create_task(ready.watch())]
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
