"""Which endpoint a request is for: the tables of `api.routes` as an ASGI application.

In place of a framework's router, which tries the routes one by one inside three layers of error
handling: at a small write a tenth of its CPU, and `app` answers every error itself.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]


class Router:
    """Answers each request by the endpoint of its method and path, or by `unknown`."""

    def __init__(self, unknown: Endpoint, preflight: Endpoint) -> None:
        self._unknown, self._preflight = unknown, preflight
        self._routes: Final[dict[tuple[str, int], list[tuple[re.Pattern[str], Endpoint]]]] = {}

    def add(self, method: str, path: str, endpoint: Endpoint) -> None:
        """Let `endpoint` answer; `path` is a pattern such as `/logstores/{logstore}`."""
        pattern = compile_path(path)[0]
        for each in (method, "HEAD") if method == "GET" else (method,):
            self._routes.setdefault((each, path.count("/")), []).append((pattern, endpoint))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI, for HTTP requests; the servers here speak nothing else."""
        endpoint = self.find(scope)
        answer = await endpoint(Request(scope, receive))
        await answer(scope, receive, send)

    def find(self, scope: Scope) -> Endpoint:
        """The endpoint that answers; the path's parameters are in `scope` then."""
        method, path = scope["method"], scope["path"]
        if method == "OPTIONS":
            return self._preflight
        for pattern, endpoint in self._routes.get((method, path.count("/")), ()):
            if found := pattern.match(path):
                scope["path_params"] = found.groupdict()
                return endpoint
        return self._unknown
