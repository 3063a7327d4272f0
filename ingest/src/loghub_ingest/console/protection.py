"""What every answer of the console tells the browser to forbid, and which requests it believes.

Records are written by anybody. Scripts put them on pages as text only; these headers hold where
one did not: nothing inline runs, nothing is loaded from elsewhere, no text becomes markup.
"""

import urllib.parse
from typing import Final

from starlette.requests import Request

_POLICY: Final = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    # Assigning text to innerHTML and its like throws, in browsers that know it.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)

HEADERS: Final = {
    "content-security-policy": "; ".join(_POLICY),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: forms would state the origin null.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}

COOKIE: Final = "loghub_console"
PATH: Final = "/console/"
"""Of the cookie too: the API never sees it."""


def is_encrypted(request: Request) -> bool:
    """Whether the browser's connection is; a proxy's word can only make a cookie stricter."""
    forwarded = request.headers.get("x-forwarded-proto", "")
    return request.scope["scheme"] == "https" or forwarded.lower() == "https"


def is_own(request: Request) -> bool:
    """Whether a request that changes something comes from a page of this host, as far as it says.

    Browsers state it on every such request; programs without cookies need not.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    try:
        stated = urllib.parse.urlsplit(origin).netloc
    except ValueError:
        return False
    return stated.lower() == request.headers.get("host", "").lower()


def cookie(token: str, *, encrypted: bool) -> str:
    """The header that sets it; an empty token removes it."""
    parts = [f"{COOKIE}={token}", f"Path={PATH}", "HttpOnly", "SameSite=Strict"]
    parts += ["Secure"] if encrypted else []
    parts += [] if token else ["Max-Age=0"]
    return "; ".join(parts)
