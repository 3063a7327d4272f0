"""A proxy between the operator and the real API server that stalls, cuts, delays and lies.

It ends TLS with an authority of its own and asks the API server as its administrator. Every request
and every piece of an answer passes `Faults`, which a test changes while things are under way.
"""

import asyncio
import contextlib
import dataclasses
import json
import pathlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Self

import aiohttp
from aiohttp import web

from harness import kubeconfig
from harness.certificates import Authority
from harness.control_plane import ControlPlane

HOP = {"connection", "host", "transfer-encoding", "content-length", "content-encoding"}
CLOSING_SECONDS = 0.5
PASSED_ON = ("Accept", "Content-Type")

Refusal = Callable[[web.Request], web.Response | None]
"""An answer in the API server's place, or None."""


def status(code: int, reason: str, **headers: str) -> web.Response:
    """The API server's form of a refusal."""
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason}
    body["message"] = f"{reason}: said the proxy"
    return web.json_response(body, status=code, headers=headers)


def is_watch(request: web.Request) -> bool:
    return "watch" in request.query


class Proxy:
    """A context manager; `url` is the API server's for whoever uses `kubeconfig`."""

    def __init__(self, plane: ControlPlane, directory: pathlib.Path) -> None:
        self._plane, self._directory = plane, directory
        self.refuse: Refusal = lambda _request: None
        self.rewrite: Callable[[web.Request], dict[str, str]] = lambda request: dict(request.query)
        """What is asked for instead."""
        self.delay = 0.0
        """Seconds before each piece of an answer."""
        self.watches = 0
        """Opened so far."""
        self.requests: list[str] = []
        self._open = asyncio.Event()
        self._open.set()
        self._stuck: asyncio.Event | None = None
        self._watching: list[asyncio.Queue[bytes]] = []

    async def __aenter__(self) -> Self:
        authority = Authority(self._directory / "proxy")
        pair = authority.issue("proxy", "proxy", hosts=("127.0.0.1",))
        inward = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        inward.load_cert_chain(pair.certificate, pair.key)
        outward = ssl.create_default_context(cafile=str(self._plane.authority))
        outward.load_cert_chain(self._plane.admin.certificate, self._plane.admin.key)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=outward, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        server = web.Application(client_max_size=64 * 1024 * 1024)
        server.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=inward)
        await site.start()
        [address] = self._runner.addresses
        self.kubeconfig = kubeconfig.write(
            self._directory / "proxied.kubeconfig",
            f"https://127.0.0.1:{address[1]}",
            authority.pair.certificate,
            self._plane.admin,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.heal()
        if self._stuck is not None:
            self._stuck.set()
        self.cut()
        await self._runner.cleanup()
        await self._session.close()
        # Connections with TLS take a few turns of the loop to close, and nobody tells when.
        await asyncio.sleep(CLOSING_SECONDS)

    def stall(self, *, for_ever: bool = False) -> None:
        """Nothing passes any more, and nobody is told. `for_ever`: on what is open now alone."""
        if for_ever:
            # Those that wait for this event are never woken; whoever comes later has the other.
            self._open = asyncio.Event()
            self._open.set()
            self._stuck, self._generation = asyncio.Event(), self.watches
        else:
            self._open.clear()

    def cut(self) -> None:
        """Break every connection in the middle."""
        assert self._runner.server is not None
        for protocol in list(self._runner.server.connections):
            if protocol.transport is not None:
                protocol.transport.abort()

    def heal(self) -> None:
        """Let everything pass again."""
        self.refuse, self.delay = (lambda _request: None), 0.0
        self.rewrite = lambda request: dict(request.query)
        self._open.set()

    async def say(self, words: dict[str, object]) -> None:
        """Put an event into every open watch."""
        for queue in self._watching:
            queue.put_nowait(json.dumps(words, separators=(",", ":")).encode() + b"\n")

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        number = self.watches = self.watches + is_watch(request)
        await self._open.wait()
        if (refused := self.refuse(request)) is not None:
            return refused
        headers = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        async with self._session.request(
            request.method,
            self._plane.url + request.path,
            params=self.rewrite(request),
            headers=headers,
            data=await request.read() or None,
        ) as answer:
            kept = {name: text for name, text in answer.headers.items() if name.lower() not in HOP}
            passed = web.StreamResponse(status=answer.status, headers=kept)
            await passed.prepare(request)
            async with self._listening(request, answer) as pieces:
                async for piece in pieces:
                    await asyncio.sleep(self.delay)
                    await self._open.wait()
                    if self._stuck is not None and is_watch(request) and number <= self._generation:
                        await self._stuck.wait()
                    await passed.write(piece)
            await passed.write_eof()
            return passed

    @contextlib.asynccontextmanager
    async def _listening(
        self, request: web.Request, answer: aiohttp.ClientResponse
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The pieces of an answer, and of a watch what `say` puts in between."""
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        if is_watch(request):
            self._watching.append(queue)

        async def read() -> None:
            with contextlib.suppress(aiohttp.ClientError):
                async for piece in answer.content.iter_any():
                    queue.put_nowait(piece)
            queue.put_nowait(b"")

        reading = asyncio.create_task(read())
        try:
            yield aiter_until_empty(queue)
        finally:
            reading.cancel()
            self._watching = [each for each in self._watching if each is not queue]


async def aiter_until_empty(queue: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
    while piece := await queue.get():
        yield piece


@dataclasses.dataclass
class Times:
    """Refuses the first so many requests that fit."""

    left: int
    answer: Callable[[], web.Response]
    fits: Callable[[web.Request], bool] = lambda _request: True

    def __call__(self, request: web.Request) -> web.Response | None:
        if self.left and self.fits(request):
            self.left -= 1
            return self.answer()
        return None
