"""The admin port: liveness, readiness, metrics, status. Only the cluster's inside sees it."""

from collections.abc import Callable
from typing import Any

import prometheus_client as prometheus
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route


def make(problem: Callable[[], str], status: Callable[[], dict[str, Any]]) -> Starlette:
    """The application.

    Args:
        problem: tells why no requests should come, empty when they should.
        status: the document of `/status`.
    """

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        found = problem()
        return PlainTextResponse(f"{found}\n", 503) if found else PlainTextResponse("ok\n")

    async def metrics(_request: Request) -> Response:
        return Response(prometheus.generate_latest(), media_type=prometheus.CONTENT_TYPE_LATEST)

    async def state(_request: Request) -> Response:
        return JSONResponse(status() | {"problem": problem()})

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            Route("/status", state),
        ]
    )
