"""Connections to log services, kept open from one look to the next. Used by `reconciling.context`.

A thousand LogStores are looked at again and again: a connection for each look, with its handshake,
was most of what an operator at rest did. How a service is trusted is part of a connection, so there
is one pool for each such way.
"""

import dataclasses
import pathlib
import ssl
import tempfile
from typing import Final

import aiohttp

from slswire.client import open_session

_MAX_POOLS: Final = 256
"""Ways of trust remembered; the one that was not used for longest is closed first."""
_MAX_CONNECTIONS: Final = 32
"""Of one pool, over all its hosts: more than there are workers."""
_KEPT_SECONDS: Final = 4.0
"""A connection is used again within that: less than after which any service closes one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Trust:
    """How a service is reached and known: in PEM, and empty where nothing special is asked for."""

    authority: str = ""
    certificate: str = ""
    key: str = dataclasses.field(default="", repr=False)
    proxy: str = ""

    def texts(self) -> dict[str, str]:
        """What agents need of it, as a Secret has it."""
        found = {"ca.crt": self.authority, "tls.crt": self.certificate, "tls.key": self.key}
        return {name: text for name, text in found.items() if text}


class TrustError(Exception):
    """A certificate or key is none; the sentence says which."""


class Links:
    """The pools; call them in one event loop."""

    def __init__(self) -> None:
        self._sessions: dict[Trust, aiohttp.ClientSession] = {}

    async def session(self, trust: Trust) -> aiohttp.ClientSession:
        """The pool for a way of trust; stays open.

        Raises:
            TrustError: nothing can be opened in that way.
        """
        found = self._sessions.pop(trust, None) or _open(trust)
        self._sessions[trust] = found  # the last one used is the last one
        if len(self._sessions) > _MAX_POOLS:
            oldest = next(iter(self._sessions))
            await self._sessions.pop(oldest).close()
        return found

    async def close(self) -> None:
        """Close every connection."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()


def _open(trust: Trust) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=_MAX_CONNECTIONS, keepalive_timeout=_KEPT_SECONDS, ssl=_tls(trust)
    )
    return open_session(connector, trust.proxy or None)


def _tls(trust: Trust) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=trust.authority or None)
    except (ssl.SSLError, ValueError) as fault:
        raise TrustError(f"ca.crt holds no certificate in PEM: {fault}") from fault
    if trust.certificate:
        # Python takes a pair from files only; this one is gone at once.
        with tempfile.TemporaryDirectory(prefix="loghub-") as home:
            pair = pathlib.Path(home) / "pair.pem"
            pair.touch(mode=0o600)
            pair.write_text(f"{trust.key}\n{trust.certificate}\n", encoding="ascii")
            try:
                context.load_cert_chain(pair)
            except (ssl.SSLError, ValueError) as fault:
                sentence = f"tls.crt and tls.key are no certificate with its key in PEM: {fault}"
                raise TrustError(sentence) from fault
    return context
