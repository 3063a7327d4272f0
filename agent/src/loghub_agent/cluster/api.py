"""HTTP to the API server: bounded reads, finite waits, failures as our own errors.

`reflector` streams from it and `reporter` patches through it. Nothing else of the agent knows that
there is HTTP beneath.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Self

import aiohttp

from loghub_agent import errors
from loghub_agent.cluster import access

CONNECT_SECONDS: Final = 10.0
"""Wait for TCP and TLS. A server that does not answer by then is away."""
PATCH_SECONDS: Final = 15.0
"""Wait for the answer to a write; the server's own limit for one is 34 s, few take one second."""
_MAX_ANSWER_BYTES: Final = 1024 * 1024
"""Bound on the answer to a write or an error: a Status is some 300 B, a report below 200 KB."""
_MAX_MESSAGE: Final = 300
"""Characters of the server's message kept in a sentence."""
_MAX_RETRY_AFTER: Final = 120.0
"""Longest wait taken from a Retry-After header, so that a wrong one cannot stop the agent."""
_CONNECTIONS: Final = 6
"""Three watches, a relist and a write; a bound, not a target."""
GONE: Final = 410


class Api:
    """One session with the API server. Use as an async context manager."""

    def __init__(self, reach: access.Access, *, user_agent: str) -> None:
        self._access = reach
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
            headers={"User-Agent": user_agent, "Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # a proxy for the outside must never see the cluster's token
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str], *, total: float, silence: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """GET `path` and give its body as chunks.

        `total` bounds the whole exchange and `silence` the wait for the next byte, in seconds.

        Raises:
            ExpiredError: the server answered 410.
            ApiError: another failure, also one in the middle of the body.
        """
        timeout = aiohttp.ClientTimeout(
            total=total, sock_connect=CONNECT_SECONDS, sock_read=silence
        )
        async with (
            _translated(f"GET {path}"),
            self._session.get(
                self._access.server + path,
                params=query,
                headers=self._access.headers(),
                ssl=self._access.tls(),
                timeout=timeout,
                allow_redirects=False,
            ) as response,
        ):
            await _check(response, f"GET {path}")
            yield response.content.iter_any()

    async def apply(self, path: str, document: Mapping[str, Any], *, field_manager: str) -> None:
        """Server-side apply `document` at `path`, taking over fields that others hold.

        Raises:
            ApiError: the server refused, or did not answer.
        """
        timeout = aiohttp.ClientTimeout(total=PATCH_SECONDS, sock_connect=CONNECT_SECONDS)
        async with (
            _translated(f"PATCH {path}"),
            self._session.patch(
                self._access.server + path,
                params={"fieldManager": field_manager, "force": "true"},
                data=json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(),
                headers=self._access.headers() | {"Content-Type": "application/apply-patch+yaml"},
                ssl=self._access.tls(),
                timeout=timeout,
                allow_redirects=False,
            ) as response,
        ):
            await _check(response, f"PATCH {path}")
            await _bounded(response)


@contextlib.asynccontextmanager
async def _translated(what: str) -> AsyncIterator[None]:
    """Turn whatever the network does into ApiError."""
    try:
        yield
    except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as fault:
        reason = str(fault) or type(fault).__name__
        raise errors.ApiError(f"{what}: {reason[:_MAX_MESSAGE]}") from fault


async def _check(response: aiohttp.ClientResponse, what: str) -> None:
    if response.status >= 300:  # redirects are not followed: they would carry the token elsewhere
        raise from_status(
            what,
            response.status,
            await _bounded(response),
            retry_after=_retry_after(response.headers.get("Retry-After", "")),
        )


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MAX_ANSWER_BYTES:
            break
    return bytes(body)


def _retry_after(text: str) -> float:
    return min(float(text), _MAX_RETRY_AFTER) if text.isdecimal() else 0.0


def from_status(
    what: str, status: int, body: bytes, *, retry_after: float = 0.0
) -> errors.ApiError:
    """Return the error that an answer stands for; `body` is a Status object if all is well."""
    try:
        message = str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        message = body[:_MAX_MESSAGE].decode("utf-8", "replace").strip() or "no message"
    kind = errors.ExpiredError if status == GONE else errors.ApiError
    sentence = f"{what}: {status} {message[:_MAX_MESSAGE]}"
    return kind(sentence, status=status, retry_after=retry_after)
