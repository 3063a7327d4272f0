"""The HTTP session that kopf watches through: lists go to the cache, what is said is heard.

kopf lists a kind before it watches it, and again when a resource version has expired. It would hand
over each object as an event of its own, and say nothing of those that are gone: so its lists are
made to name nothing, and the whole list is taken here, after the moment from which kopf watches.
`running` opens the session, `watching` logs kopf in with it.
"""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Final

import aiohttp

from loghub_operator import cluster, kinds

Listed = Callable[[kinds.Kind], Awaitable[None]]
"""Takes a kind's whole list as the truth."""
Heard = Callable[[str], None]
"""Told that the API server spoke about a plural, or was asked."""

_NOBODY: Final = "metadata.name=-"
"""No object can have that name."""


def open_session(
    api: cluster.Cluster, watched: Iterable[kinds.Kind], *, listed: Listed, heard: Heard
) -> aiohttp.ClientSession:
    """A session to the same API server, as the same user; call it in a loop."""
    by_path = {kind.path(): kind for kind in watched}

    async def passed(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        await api.authorize(request.headers)
        kind = by_path.get(request.url.path)
        if kind is None:
            return await handler(request)
        heard(kind.plural)
        if "watch" in request.url.query:
            answer = await handler(request)
            answer.content = _Overheard(answer.content, functools.partial(heard, kind.plural))  # type: ignore[assignment]
            return answer
        request.url = request.url.update_query(fieldSelector=_NOBODY)
        answer = await handler(request)
        if answer.ok:
            await _take(listed, kind, answer)
        return answer

    connector = aiohttp.TCPConnector(limit=0, ssl=api.tls)
    return aiohttp.ClientSession(
        connector=connector, middlewares=(passed,), cookie_jar=aiohttp.DummyCookieJar()
    )


async def _take(listed: Listed, kind: kinds.Kind, answer: aiohttp.ClientResponse) -> None:
    try:
        await listed(kind)
    except cluster.ClusterError as fault:
        answer.close()
        # kopf tries that again, after a pause.
        raise aiohttp.ClientConnectionError(str(fault)) from fault


class _Overheard:
    """A body whose pieces are announced as they come; anything else is the body's own."""

    def __init__(self, body: aiohttp.StreamReader, heard: Callable[[], None]) -> None:
        self._body, self._heard = body, heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """As aiohttp's own."""
        async for piece in self._body.iter_chunked(size):
            self._heard()
            yield piece
