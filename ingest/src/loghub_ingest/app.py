"""The ASGI application: a request id on every answer, every failure an SLS error document.

`requests.accept` checks the envelope, `api.routes` says who answers. The one place where errors
become HTTP bodies.
"""

import dataclasses
import functools
import itertools
import logging
import secrets
import time
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from loghub_ingest import access, requests, routing, service, telemetry
from loghub_ingest.api import answers, crossorigin, routes
from loghub_ingest.storage import contract
from slswire import errors, headers

_log = logging.getLogger(__name__)

MAX_CONCURRENT: Final = 512
"""Requests in progress; each may hold one body. Beyond, clients are told to come back."""

CONSOLE: Final = "/console"
"""No call of the API begins so, on any host."""

_RUN: Final = secrets.token_hex(6).upper()
_request = itertools.count()


class _Door:
    """The service, and how many requests are in progress."""

    def __init__(self, of: service.Service) -> None:
        self.service = of
        self.inside = 0


class _Meter:
    """The metrics of one call, looked up once: a look-up by labels costs more than counting."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._fine = telemetry.REQUESTS.labels(name, "OK")
        self._seconds = telemetry.SECONDS.labels(name)

    def count(self, code: str, seconds: float) -> None:
        """Count an answer."""
        (self._fine if code == "OK" else telemetry.REQUESTS.labels(self.name, code)).inc()
        self._seconds.observe(seconds)


@dataclasses.dataclass(frozen=True, slots=True)
class _Call:
    """One row of the tables of `api.routes`."""

    handler: routes.Handler
    accept: requests.Accept
    meter: _Meter


def make(of: service.Service, console: routing.Endpoint | None = None) -> routing.Router:
    """The API of a service; `console` answers below its own prefix what is no call of the API."""
    door = _Door(of)
    router = routing.Router(functools.partial(_unknown, console), _preflight)
    for accept, table in ((requests.accept, routes.ROUTES), (requests.accept_open, routes.OPEN)):
        for path, handlers in table:
            for method, handler in handlers.items():
                name = f"{handler.__module__.rpartition('.')[2]}.{handler.__name__}"
                call = _Call(handler, accept, _Meter(name))
                router.add(method, path, functools.partial(_answer, door, call))
    return router


async def _answer(door: _Door, which: _Call, request: Request) -> Response:
    started = time.monotonic()
    door.inside += 1
    ident = _new_ident()
    try:
        if door.inside > MAX_CONCURRENT:
            raise errors.make("ServerBusy")  # noqa: TRY301 - answered below like any other
        call = await which.accept(request, door.service)
        telemetry.RECEIVED.inc(len(call.body))
        answer, code = await which.handler(call), "OK"
    except errors.SlsError as fault:
        answer, code = _refusal(fault), fault.code
    except contract.UnavailableError as fault:
        _log.warning("a request is put off: %s", fault, extra={"call": which.meter.name})
        answer, code = _refusal(errors.make("ServerBusy")), "ServerBusy"
    except ClientDisconnect:
        answer, code = Response(status_code=400), "Disconnected"
    except Exception:  # noqa: BLE001 - the outermost layer: a client gets an SLS error, always
        _log.exception("a request failed", extra={"request_id": ident, "call": which.meter.name})
        answer, code = _refusal(errors.make("InternalServerError")), "InternalServerError"
    finally:
        door.inside -= 1
    _mark(answer, ident)
    took = time.monotonic() - started
    which.meter.count(code, took)
    access.log(door.service.access, request, answer, code=code, seconds=took)
    return answer


async def _preflight(_request: Request) -> Response:
    answer = Response(headers=crossorigin.PREFLIGHT)
    _mark(answer, _new_ident())
    return answer


def _new_ident() -> str:
    # Unique, not secret: a random part per process and a number, since the kernel's random bytes
    # cost a tenth of a small write.
    return f"{_RUN}{next(_request):012X}"


def _mark(answer: Response, ident: str) -> None:
    answer.headers[headers.REQUEST_ID] = ident
    answer.headers.update(crossorigin.HEADERS)


async def _unknown(console: routing.Endpoint | None, request: Request) -> Response:
    path = request.scope["path"]
    if console is not None and (path == CONSOLE or path.startswith(CONSOLE + "/")):
        return await console(request)
    detail = f"{request.method} {request.url.path[:200]} is no call of this service."
    answer = _refusal(errors.make("NotSupported", detail=detail))
    _mark(answer, _new_ident())
    telemetry.REQUESTS.labels("unknown", "NotSupported").inc()
    return answer


def _refusal(fault: errors.SlsError) -> Response:
    answer = answers.document({"errorCode": fault.code, "errorMessage": fault.message})
    answer.status_code = fault.status
    return answer
