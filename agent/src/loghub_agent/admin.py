"""The agent's own HTTP port: alive, ready, what it counted, and why it collects what.

`/healthz` fails only for what a restart mends: a call into the core or a watch that makes no
progress at all. That the API server or a destination is away is no such thing. A loop that is stuck
does not answer, which the kubelet takes as a failure too. `/readyz`: the first plan is applied.
"""

import contextlib
import ipaddress
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web

from loghub_agent import errors, metrics

_log = logging.getLogger(__name__)

CORE_STUCK_SECONDS: Final = 120.0
"""A call into the core that takes longer will not return. The slowest good one, a plan of thousands
of pipelines on a slow disk, takes seconds."""
WATCH_STUCK_SECONDS: Final = 600.0
"""A watch loop without any progress for this long is stuck: its longest wait of its own is two
minutes (Retry-After), the silence limit 100 s."""
_MAX_REQUEST_BYTES: Final = 16 * 1024
"""Nothing is ever sent here with a body."""


class Health:
    """What the pages say."""

    def __init__(
        self,
        *,
        stuck: Callable[[], Iterable[str]],
        ready: Callable[[], bool],
        refresh: Callable[[], Awaitable[None]],
        exposition: metrics.Exposition,
        explain: Callable[[str], str],
    ) -> None:
        """`stuck` yields sentences about what makes no progress; `refresh` takes new counters.

        `explain` answers a question about a container or a path.
        """
        self._stuck = stuck
        self._ready = ready
        self._refresh = refresh
        self._exposition = exposition
        self._explain = explain

    async def live(self, _: web.Request) -> web.Response:
        """Answer /healthz."""
        sentences = list(self._stuck())
        return web.Response(text="\n".join(sentences) or "ok", status=503 if sentences else 200)

    async def ready(self, _: web.Request) -> web.Response:
        """Answer /readyz."""
        if self._ready():
            return web.Response(text="ok")
        return web.Response(text="no plan applied yet", status=503)

    async def metrics(self, _: web.Request) -> web.Response:
        """Answer /metrics, with old counters where the core gives no new ones."""
        with contextlib.suppress(errors.CoreError):
            await self._refresh()
        return web.Response(
            body=self._exposition.render(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def explain(self, request: web.Request) -> web.Response:
        """Answer /explain?of=CONTAINER, to this machine only: the answer names pods."""
        try:
            local = ipaddress.ip_address(request.remote or "").is_loopback
        except ValueError:
            local = False
        if not local:
            return web.Response(text="only this machine may ask; use kubectl exec\n", status=403)
        asked = request.query.get("of", "")
        if not asked:
            return web.Response(text="ask for /explain?of=NAMESPACE/POD/CONTAINER\n", status=400)
        with contextlib.suppress(errors.CoreError):
            await self._refresh()
        return web.Response(text=self._explain(asked))


@contextlib.asynccontextmanager
async def serving(listen: str, health: Health) -> AsyncIterator[None]:
    """Serve the pages on `listen` (HOST:PORT, an empty host for all addresses) meanwhile.

    An empty `listen` serves nothing.

    Raises:
        UsageError: the address cannot be listened on.
    """
    if not listen:
        yield
        return
    host, _, port = listen.rpartition(":")
    application = web.Application(client_max_size=_MAX_REQUEST_BYTES)
    application.router.add_get("/healthz", health.live)
    application.router.add_get("/readyz", health.ready)
    application.router.add_get("/metrics", health.metrics)
    application.router.add_get("/explain", health.explain)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host.strip("[]") or None, int(port)).start()
        except OSError as fault:
            raise errors.UsageError(
                f"--admin-listen {listen} cannot be listened on: {fault.strerror}"
            ) from fault
        _log.info("admin pages served", extra={"listen": listen})
        yield
    finally:
        await runner.cleanup()
