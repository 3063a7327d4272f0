"""The ASGI application: a request id on every answer, every failure an SLS error document.

`requests.accept` checks the envelope, `api.routes` says who answers. The one place where errors
become HTTP bodies.
"""

import functools
import logging
import secrets
import time
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from loghub_ingest import requests, service, telemetry
from loghub_ingest.api import answers, routes
from slswire import errors, headers

_log = logging.getLogger(__name__)

MAX_CONCURRENT: Final = 512
"""Requests in progress; each may hold one body. Beyond, clients are told to come back."""


class _Door:
    """The service, and how many requests are in progress."""

    def __init__(self, of: service.Service) -> None:
        self.service = of
        self.inside = 0


def make(of: service.Service) -> Starlette:
    """The API of a service."""
    door = _Door(of)
    found = []
    for path, handlers in routes.ROUTES:
        for method, handler in handlers.items():
            endpoint = functools.partial(_answer, handler, door)
            found.append(Route(path, endpoint, methods=[method]))
    return Starlette(routes=found, exception_handlers={HTTPException: _unknown})


async def _answer(handler: routes.Handler, door: _Door, request: Request) -> Response:
    started = time.monotonic()
    ident = secrets.token_hex(12).upper()
    name = handler.__name__
    door.inside += 1
    try:
        if door.inside > MAX_CONCURRENT:
            raise errors.make("ServerBusy")  # noqa: TRY301 - answered below like any other
        call = await requests.accept(request, door.service)
        telemetry.RECEIVED.inc(len(call.body))
        answer, code = await handler(call), "OK"
    except errors.SlsError as fault:
        answer, code = _refusal(fault), fault.code
    except ClientDisconnect:
        answer, code = Response(status_code=400), "Disconnected"
    except Exception:  # noqa: BLE001 - the outermost layer: a client gets an SLS error, always
        _log.exception("a request failed", extra={"request_id": ident, "call": name})
        answer, code = _refusal(errors.make("InternalServerError")), "InternalServerError"
    finally:
        door.inside -= 1
    answer.headers[headers.REQUEST_ID] = ident
    telemetry.REQUESTS.labels(name, code).inc()
    telemetry.SECONDS.labels(name).observe(time.monotonic() - started)
    return answer


def _unknown(request: Request, fault: Exception) -> Response:
    detail = f"{request.method} {request.url.path[:200]} is no call of this service."
    answer = _refusal(errors.make("NotSupported", detail=detail))
    answer.headers[headers.REQUEST_ID] = secrets.token_hex(12).upper()
    telemetry.REQUESTS.labels("unknown", type(fault).__name__).inc()
    return answer


def _refusal(fault: errors.SlsError) -> Response:
    answer = answers.document({"errorCode": fault.code, "errorMessage": fault.message})
    answer.status_code = fault.status
    return answer
