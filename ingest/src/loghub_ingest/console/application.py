"""The console as one endpoint, for paths that are no call of the API. `app` asks it last.

The one place where its errors become answers: JSON for scripts, a page for people. None of them
carries the API's CORS headers, so that no other site reads what a cookie opens.
"""

import functools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from loghub_ingest import access, app, routing, telemetry
from loghub_ingest.api import answers, logstores, projects, routes, shards
from loghub_ingest.console import entering, exporting, pages, protection, showing, signing
from loghub_ingest.service import Service
from slswire import errors, headers

_log = logging.getLogger(__name__)

PREFIX: Final = app.CONSOLE
API: Final = PREFIX + "/api"
MAX_CONCURRENT: Final = 64
"""Requests in progress: pages of people. Beyond, their scripts come back by themselves."""

_STORE: Final = API + "/projects/{project}/logstores/{logstore}"

CALLS: Final[tuple[tuple[str, dict[str, routes.Handler]], ...]] = (
    (API + "/projects", {"GET": projects.get}),
    (API + "/projects/{project}/logstores", {"GET": logstores.list_names}),
    (_STORE, {"GET": logstores.get, "PUT": logstores.update}),
    (
        _STORE + "/index",
        {
            "GET": logstores.get_index,
            "POST": logstores.create_index,
            "PUT": logstores.update_index,
            "DELETE": logstores.delete_index,
        },
    ),
    (_STORE + "/shards", {"GET": shards.list_all}),
    (_STORE + "/shards/{shard}", {"POST": shards.change, "DELETE": shards.delete}),
    (_STORE + "/search", {"POST": routes.reads(showing.search)}),
    (_STORE + "/histogram", {"GET": routes.reads(showing.histogram)}),
    (_STORE + "/context", {"GET": routes.reads(showing.around)}),
    (_STORE + "/fields", {"POST": routes.reads(showing.fields)}),
    (_STORE + "/tail", {"POST": routes.reads(showing.tail)}),
    (_STORE + "/download", {"POST": routes.reads(exporting.download)}),
)
"""What a session may call: the API's own handlers, and those of the pages."""

_Endpoint = Callable[[Request], Awaitable[Response]]


def make(of: Service) -> routing.Endpoint:
    """The console of a service."""
    desk = signing.Desk(of)
    router = routing.Router(_unknown, _unknown)
    for method, path, endpoint in (
        ("GET", PREFIX, _home),
        ("GET", PREFIX + "/", pages.stores),
        ("GET", PREFIX + "/login", desk.form),
        ("POST", PREFIX + "/login", desk.login),
        ("GET", PREFIX + "/assets/{name}", pages.asset),
        ("GET", PREFIX + "/search/{project}/{logstore}", pages.search),
        ("GET", PREFIX + "/settings/{project}/{logstore}", pages.settings),
        ("GET", API + "/session", desk.session),
        ("POST", API + "/logout", desk.logout),
    ):
        router.add(method, path, endpoint)
    for path, handlers in CALLS:
        for method, handler in handlers.items():
            router.add(method, path, functools.partial(_call, desk, handler))
    return _Console(of, router).answer


class _Console:
    """The pages of one service, and how many requests are in progress."""

    def __init__(self, of: Service, router: routing.Router) -> None:
        self._service, self._router = of, router
        self._inside = 0

    async def answer(self, request: Request) -> Response:
        """Answer one request, whatever it is."""
        started, ident = time.monotonic(), secrets.token_hex(12).upper()
        self._inside += 1
        try:
            if self._inside > MAX_CONCURRENT:
                raise errors.make("ServerBusy")  # noqa: TRY301 - answered below like any other
            answer, code = await self._router.find(request.scope)(request), "OK"
        except errors.SlsError as fault:
            answer, code = _refusal(request, fault), fault.code
        except ClientDisconnect:
            answer, code = Response(status_code=400), "Disconnected"
        except Exception:  # noqa: BLE001 - the outermost layer: a page gets an answer, always
            _log.exception("a console request failed", extra={"request_id": ident})
            code = "InternalServerError"
            answer = _refusal(request, errors.make(code))
        finally:
            self._inside -= 1
        answer.headers[headers.REQUEST_ID] = ident
        answer.headers.update(protection.HEADERS)
        answer.headers.setdefault("cache-control", "no-store")
        if token := getattr(request.state, "renewed", ""):
            encrypted = protection.is_encrypted(request)
            # A log-out's own cookie stands.
            answer.headers.setdefault("set-cookie", protection.cookie(token, encrypted=encrypted))
        took = time.monotonic() - started
        telemetry.REQUESTS.labels("console", code).inc()
        telemetry.SECONDS.labels("console").observe(took)
        access.log(self._service.access, request, answer, code=code, seconds=took)
        return answer


async def _call(desk: signing.Desk, handler: routes.Handler, request: Request) -> Response:
    call, _ = await entering.accept(request, desk.service, desk.sessions)
    return await handler(call)


async def _home(_request: Request) -> Response:
    return Response(status_code=308, headers={"location": protection.PATH})


async def _unknown(request: Request) -> Response:
    if request.url.path.startswith(API):
        detail = f"{request.method} {request.url.path[:200]} is no call of the console."
        raise errors.make("NotSupported", detail=detail)
    return pages.missing(request)


def _refusal(request: Request, fault: errors.SlsError) -> Response:
    if not request.url.path.startswith(API):
        sentence = f"{fault.message} ({fault.code})"
        return pages.page(
            request, "problem.html", fault.status, title="That did not work", sentence=sentence
        )
    answer = answers.document({"errorCode": fault.code, "errorMessage": fault.message})
    answer.status_code = fault.status
    return answer
