"""The access log: one structured line per request, all of them or the refused ones only.

`app` calls it last; the lines go where all logs go, by the logger of this module.
"""

import enum
import logging

from starlette.requests import Request
from starlette.responses import Response

from slswire import headers

_log = logging.getLogger(__name__)

_MAX_CHARS = 300
"""Of what a client chose: its path, its user agent."""


class Access(enum.StrEnum):
    """Which requests are logged."""

    OFF = "off"
    ERRORS = "errors"
    ALL = "all"


def log(access: Access, request: Request, answer: Response, *, code: str, seconds: float) -> None:
    """Log a request where it is one of those to be logged."""
    if access is Access.OFF or (access is Access.ERRORS and answer.status_code < 400):
        return
    sent = request.headers
    _log.info(
        "request",
        extra={
            "request_id": answer.headers.get(headers.REQUEST_ID, ""),
            "client": request.client.host if request.client else "",
            "method": request.method,
            "host": sent.get("host", "")[:_MAX_CHARS],
            "project": sent.get(headers.PROJECT, "")[:_MAX_CHARS],
            "path": request.url.path[:_MAX_CHARS],
            "type": _kind(request),
            "status": answer.status_code,
            "code": code,
            "bytes_in": sent.get("content-length", "")[:20],
            "bytes_out": len(answer.body),
            "milliseconds": round(seconds * 1000, 2),
            "user_agent": sent.get("user-agent", "")[:_MAX_CHARS],
        },
    )


def _kind(request: Request) -> str:
    # Which of the calls that share a path. The rest of a query may be somebody's log.
    asked = request.query_params
    return (asked.get("type") or asked.get("action") or "")[:_MAX_CHARS]
