"""Runs the service: storage, the API's server, the admin's server, retention, and a clean end.

Called by `cli`. SIGTERM and SIGINT stop accepting, let running requests end, then close the log.
"""

import asyncio
import contextlib
import dataclasses
import logging
import pathlib
import secrets
import signal
import time
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.applications import Starlette

from loghub_ingest import admin, app, service
from loghub_ingest.storage import contract, embedded

_log = logging.getLogger(__name__)

DRAIN_SECONDS: Final = 20
"""Longest wait for running requests at the end."""

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than clients' pools keep idle connections, so that they close first."""

TRIM_SECONDS: Final = 60.0

MAX_HEAD_BYTES: Final = 64 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What `cli` read."""

    listen: tuple[str, int]
    admin_listen: tuple[str, int] | None
    data: pathlib.Path
    names: tuple[str, ...]
    root_key: tuple[str, str] | None
    key_file: pathlib.Path | None


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
    api = _server(app.make(service.make(storage, settings.names)), settings.listen)
    servers = [api]
    if settings.admin_listen:
        servers.append(_server(admin.make(lambda: api.started), settings.admin_listen))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    trimming = asyncio.create_task(_trim(storage))
    try:
        await asyncio.gather(*(server.serve() for server in servers))
    finally:
        trimming.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await trimming


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Two servers share the process: `_run` takes the signals for both.
        yield


def _server(application: Starlette, listen: tuple[str, int]) -> _Server:
    return _Server(
        uvicorn.Config(
            application,
            host=listen[0],
            port=listen[1],
            http="httptools",
            loop="uvloop",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            backlog=2048,
        )
    )


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
