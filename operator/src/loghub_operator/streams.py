"""The HTTP session that kopf watches through: lists go to the cache, what is said is heard.

kopf lists a kind before it watches it, and again when a resource version has expired. It would hand
over each object as an event of its own, and say nothing of those that are gone: so its lists are
made to name nothing, and the whole list is taken here, after the moment from which kopf watches.
An error that kopf would end the operator for becomes one that it lists or asks again for.
`running` opens the session, `watching` logs kopf in with it.
"""

import functools
import typing
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
_FINE: Final = 200
_EXPIRED: Final = 410
_FAILURE: Final = 500
_UNDERSTOOD: Final = frozenset({401, 403, 429})
"""kopf logs in anew, or asks again after a pause; of other 4xx it ends."""
_ERROR: Final = b'{"type":"ERROR"'
_EXPIRED_LINE: Final = b'{"type":"ERROR","object":{"kind":"Status","code":410}}\n'


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
            answer = _tolerable(await handler(request), _EXPIRED)
            body = _Overheard(answer, functools.partial(heard, kind.plural))
            answer.content = typing.cast("aiohttp.StreamReader", body)
            answer.status = _FINE if answer.status == _EXPIRED else answer.status
            return answer
        request.url = request.url.update_query(fieldSelector=_NOBODY)
        answer = _tolerable(await handler(request))
        if answer.ok:
            await _take(listed, kind, answer)
        return answer

    connector = aiohttp.TCPConnector(limit=0, ssl=api.tls)
    return aiohttp.ClientSession(
        connector=connector, middlewares=(passed,), cookie_jar=aiohttp.DummyCookieJar()
    )


def _tolerable(answer: aiohttp.ClientResponse, *more: int) -> aiohttp.ClientResponse:
    """An answer that kopf can live with, or an error that it can."""
    if answer.ok or answer.status in {*_UNDERSTOOD, *more} or answer.status >= _FAILURE:
        return answer
    answer.close()
    raise aiohttp.ClientConnectionError(f"the API server answered {answer.status}")


async def _take(listed: Listed, kind: kinds.Kind, answer: aiohttp.ClientResponse) -> None:
    try:
        await listed(kind)
    except cluster.ClusterError as fault:
        answer.close()
        # kopf tries that again, after a pause.
        raise aiohttp.ClientConnectionError(str(fault)) from fault


class _Overheard:
    """A watch's body, announced line by line; anything else is the body's own.

    Whatever error is in it reads as an expired version, so that kopf lists the kind and goes on.
    """

    def __init__(self, answer: aiohttp.ClientResponse, heard: Callable[[], None]) -> None:
        self._body, self._heard = answer.content, heard
        self._expired = answer.status == _EXPIRED

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """As aiohttp's own, in whole lines."""
        rest = b""
        async for piece in self._body.iter_chunked(size):
            self._heard()
            whole, newline, rest = (rest + piece).rpartition(b"\n")
            if self._expired or (_ERROR in whole and _tells_of_error(whole)):
                yield _EXPIRED_LINE
                return
            if whole:
                yield whole + newline


def _tells_of_error(lines: bytes) -> bool:
    return any(line.startswith(_ERROR) for line in lines.split(b"\n"))
