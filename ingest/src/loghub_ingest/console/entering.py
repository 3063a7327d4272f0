"""A request with a session's cookie becomes a `requests.Call`, as a signed one does.

What follows are the API's own handlers: the key's rights are those of its signature. `application`
calls `accept` for everything under /console/api/.
"""

import asyncio
import hmac
from typing import Final

from starlette.requests import Request

from loghub_ingest import requests
from loghub_ingest.console import protection, sessions
from loghub_ingest.service import Service
from loghub_ingest.storage import contract
from slswire import errors

CSRF_HEADER: Final = "x-loghub-csrf"
MAX_BODY_BYTES: Final = 512 * 1024
"""The largest is an index document, of 256 KiB at most."""

BODY_SECONDS: Final = 20.0
_READING: Final = frozenset({"GET", "HEAD"})


async def accept(
    request: Request, service: Service, of: sessions.Sessions
) -> tuple[requests.Call, sessions.Session]:
    """Read, bound and authenticate a request.

    Raises:
        SlsError: SessionExpired, CrossSite, PostBodyTooLarge, RequestTimeout, ParameterInvalid.
    """
    await service.storage.catch_up()
    session, key = whose(request, service, of)
    if request.method not in _READING:
        _check_ours(request, session)
    query = request.query_params.multi_items()
    if len(query) > requests.MAX_QUERY_ITEMS:
        raise errors.make("ParameterInvalid", detail="The query has too many parameters.")
    path = dict(request.path_params)
    call = requests.Call(
        service=service,
        peer=request.client.host if request.client else "",
        project=path.pop("project", ""),
        key=key,
        path=path,
        query=dict(query),
        headers={},
        body=await body(request),
    )
    return call, session


def whose(
    request: Request, service: Service, of: sessions.Sessions
) -> tuple[sessions.Session, contract.AccessKey]:
    """The session of a request's cookie, and its key as it is now.

    Raises:
        SlsError: SessionExpired.
    """
    session = of.find(request.cookies.get(protection.COOKIE, ""))
    key = None if session is None else service.storage.key(session.key)
    if session is None or key is None or not of.still(session, key):
        raise errors.SlsError("SessionExpired", "You are not logged in any more.", status=401)
    request.state.renewed = of.renewed(session)
    return session, key


async def body(request: Request) -> bytes:
    """The whole body.

    Raises:
        SlsError: PostBodyTooLarge or RequestTimeout.
    """
    parts = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                parts += chunk
                if len(parts) > MAX_BODY_BYTES:
                    raise errors.make("PostBodyTooLarge", size=len(parts), limit=MAX_BODY_BYTES)
    except TimeoutError as fault:
        raise errors.make("RequestTimeout") from fault
    return bytes(parts)


def _check_ours(request: Request, session: sessions.Session) -> None:
    sent = request.headers.get(CSRF_HEADER, "")
    if not (
        protection.is_own(request) and hmac.compare_digest(sent.encode(), session.csrf.encode())
    ):
        raise errors.SlsError(
            "CrossSite",
            "The request does not come from a page of this console. Load the page again.",
            status=403,
        )
