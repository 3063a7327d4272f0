"""The admin port: liveness, readiness, metrics.

A stuck event loop answers nothing, which is an answer too; what is stuck beside it `stuck` says.
"""

from collections.abc import Callable, Iterable

import prometheus_client as prometheus
from aiohttp import web


async def serve(
    host: str, port: int, *, ready: Callable[[], bool], stuck: Callable[[], Iterable[str]]
) -> web.AppRunner:
    """Start serving; the runner's `cleanup` ends it. `stuck` gives sentences on what hangs."""

    async def healthz(_request: web.Request) -> web.Response:
        sentences = list(stuck())
        if sentences:
            return web.Response(text="\n".join(sentences) + "\n", status=503)
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n") if ready() else web.Response(text="not yet\n", status=503)

    async def metrics(_request: web.Request) -> web.Response:
        body = prometheus.generate_latest()
        return web.Response(body=body, headers={"Content-Type": prometheus.CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", metrics)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
