"""Logging in with an access key, logging out, and who is logged in."""

import asyncio
import hmac
import logging
import time
import urllib.parse
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from loghub_ingest.api import answers
from loghub_ingest.console import attempts, entering, pages, protection, sessions
from loghub_ingest.service import Service
from loghub_ingest.storage import contract

_log = logging.getLogger(__name__)

_MAX_CHARS: Final = 256
"""Of a key id or a secret; the longest that the service makes has 40."""

_MAX_ADDRESS_CHARS: Final = 8192
_REFUSED: Final = "This access key id and secret do not go together. Check both, and try again."
_ELSEWHERE: Final = "The log-in came from a page of another site. Log in here."
_UNDECIDABLE: Final = contract.AccessKey("", "", "", frozenset(), 0)


class Desk:
    """Checks keys, and opens and closes sessions."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.sessions = sessions.Sessions(service.storage)
        self._attempts = attempts.Attempts()

    async def form(self, request: Request) -> Response:
        """`GET /console/login?next=`."""
        return _form(request, target(request.query_params.get("next", "")), "")

    async def login(self, request: Request) -> Response:
        """`POST /console/login`: a session's cookie and the page that was wanted, or why not."""
        given = urllib.parse.parse_qs((await entering.body(request)).decode("utf-8", "replace"))
        ident, secret, wanted = (_one(given, name) for name in ("id", "secret", "next"))
        wanted = target(wanted)
        if not protection.is_own(request):
            return _form(request, wanted, _ELSEWHERE, status=403)
        peer, now = request.client.host if request.client else "", time.monotonic()
        if seconds := self._attempts.wait(peer, ident, now):
            sentence = f"Too many failed log-ins. Try again in {seconds} s."
            answer = _form(request, wanted, sentence, status=429, ident=ident)
            answer.headers["retry-after"] = str(seconds)
            return answer
        key = self._checked(ident, secret)
        if key is None:
            self._attempts.failed(peer, ident, now)
            _log.warning("console log-in refused", extra={"client": peer, "key": ident[:128]})
            return _form(request, wanted, _REFUSED, status=401, ident=ident)
        token, _ = self.sessions.open(key)
        _log.info("console log-in", extra={"client": peer, "key": key.ident})
        encrypted = protection.is_encrypted(request)
        sent = {
            "location": wanted,
            "set-cookie": protection.cookie(token, encrypted=encrypted),
            "cache-control": "no-store",
        }
        return Response(status_code=303, headers=sent)

    async def logout(self, request: Request) -> Response:
        """`POST /console/api/logout`."""
        _, session = await entering.accept(request, self.service, self.sessions)
        await asyncio.to_thread(self.sessions.close, session)
        encrypted = protection.is_encrypted(request)
        return Response(headers={"set-cookie": protection.cookie("", encrypted=encrypted)})

    async def session(self, request: Request) -> Response:
        """`GET /console/api/session`: whose it is, what the key may do, and the token for POST."""
        session, key = entering.whose(request, self.service, self.sessions)
        root = not key.project
        return answers.document(
            {
                "key": key.ident,
                "project": key.project,
                "rights": sorted(key.rights),
                "mayRead": root or "read" in key.rights,
                "mayChange": root or "admin" in key.rights,
                "csrf": session.csrf,
            }
        )

    def _checked(self, ident: str, secret: str) -> contract.AccessKey | None:
        # The same comparison whether there is such a key or not: the time tells nobody which.
        key = self.service.storage.key(ident) if ident else None
        known = key or _UNDECIDABLE
        same = hmac.compare_digest(known.secret.encode(), secret.encode())
        return key if same and key is not None and key.secret else None


def target(wanted: str) -> str:
    """Where to go after a log-in: a page of the console, whatever was asked for."""
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    if not plain or len(wanted) > _MAX_ADDRESS_CHARS or not wanted.startswith(protection.PATH):
        return protection.PATH
    path = wanted.partition("?")[0]
    return protection.PATH if ".." in path or "//" in path else wanted


def _form(
    request: Request, wanted: str, problem: str, *, status: int = 200, ident: str = ""
) -> Response:
    ident = ident[:_MAX_CHARS]
    return pages.page(request, "login.html", status, wanted=wanted, problem=problem, ident=ident)


def _one(given: dict[str, list[str]], name: str) -> str:
    value = given.get(name, [""])[0]
    return value.strip() if name == "id" else value
