"""The addresses that the service listens on, plain and TLS, whose certificate may change meanwhile.

`serving` starts the servers and keeps `watch` running.
"""

import asyncio
import contextlib
import dataclasses
import logging
import pathlib
import ssl
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from loghub_ingest import connections

_log = logging.getLogger(__name__)

DRAIN_SECONDS: Final = 20
"""Longest wait for running requests at the end."""

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than clients' pools keep idle connections, so that they close first."""

RELOAD_SECONDS: Final = 2.0
"""How often the certificate's files are looked at; a look costs two system calls."""


class CertificateError(Exception):
    """The certificate cannot be used; says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Certificate:
    """The files of a certificate chain and its key, PEM."""

    chain: pathlib.Path
    key: pathlib.Path

    def load_into(self, context: ssl.SSLContext) -> None:
        """Let new connections of `context` use it.

        Raises:
            CertificateError: it is unusable; `context` is as it was.
        """
        try:
            # On a fresh one first: half a change, as while both files are replaced, must not stick.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.chain, self.key)
            context.load_cert_chain(self.chain, self.key)
        except (OSError, ssl.SSLError) as fault:
            raise CertificateError(
                f"TLS certificate {self.chain} with key {self.key} cannot be used: {fault}"
            ) from fault

    def stamp(self) -> tuple[tuple[int, int, int], ...]:
        """What changes when a file does; a link is followed, as Secrets are mounted by links."""
        found = []
        for path in (self.chain, self.key):
            with contextlib.suppress(OSError):
                state = path.stat()
                found.append((state.st_ino, state.st_mtime_ns, state.st_size))
        return tuple(found)


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; `certificate` where TLS is spoken."""

    host: str
    port: int
    certificate: Certificate | None = None


class Server(uvicorn.Server):
    """One address being served; `serving` takes the process's signals for all of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none: several servers share the process."""
        yield


def server(application: ASGIApp, address: Address) -> Server:
    """A server of `application`, not started yet.

    Raises:
        CertificateError: the address's certificate cannot be used.
    """
    config = uvicorn.Config(
        application,
        host=address.host,
        port=address.port,
        http=connections.Connection,
        ws="none",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # A client's word for where it comes from: nothing here may be decided by it.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        backlog=2048,
    )
    config.load()
    if address.certificate is not None:
        config.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        address.certificate.load_into(config.ssl)
    return Server(config)


async def watch(served: Server, certificate: Certificate) -> None:
    """Load the certificate again whenever its files change, until cancelled."""
    context, known = served.config.ssl, certificate.stamp()
    while context is not None:
        await asyncio.sleep(RELOAD_SECONDS)
        seen = certificate.stamp()
        if seen == known:
            continue
        try:
            certificate.load_into(context)
        except CertificateError as fault:
            # Tried again at the next look: the other file may be on its way.
            _log.error("the old TLS certificate stays in use", extra={"reason": str(fault)})
            continue
        known = seen
        _log.info("the TLS certificate was loaded again", extra={"chain": str(certificate.chain)})
