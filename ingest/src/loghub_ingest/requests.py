"""One request after its envelope was checked: who asks, for which project, with what.

`app` makes it, the modules of `api` read it. Order of checks: host, API version, date, key,
signature; then project and rights, by `Call.require`.
"""

import asyncio
import dataclasses
import datetime as dt
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.requests import Request

from loghub_ingest import _core, hosts, tokens
from loghub_ingest.service import Service
from loghub_ingest.storage import contract
from slswire import compress, errors, headers, limits, signature

MAX_BODY_BYTES: Final = limits.MAX_BODY_BYTES
BODY_SECONDS: Final = 120.0
"""For a whole body: the largest one at 90 KB/s. Whoever is slower keeps memory from others."""

MAX_QUERY_ITEMS: Final = 64
"""Far above what any client sends."""


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """An authenticated request; `peer` is the client's address."""

    service: Service
    peer: str
    project: str
    key: contract.AccessKey
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def storage(self) -> contract.LogStorage:
        """The service's storage."""
        return self.service.storage

    def require(self, right: str, *, project: str | None = None) -> None:
        """Check that the project exists and that the key has `right` in it.

        Raises:
            SlsError: ProjectNotExist or Unauthorized.
        """
        name = self.project if project is None else project
        if self.key.project not in {"", name}:
            raise errors.make("Unauthorized", detail=f"The key has no rights in project {name}.")
        if self.storage.project(name) is None:
            raise errors.make("ProjectNotExist", project=name)
        if self.key.project and right not in self.key.rights:
            raise errors.make("Unauthorized", detail=f"denied: the key has no right to {right}.")

    def require_root(self) -> None:
        """Check that this is the root key.

        Raises:
            SlsError: Unauthorized.
        """
        if self.key.project:
            raise errors.make("Unauthorized", detail="Only the root key may do this.")

    def store(self, right: str) -> contract.Logstore:
        """The Logstore that the path names.

        Raises:
            SlsError: as `require`, or LogStoreNotExist.
        """
        self.require(right)
        name = self.path["logstore"]
        found = self.storage.logstore(self.project, name)
        if found is None:
            raise errors.make("LogStoreNotExist", logstore=name)
        return found

    def shard(self, store: contract.Logstore) -> contract.Shard:
        """The shard that the path names.

        Raises:
            SlsError: ShardNotExist.
        """
        text = self.path["shard"]
        for shard in store.shards:
            if str(shard.number) == text:
                return shard
        raise errors.make("ShardNotExist", shard=text)

    def document(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            SlsError: ParameterInvalid.
        """
        try:
            found = json.loads(self.raw_body() or b"{}")
        except ValueError as fault:
            raise errors.make("ParameterInvalid", detail=f"The body is no JSON: {fault}") from fault
        if not isinstance(found, dict):
            raise errors.make("ParameterInvalid", detail="The body is no JSON object.")
        return found

    def raw_body(self) -> bytes:
        """The body, uncompressed.

        Raises:
            SlsError: the compression's errors, MissingBodyRawSize, InvalidBodyRawSize.
        """
        kind = self.headers.get(headers.COMPRESS_TYPE, "")
        if not kind:
            return self.body
        return compress.decompress(kind, self.body, raw_size=self.raw_size(), limit=MAX_BODY_BYTES)

    def raw_size(self) -> int:
        """What x-log-bodyrawsize states.

        Raises:
            SlsError: MissingBodyRawSize or InvalidBodyRawSize.
        """
        text = self.headers.get(headers.BODY_RAW_SIZE)
        if text is None:
            raise errors.make("MissingBodyRawSize")
        if not (text.isascii() and text.isdigit() and len(text) < 12):
            raise errors.make("InvalidBodyRawSize")
        return int(text)

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number of the query.

        Raises:
            SlsError: ParameterInvalid.
        """
        text = self.query.get(name, "")
        if not text:
            return default
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not (least <= value <= most and len(text) < 20):
            detail = f"Parameter {name} is {text[:40]!r}; it must be in [{least}, {most}]"
            raise errors.make("ParameterInvalid", detail=detail)
        return value


Accept = Callable[[Request, Service], Awaitable[Call]]


async def accept(request: Request, service: Service) -> Call:
    """Read, bound and authenticate a request.

    Raises:
        SlsError: the first check that fails, in the order of the module's docstring.
    """
    sent = _headers(request)
    if not sent.get("host"):
        raise errors.make("MissingHost")
    version = sent.get(headers.API_VERSION)
    if version is None:
        raise errors.make("MissingAPIVersion")
    if version not in {"0.6.0", "0.4.0", "0.5.0"}:
        raise errors.make("InvalidAPIVersion", value=version[:40])
    body = await _body(request)
    query = request.query_params.multi_items()
    if len(query) > MAX_QUERY_ITEMS:
        raise errors.make("ParameterInvalid", detail="The query has too many parameters.")
    claim = signature.parse_authorization(sent)
    await service.storage.catch_up()
    now = dt.datetime.now(dt.UTC)
    key = _key(service, claim.access_key_id, sent, now)
    signature.check_clock(sent, now)
    if query or not _surely_signed(request, claim, key.secret, body):
        path = _path(request).decode("latin-1")
        seen = signature.Request(request.method, path, query, sent, body)
        signature.verify(claim, key.secret, seen, now)
    project = hosts.project_of(sent["host"], sent.get(headers.PROJECT, ""), service.names)
    return Call(
        service=service,
        peer=request.client.host if request.client else "",
        project=project,
        key=key,
        path=request.path_params,
        query=dict(query),
        headers=sent,
        body=body,
    )


def _key(
    service: Service, ident: str, sent: Mapping[str, str], now: dt.datetime
) -> contract.AccessKey:
    token = sent.get(headers.SECURITY_TOKEN, "")
    temporary = ident.startswith(tokens.PREFIX)
    if temporary and token:
        return service.tokens.read(ident, token, now.timestamp())
    # Without its token a temporary key is nobody's, here as in the cloud.
    found = service.storage.key(ident)
    if found is None:
        raise errors.make("Unauthorized", detail=f"AccessKeyId not found: {ident[:128]}")
    if token:
        detail = "The security token you provided is invalid: the key is not a temporary one."
        raise errors.make("Unauthorized", detail=detail)
    return found


def _headers(request: Request) -> dict[str, str]:
    # Their names are lower case by now: the server's parser sees to it.
    return {
        name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]
    }


def _path(request: Request) -> bytes:
    # As sent: what is signed is not decoded.
    return bytes(request.scope["raw_path"].partition(b"?")[0])


def _surely_signed(
    request: Request, claim: signature.Authorization, secret: str, body: bytes
) -> bool:
    # The compiled check is a sixth of a small write's CPU cheaper; it only ever says yes to what
    # `signature.verify` accepts, and leaves all else to it.
    stated = (claim.signature, claim.date, claim.region)
    sent = request.scope["headers"]
    return _core.signed(secret, stated, request.method, _path(request), sent, body)


async def accept_open(request: Request, service: Service) -> Call:
    """Read and bound a request that needs no key: it may track, and nothing else.

    Raises:
        SlsError: MissingHost, ProjectNotExist or PostBodyTooLarge.
    """
    sent = _headers(request)
    if not sent.get("host"):
        raise errors.make("MissingHost")
    project = hosts.project_of(sent["host"], sent.get(headers.PROJECT, ""), service.names)
    project = project or service.default_project
    if not project:  # an empty project would make it the root key
        raise errors.make("ProjectNotExist", project="")
    await service.storage.catch_up()
    nobody = contract.AccessKey(
        ident="", secret="", project=project, rights=frozenset({"track"}), created=0
    )
    return Call(
        service=service,
        peer=request.client.host if request.client else "",
        project=project,
        key=nobody,
        path=request.path_params,
        query=dict(request.query_params.multi_items()),
        headers=sent,
        body=await _body(request),
    )


async def _body(request: Request) -> bytes:
    stated = request.headers.get("content-length", "0")
    if stated.isdigit() and int(stated) > MAX_BODY_BYTES:
        raise errors.make("PostBodyTooLarge", size=int(stated), limit=MAX_BODY_BYTES)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _whole(request)
    except TimeoutError as fault:
        raise errors.make("RequestTimeout") from fault


async def _whole(request: Request) -> bytes:
    parts = bytearray()
    async for chunk in request.stream():
        parts += chunk
        if len(parts) > MAX_BODY_BYTES:
            raise errors.make("PostBodyTooLarge", size=len(parts), limit=MAX_BODY_BYTES)
    return bytes(parts)
