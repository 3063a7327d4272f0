"""Runs the service: its backend, the API's server, the admin's server, and a clean end.

Called by `cli`; `backends` opens the storage. SIGTERM and SIGINT stop accepting, let running
requests end, then close the log.
"""

import asyncio
import dataclasses
import gc
import logging
import secrets
import signal
import time
from typing import Final

import prometheus_client as prometheus

from loghub_ingest import (
    access,
    admin,
    app,
    backends,
    connections,
    listening,
    metering,
    readiness,
    splitting,
)
from loghub_ingest.console import application as console
from loghub_ingest.storage import contract

_log = logging.getLogger(__name__)

COLLECTED_OBJECTS: Final = 10_000
"""New objects between two rounds of the garbage collector: those of some two hundred requests."""


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What `cli` read."""

    listen: tuple[listening.Address, ...]
    admin_listen: listening.Address | None
    backend: backends.Settings
    names: tuple[str, ...]
    root_key: tuple[str, str] | None
    access: access.Access
    default_project: str
    console: bool


class NoRootKeyError(Exception):
    """There is no root key yet, and none was given that all replicas could have."""


async def serve(settings: Settings) -> None:
    """Serve until a signal.

    Raises:
        embedded.InUseError, OSError: the storage or a port cannot be used.
        NoRootKeyError: none was given, and there is none.
    """
    backend = backends.open_one(settings.backend)
    try:
        _set_root_key(backend, settings.root_key)
        await _run(settings, backend)
    finally:
        await asyncio.to_thread(backend.storage.close)


async def _run(settings: Settings, backend: backends.Backend) -> None:
    running = backend.service(settings.names, settings.access, settings.default_project)
    application = app.make(running, console.make(running) if settings.console else None)
    connections.allow_files()
    api = [listening.server(application, each) for each in settings.listen]
    servers = list(api)

    ready = readiness.Readiness(
        backend.probe,
        listening=lambda: all(each.started for each in api),
        draining=lambda: any(each.should_exit for each in api),
        writing=lambda: backend.storage.alive,
    )
    if settings.admin_listen:
        prometheus.REGISTRY.register(metering.Collector(backend.metered, running.usages))
        administration = admin.make(ready.problem, backend.metered.status)
        servers.append(listening.server(administration, settings.admin_listen))
    loop = asyncio.get_running_loop()
    _calm_collector()

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    splitter = splitting.Splitter(backend.storage, running.usages)
    work = (ready.watch(), splitter.watch(), *backend.background(running))
    background = [asyncio.create_task(each) for each in work]
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


def _set_root_key(backend: backends.Backend, given: tuple[str, str] | None) -> None:
    storage = backend.storage
    known = list(storage.keys(""))
    if given is None:
        if known:
            return
        if backend.shared:  # each replica would make one of its own
            raise NoRootKeyError("give all replicas the same LOGHUB_ROOT_ACCESS_KEY_ID and _SECRET")
        given = ("root" + secrets.token_hex(8), secrets.token_urlsafe(30))
        # Printed once, on purpose: nobody else ever learns it.
        _log.warning(
            "no root key was given: this one was made and is kept in the data directory",
            extra={"accessKeyId": given[0], "accessKeySecret": given[1]},
        )
    for key in known:
        if key.ident != given[0]:
            storage.delete_key(key.ident)
    if any((key.ident, key.secret) == given for key in known):
        return
    storage.add_key(
        contract.AccessKey(
            ident=given[0],
            secret=given[1],
            project="",
            rights=frozenset({"admin"}),
            created=int(time.time()),
        )
    )
