"""Connections to log services, kept open from one look to the next. Used by `reconciling.context`.

A thousand LogStores are looked at again and again: a connection for each look, with its handshake,
was most of what an operator at rest did. How a service is trusted is part of a connection, so there
is one pool for each such way.
"""

import dataclasses
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
    """How a service is reached and known."""


class Links:
    """The pools; call them in one event loop."""

    def __init__(self) -> None:
        self._sessions: dict[Trust, aiohttp.ClientSession] = {}

    async def session(self, trust: Trust) -> aiohttp.ClientSession:
        """The pool for a way of trust; stays open."""
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


def _open(_trust: Trust) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=_MAX_CONNECTIONS, keepalive_timeout=_KEPT_SECONDS)
    return open_session(connector)
