"""One signed request to an SLS endpoint, its answer bounded, its failure an `SlsError`.

`operations` builds on it. Signatures come from `signature`, headers' names from `headers`.
"""

import asyncio
import dataclasses
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import aiohttp
import yarl

from slswire import compress, errors, headers, signature

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""Largest answer read: a pull of 1000 groups stays far below (10 MiB by the API's limits)."""

TIMEOUT_SECONDS: Final = 30.0
"""For one request, connecting included."""

ProjectIn = Literal["Header", "Host"]
Version = Literal["V1", "V4"]


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to send.

    Attributes:
        url: `http(s)://host[:port]`, without a path.
        project_in: where the project's name stands: a header, or the host's first label.
        version: of the signature.
        region: what a v4 signature names.
    """

    url: str
    project_in: ProjectIn = "Header"
    version: Version = "V4"
    region: str = "loghub"

    def origin(self, project: str) -> str:
        """Scheme and authority that requests for `project` go to (`""`: the bare endpoint)."""
        parts = urlsplit(self.url)
        prefix = f"{project}." if project and self.project_in == "Host" else ""
        return f"{parts.scheme}://{prefix}{parts.netloc}"


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """One request to make; the query is given decoded."""

    method: str
    path: str
    project: str = ""
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: lower-case headers, the body decompressed by SLS's rules."""

    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            SlsError: InternalServerError when it is none: something else answers there.
        """
        try:
            return json.loads(self.body)
        except ValueError as fault:
            raise errors.SlsError(
                "InternalServerError",
                "The answer is no JSON: is this endpoint an SLS service?",
                status=502,
                request_id=self.headers.get(headers.REQUEST_ID, ""),
            ) from fault


def open_session(
    connector: aiohttp.BaseConnector | None = None, proxy: str | None = None
) -> aiohttp.ClientSession:
    """A session as `send` needs it, over the connections of `connector`; call it in a loop."""
    # No cookies, no decompression by HTTP's rules: x-log-compresstype says what the body is.
    return aiohttp.ClientSession(
        connector=connector,
        proxy=proxy,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def send(
    session: aiohttp.ClientSession, endpoint: Endpoint, key: signature.Credentials, call: Call
) -> Answer:
    """Sign `call`, send it and read the whole answer.

    Raises:
        SlsError: the service refused, with its code and request id.
        aiohttp.ClientError, TimeoutError: the network failed.
    """
    origin = endpoint.origin(call.project)
    url = yarl.URL(origin + call.path).with_query(list(call.query))
    sent = _signed(endpoint, key, call, urlsplit(origin).netloc)
    async with (
        asyncio.timeout(TIMEOUT_SECONDS),
        session.request(
            call.method,
            url,
            headers=sent,
            data=call.body or None,
            allow_redirects=False,
            # A POST without a body would get one that was not signed.
            skip_auto_headers=("Content-Type",),
        ) as got,
    ):
        body = await _read(got)
        received = {name.lower(): value for name, value in got.headers.items()}
        if got.status >= 300:  # redirects too: an SLS endpoint sends none
            raise _error(got.status, received, body)
    return Answer(received, _expanded(received, body))


def _signed(
    endpoint: Endpoint, key: signature.Credentials, call: Call, host: str
) -> dict[str, str]:
    stated = {"host": host, headers.BODY_RAW_SIZE: str(len(call.body)), **call.headers}
    if call.project and endpoint.project_in == "Header":
        stated[headers.PROJECT] = call.project
    request = signature.Request(call.method, call.path, call.query, stated, call.body)
    now = dt.datetime.now(dt.UTC)
    if endpoint.version == "V1":
        return signature.sign_v1(key, request, now)
    return signature.sign_v4(key, request, now, region=endpoint.region)


async def _read(got: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in got.content.iter_chunked(256 * 1024):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            message = f"The answer is larger than {MAX_ANSWER_BYTES} bytes."
            raise errors.SlsError("PostBodyTooLarge", message, status=502)
    return bytes(body)


def _expanded(received: Mapping[str, str], body: bytes) -> bytes:
    kind = received.get(headers.COMPRESS_TYPE, "")
    if not kind or not body:
        return body
    raw_size = int(received.get(headers.BODY_RAW_SIZE, "0"))
    return compress.decompress(kind, body, raw_size=raw_size, limit=MAX_ANSWER_BYTES)


def _error(status: int, received: Mapping[str, str], body: bytes) -> errors.SlsError:
    request_id = received.get(headers.REQUEST_ID, "")
    try:
        document = json.loads(body)
        code, message = str(document["errorCode"]), str(document["errorMessage"])
    except (ValueError, KeyError, TypeError):
        code = "ServerBusy" if status in {429, 502, 503, 504} else "BadRequest"
        message = f"HTTP {status}, and the body is no SLS error: {body[:200]!r}"
    return errors.SlsError(code, message, status=status, request_id=request_id)
