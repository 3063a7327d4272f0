"""The calls: projects, Logstores, indexes, writing, pulling, querying, keys.

`transport` carries them. Every failure is an `SlsError` with the request id, or an
`aiohttp.ClientError` or `TimeoutError` of the network.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp

from slswire import compress, errors, headers, protobuf
from slswire.client import transport
from slswire.model import LogGroup
from slswire.signature import Credentials

Document = dict[str, Any]
"""A JSON object as the API has it."""


@dataclasses.dataclass(frozen=True, slots=True)
class PullResult:
    """Log groups of one shard, in order, and the cursor after them."""

    groups: list[LogGroup]
    next_cursor: str
    count: int


@dataclasses.dataclass(frozen=True, slots=True)
class Page:
    """Records of one query, or the rows of its SQL.

    Attributes:
        logs: at most as many as were asked for; all rows where there is SQL.
        complete: False when the service looked at a part only.
        columns: names in the order of the query's own SELECT, where there is SQL.
        analysed: whether the query had SQL.
    """

    logs: list[dict[str, str]]
    complete: bool
    columns: tuple[str, ...] = ()
    analysed: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """An access key of one project, as the bundled service hands it out."""

    access_key_id: str
    access_key_secret: str = dataclasses.field(repr=False)
    project: str
    rights: tuple[str, ...]


class Client:
    """An open connection pool to one endpoint; use it as an async context manager.

    With `session` (of `transport.open_session`) it uses that one's connections and leaves it open.
    """

    def __init__(
        self,
        endpoint: transport.Endpoint,
        credentials: Credentials,
        *,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._key = credentials
        self._shared = session is not None
        self._session = session

    async def __aenter__(self) -> Self:
        if not self._shared:
            self._session = transport.open_session()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None and not self._shared:
            await self._session.close()
            self._session = None

    async def create_project(self, project: str, description: str = "") -> None:
        """Create it; ProjectAlreadyExist when it is there."""
        body = {"projectName": project, "description": description}
        await self._call("POST", "/", project, body=body)

    async def get_project(self, project: str) -> Document:
        """Its description and times; ProjectNotExist when it is not there."""
        return await self._document("GET", "/", project)

    async def list_projects(self, offset: int = 0, size: int = 500) -> list[Document]:
        """One page of the projects this key may see."""
        query = [("offset", str(offset)), ("size", str(size))]
        found = await self._document("GET", "/", query=query)
        return list(found["projects"])

    async def update_project(self, project: str, description: str) -> None:
        """Set its description."""
        await self._call("PUT", "/", project, body={"description": description})

    async def delete_project(self, project: str) -> None:
        """Delete it with all its Logstores and their data."""
        await self._call("DELETE", "/", project)

    async def create_logstore(self, project: str, document: Mapping[str, Any]) -> None:
        """Create the Logstore of `document` (`logstoreName`, `ttl`, `shardCount`, ...)."""
        await self._call("POST", "/logstores", project, body=document)

    async def get_logstore(self, project: str, logstore: str) -> Document:
        """Its document; LogStoreNotExist when it is not there."""
        return await self._document("GET", f"/logstores/{logstore}", project)

    async def list_logstores(self, project: str, offset: int = 0, size: int = 500) -> list[str]:
        """One page of names."""
        query = [("offset", str(offset)), ("size", str(size))]
        found = await self._document("GET", "/logstores", project, query=query)
        return [str(name) for name in found["logstores"]]

    async def update_logstore(
        self, project: str, logstore: str, document: Mapping[str, Any]
    ) -> None:
        """Replace its mutable settings by those of `document`."""
        await self._call("PUT", f"/logstores/{logstore}", project, body=document)

    async def delete_logstore(self, project: str, logstore: str) -> None:
        """Delete it with its data."""
        await self._call("DELETE", f"/logstores/{logstore}", project)

    async def get_index(self, project: str, logstore: str) -> Document:
        """The index document; IndexConfigNotExist when there is none."""
        return await self._document("GET", f"/logstores/{logstore}/index", project)

    async def create_index(self, project: str, logstore: str, document: Mapping[str, Any]) -> None:
        """Set the first index document."""
        await self._call("POST", f"/logstores/{logstore}/index", project, body=document)

    async def update_index(self, project: str, logstore: str, document: Mapping[str, Any]) -> None:
        """Replace the index document."""
        await self._call("PUT", f"/logstores/{logstore}/index", project, body=document)

    async def list_shards(self, project: str, logstore: str) -> list[Document]:
        """Its shards (`shardID`, `status`, key range)."""
        answer = await self._call("GET", f"/logstores/{logstore}/shards", project)
        return list(answer.json())

    async def split_shard(self, project: str, logstore: str, shard: int, key: str) -> None:
        """Split a shard at the hash key `key` (32 hexadecimal digits)."""
        query = [("action", "split"), ("key", key)]
        await self._call("POST", f"/logstores/{logstore}/shards/{shard}", project, query=query)

    async def merge_shard(self, project: str, logstore: str, shard: int) -> None:
        """Merge a shard with its right neighbour."""
        query = [("action", "merge")]
        await self._call("POST", f"/logstores/{logstore}/shards/{shard}", project, query=query)

    async def get_metering_mode(self, project: str, logstore: str) -> str:
        """How the cloud bills it; NotSupported where nobody bills."""
        found = await self._document("GET", f"/logstores/{logstore}/meteringmode", project)
        return str(found.get("meteringMode", ""))

    async def update_metering_mode(self, project: str, logstore: str, mode: str) -> None:
        """Set how the cloud bills it."""
        body = {"meteringMode": mode}
        await self._call("PUT", f"/logstores/{logstore}/meteringmode", project, body=body)

    async def put_logs(self, project: str, logstore: str, group: LogGroup) -> None:
        """Write one log group; it is durable when this returns."""
        raw = protobuf.encode_log_group(group)
        stated = {
            "content-type": "application/x-protobuf",
            headers.COMPRESS_TYPE: "lz4",
            headers.BODY_RAW_SIZE: str(len(raw)),
        }
        call = transport.Call(
            "POST",
            f"/logstores/{logstore}/shards/lb",
            project,
            headers=stated,
            body=compress.compress("lz4", raw),
        )
        await self._send(call)

    async def get_cursor(self, project: str, logstore: str, shard: int, at: str) -> str:
        """The cursor at `begin`, `end` or a receive time in unix seconds."""
        query = [("type", "cursor"), ("from", at)]
        path = f"/logstores/{logstore}/shards/{shard}"
        found = await self._document("GET", path, project, query=query)
        return str(found["cursor"])

    async def pull_logs(
        self, project: str, logstore: str, shard: int, cursor: str, *, count: int = 100
    ) -> PullResult:
        """Up to `count` log groups from `cursor` on."""
        call = transport.Call(
            "GET",
            f"/logstores/{logstore}/shards/{shard}",
            project,
            query=[("type", "log"), ("cursor", cursor), ("count", str(count))],
            headers={"accept": "application/x-protobuf", "accept-encoding": "lz4"},
        )
        answer = await self._send(call)
        return PullResult(
            groups=protobuf.decode_log_group_list(answer.body),
            next_cursor=answer.headers.get(headers.CURSOR, cursor),
            count=int(answer.headers.get(headers.COUNT, "0")),
        )

    async def get_logs(
        self,
        project: str,
        logstore: str,
        query: str,
        *,
        within: tuple[int, int],
        line: int = 100,
        offset: int = 0,
        reverse: bool = False,
    ) -> Page:
        """Records that match `query` with `within[0] <= time < within[1]` (unix seconds)."""
        body = {
            "from": within[0],
            "to": within[1],
            "query": query,
            "line": line,
            "offset": offset,
            "reverse": reverse,
        }
        found = await self._document("POST", f"/logstores/{logstore}/logs", project, body=body)
        meta = found["meta"]
        analysed = bool(meta.get("hasSQL"))
        return Page(
            logs=list(found["data"]),
            complete=meta.get("progress") == "Complete",
            columns=tuple(map(str, meta.get("keys") or ())) if analysed else (),
            analysed=analysed,
        )

    async def create_key(self, project: str, rights: Sequence[str]) -> Key:
        """Mint a key of `project` (bundled service only, with the root key)."""
        body = {"project": project, "rights": list(rights)}
        found = await self._document("POST", "/loghub/v1/keys", body=body)
        return Key(
            access_key_id=str(found["accessKeyId"]),
            access_key_secret=str(found["accessKeySecret"]),
            project=str(found["project"]),
            rights=tuple(found["rights"]),
        )

    async def create_token(
        self, project: str, rights: Sequence[str], *, seconds: int = 3600
    ) -> Credentials:
        """A temporary key of `project`, for 15 minutes to 12 hours (bundled service only)."""
        body = {"project": project, "rights": list(rights), "durationSeconds": seconds}
        found = await self._document("POST", "/loghub/v1/tokens", body=body)
        return Credentials(
            access_key_id=str(found["accessKeyId"]),
            access_key_secret=str(found["accessKeySecret"]),
            security_token=str(found["securityToken"]),
        )

    async def list_keys(self, project: str) -> list[Document]:
        """The keys of `project`, without their secrets."""
        found = await self._document("GET", "/loghub/v1/keys", query=[("project", project)])
        return list(found["keys"])

    async def delete_key(self, access_key_id: str) -> None:
        """Revoke a key at once."""
        await self._call("DELETE", f"/loghub/v1/keys/{access_key_id}")

    async def _document(self, method: str, path: str, project: str = "", **rest: Any) -> Document:
        found = (await self._call(method, path, project, **rest)).json()
        if not isinstance(found, dict):
            message = f"{method} {path} answered no JSON object."
            raise errors.SlsError("InternalServerError", message, status=502)
        return found

    async def _call(
        self,
        method: str,
        path: str,
        project: str = "",
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Mapping[str, Any] | None = None,
    ) -> transport.Answer:
        encoded = b"" if body is None else json.dumps(body).encode()
        stated = {"content-type": "application/json"} if encoded else {}
        return await self._send(
            transport.Call(method, path, project, query=query, headers=stated, body=encoded)
        )

    async def _send(self, call: transport.Call) -> transport.Answer:
        if self._session is None:
            raise RuntimeError("the client is not open: use `async with`")
        return await transport.send(self._session, self._endpoint, self._key, call)
