"""The admin port: liveness, readiness, metrics. Only the cluster's inside sees it."""

from collections.abc import Callable

import prometheus_client as prometheus
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


def make(problem: Callable[[], str]) -> Starlette:
    """The application; `problem` tells why no requests should come, empty when they should."""

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        found = problem()
        return PlainTextResponse(f"{found}\n", 503) if found else PlainTextResponse("ok\n")

    async def metrics(_request: Request) -> Response:
        return Response(prometheus.generate_latest(), media_type=prometheus.CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
        ]
    )
