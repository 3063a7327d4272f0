"""Request signatures v1 (`LOG`) and v4 (`SLS4-HMAC-SHA256`), for the client and for the server.

The client calls `sign_v1` or `sign_v4` and sends the headers it gets; the server calls
`parse_authorization`, looks the key up, and calls `verify`. Queries are given decoded.
Rules and vectors: the service's "Request signature" pages and recorded SDK requests.
"""

import base64
import dataclasses
import datetime as dt
import email.utils
import functools
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal
from urllib.parse import quote

from slswire import errors, headers, limits

Query = Sequence[tuple[str, str]]
"""Decoded query parameters."""

_V4_PREFIX: Final = "SLS4-HMAC-SHA256"
_V4_TERMINATOR: Final = "aliyun_v4_request"
_V4_SHAPE: Final = re.compile(
    r"SLS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([^/,]+)/sls/aliyun_v4_request,"
    r"\s*Signature=([0-9a-f]{64})"
)
_V1_SHAPE: Final = re.compile(r"LOG ([^:\s]+):([A-Za-z0-9+/=]+)")
_V4_TIME: Final = "%Y%m%dT%H%M%SZ"


@dataclasses.dataclass(frozen=True, slots=True)
class Credentials:
    """An access key; the secret never shows in a repr."""

    access_key_id: str
    access_key_secret: str = dataclasses.field(repr=False)
    security_token: str = dataclasses.field(default="", repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Authorization:
    """What an Authorization header claims, not yet verified."""

    version: Literal["V1", "V4"]
    access_key_id: str
    signature: str
    date: str = ""
    region: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """The signed parts of one request: path as sent, query decoded, body as on the wire."""

    method: str
    path: str
    query: Query
    headers: Mapping[str, str]
    body: bytes = b""


def sign_v1(key: Credentials, request: Request, now: dt.datetime) -> dict[str, str]:
    """Every header of `request` plus those of signature v1 at time `now` (aware)."""
    sent = _lower(request.headers) | {
        headers.API_VERSION: headers.API_VERSION_VALUE,
        headers.SIGNATURE_METHOD: "hmac-sha1",
        "date": email.utils.format_datetime(now.astimezone(dt.UTC), usegmt=True),
    }
    if request.body:
        sent["content-md5"] = _md5(request.body)
    if key.security_token:
        sent[headers.SECURITY_TOKEN] = key.security_token
    text = _v1_string(dataclasses.replace(request, headers=sent))
    digest = _v1_digest(key.access_key_secret, text, "hmac-sha1")
    return sent | {"authorization": f"LOG {key.access_key_id}:{digest}"}


def sign_v4(key: Credentials, request: Request, now: dt.datetime, *, region: str) -> dict[str, str]:
    """Every header of `request` (which must hold `host`) plus those of signature v4 at `now`."""
    stamp = now.astimezone(dt.UTC).strftime(_V4_TIME)
    sent = _lower(request.headers) | {
        headers.API_VERSION: headers.API_VERSION_VALUE,
        headers.CONTENT_SHA256: hashlib.sha256(request.body).hexdigest(),
        headers.DATE: stamp,
    }
    if key.security_token:
        sent[headers.SECURITY_TOKEN] = key.security_token
    signed = dataclasses.replace(request, headers=sent)
    signature = _v4_signature(key.access_key_secret, signed, stamp[:8], region)
    credential = f"{key.access_key_id}/{stamp[:8]}/{region}/sls/{_V4_TERMINATOR}"
    value = f"{_V4_PREFIX} Credential={credential},Signature={signature}"
    return sent | {"authorization": value}


def parse_authorization(sent: Mapping[str, str]) -> Authorization:
    """The claim of a request with the headers `sent` (names in any case).

    Raises:
        SlsError: Unauthorized when there is none, or none of a known form.
    """
    value = _lower(sent).get("authorization", "")
    if found := _V4_SHAPE.fullmatch(value):
        key, date, region, signature = found.groups()
        return Authorization("V4", key, signature, date=date, region=region)
    if found := _V1_SHAPE.fullmatch(value):
        return Authorization("V1", found.group(1), found.group(2))
    raise errors.make("Unauthorized", detail="The Authorization header is missing or malformed.")


def check_clock(sent: Mapping[str, str], now: dt.datetime) -> None:
    """Hold the date among the headers `sent` (lower-case names) against the server's time (aware).

    Raises:
        SlsError: MissingDate, InvalidDateFormat or RequestTimeExpired.
    """
    text = sent.get(headers.DATE) or sent.get("date")
    if not text:
        raise errors.make("MissingDate")
    if abs((now - _moment(text)).total_seconds()) > limits.MAX_CLOCK_SKEW_SECONDS:
        raise errors.make("RequestTimeExpired")


@functools.lru_cache(maxsize=256)  # of a second's requests, most state the same date
def _moment(text: str) -> dt.datetime:
    try:
        if re.fullmatch(r"\d{8}T\d{6}Z", text):
            moment = dt.datetime.strptime(text, _V4_TIME).replace(tzinfo=dt.UTC)
        else:
            moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError) as fault:
        raise errors.make("InvalidDateFormat", value=text) from fault
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)


def verify(claim: Authorization, secret: str, request: Request, now: dt.datetime) -> None:
    """Hold `claim` against the request, the key's `secret` and the server's time `now` (aware).

    Raises:
        SlsError: MissingDate, InvalidDateFormat, RequestTimeExpired, InvalidSignatureMethod or
            SignatureNotMatch.
    """
    received = dataclasses.replace(request, headers=_lower(request.headers))
    check_clock(received.headers, now)
    expected = _expected(claim, secret, received)
    if not _same(expected, claim.signature):
        raise errors.make("SignatureNotMatch", signature=claim.signature)


def _expected(claim: Authorization, secret: str, received: Request) -> str:
    mismatch = errors.make("SignatureNotMatch", signature=claim.signature)
    if claim.version == "V4":
        stated = received.headers.get(headers.CONTENT_SHA256, "")
        if not _same(stated, hashlib.sha256(received.body).hexdigest()):
            raise mismatch
        if received.headers.get(headers.DATE, "")[:8] != claim.date:
            raise mismatch
        return _v4_signature(secret, received, claim.date, claim.region)
    md5 = received.headers.get("content-md5", "")
    if md5 and not _same(md5.upper(), _md5(received.body)):
        raise mismatch
    method = received.headers.get(headers.SIGNATURE_METHOD, "")
    return _v1_digest(secret, _v1_string(received), method)


def _same(one: str, other: str) -> bool:
    # As bytes: the constant-time comparison of text takes ASCII only, and clients may send any.
    return hmac.compare_digest(one.encode(), other.encode())


def _lower(sent: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in sent.items()}


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest().upper()


def _v1_string(request: Request) -> str:
    sent = request.headers
    # x-log-date replaces Date and, unlike every other x-log-* header, is itself not signed.
    date = sent.get(headers.DATE) or sent.get("date", "")
    lines = [request.method, sent.get("content-md5", ""), sent.get("content-type", ""), date]
    lines += [
        f"{name}:{sent[name]}"
        for name in sorted(sent)
        if name.startswith(("x-log-", "x-acs-")) and name != headers.DATE
    ]
    query = "&".join(f"{name}={value}" for name, value in sorted(request.query))
    lines.append(f"{request.path}?{query}" if query else request.path)
    return "\n".join(lines)


def _v1_digest(secret: str, text: str, method: str) -> str:
    if method not in {"hmac-sha1", "hmac-sha256"}:
        code = "InvalidSignatureMethod" if method else "MissingSignatureMethod"
        raise errors.make(code, value=method)
    digest = hmac.digest(secret.encode(), text.encode(), method.removeprefix("hmac-"))
    return base64.b64encode(digest).decode()


def _v4_signature(secret: str, request: Request, date: str, region: str) -> str:
    sent = request.headers
    names = sorted(
        name
        for name in sent
        if name in {"content-type", "host"}
        or (name.startswith(("x-log-", "x-acs-")) and not name.startswith("x-log-meta-"))
    )
    parts = [(quote(name, safe="~"), quote(value, safe="~")) for name, value in request.query]
    canonical = "\n".join(
        [
            request.method,
            request.path,
            "&".join(f"{name}={value}" if value else name for name, value in sorted(parts)),
            "".join(f"{name}:{sent[name].strip()}\n" for name in names),
            ";".join(names),
            sent[headers.CONTENT_SHA256],
        ]
    )
    scope = f"{date}/{region}/sls/{_V4_TERMINATOR}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{_V4_PREFIX}\n{sent[headers.DATE]}\n{scope}\n{digest}"
    key = f"aliyun_v4{secret}".encode()
    for step in (date, region, "sls", _V4_TERMINATOR):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.new(key, text.encode(), "sha256").hexdigest()
