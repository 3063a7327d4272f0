"""A thin port over the official client's async part: get, list, server-side apply, status, delete.

Everything that the operator writes goes through here with one field manager, so that a second
write of the same is no change. Errors are `ClusterError` with the API server's own words.
"""

import dataclasses
import json
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp
from kubernetes.aio import client, config

from loghub_operator import kinds, measuring

Object = dict[str, Any]

MANAGER: Final = "loghub-operator"
TIMEOUT_SECONDS: Final = 20
_PAGE: Final = 500
_JSON: Final = "application/json"
_NAMES: Final = f"{_JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Metadata alone: a node's object is 10 KB and more."""
_CONFLICT: Final = 409
_NOT_FOUND: Final = 404
_REFUSED: Final = 300


class ClusterError(Exception):
    """The API server refused, or could not be reached."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status

    @property
    def conflict(self) -> bool:
        """Somebody else was faster."""
        return self.status == _CONFLICT


async def connect(kubeconfig: str = "") -> "Cluster":
    """The cluster that the pod runs in, or that a kubeconfig names."""
    if kubeconfig:
        await config.load_kube_config(config_file=kubeconfig)
    else:
        await config.load_config()
    return Cluster(client.ApiClient())


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """How to reach the API server from outside as the same user: address, file paths, token."""

    server: str
    authority: str | None
    certificate: str | None
    key: str | None
    authorization: str = dataclasses.field(repr=False)
    verified: bool = True


class Cluster:
    """One API server."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api
        self.may_write: Callable[[], bool] = lambda: True
        """The fence: a replica that was paused must not write what another one leads now."""

    def access(self) -> Access:
        """What this client was given, for another one."""
        given = self._api.configuration
        return Access(
            server=given.host,
            authority=given.ssl_ca_cert,
            certificate=given.cert_file,
            key=given.key_file,
            authorization=str(given.api_key.get("BearerToken", "")),
            verified=given.verify_ssl,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def get(self, kind: kinds.Kind, name: str, namespace: str = "") -> Object | None:
        """One object, or None."""
        try:
            return await self._send("GET", kind.path(namespace, name))
        except ClusterError as fault:
            if fault.status == _NOT_FOUND:
                return None
            raise

    async def list(
        self, kind: kinds.Kind, namespace: str = "", *, labels: str = ""
    ) -> list[Object]:
        """All objects of a kind, or those with `labels`, page by page."""
        found: list[Object] = []
        token = ""
        while True:
            query = f"?limit={_PAGE}" + (f"&continue={token}" if token else "")
            query += f"&labelSelector={urllib.parse.quote(labels)}" if labels else ""
            page = await self._send("GET", kind.path(namespace) + query)
            for each in page.get("items", []):
                each["metadata"].pop("managedFields", None)  # as large as the rest, of no use here
                found.append(each)
            token = page.get("metadata", {}).get("continue", "")
            if not token:
                return found

    async def names(self, kind: kinds.Kind) -> set[str]:
        """The names of all objects of a cluster-scoped kind, without the objects."""
        found: set[str] = set()
        token = ""
        while True:
            query = f"?limit={_PAGE}" + (f"&continue={token}" if token else "")
            page = await self._send("GET", kind.path() + query, accept=_NAMES)
            found |= {each["metadata"]["name"] for each in page.get("items", [])}
            token = page.get("metadata", {}).get("continue", "")
            if not token:
                return found

    async def apply(self, kind: kinds.Kind, wanted: Object) -> Object:
        """Server-side apply: create it or change what this manager owns of it."""
        metadata = wanted["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        query = f"?fieldManager={MANAGER}&force=true&fieldValidation=Strict"
        body = {"apiVersion": kind.api_version, "kind": kind.name, **wanted}
        return await self._send("PATCH", path + query, body, "application/apply-patch+yaml")

    async def merge(
        self, kind: kinds.Kind, found: Mapping[str, Any], change: Object, *, status: bool = False
    ) -> Object | None:
        """Merge-patch an object, or its status; None where it is gone, which is no error."""
        metadata = found["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"], "status" * status)
        query = f"?fieldManager={MANAGER}"
        try:
            return await self._send("PATCH", path + query, change, "application/merge-patch+json")
        except ClusterError as fault:
            if fault.status != _NOT_FOUND:
                raise
            return None

    async def create(self, kind: kinds.Kind, wanted: Object) -> Object:
        """Create an object."""
        path = kind.path(wanted["metadata"].get("namespace", ""))
        body = {"apiVersion": kind.api_version, "kind": kind.name, **wanted}
        return await self._send("POST", path + f"?fieldManager={MANAGER}", body)

    async def replace(self, kind: kinds.Kind, found: Object) -> Object:
        """Replace an object, if nobody changed it since it was read."""
        metadata = found["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        return await self._send("PUT", path + f"?fieldManager={MANAGER}", found)

    async def delete(self, kind: kinds.Kind, name: str, namespace: str = "") -> None:
        """Delete an object; one that is gone is no error."""
        try:
            await self._send("DELETE", kind.path(namespace, name))
        except ClusterError as fault:
            if fault.status != _NOT_FOUND:
                raise

    async def _send(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content: str = _JSON,
        *,
        accept: str = _JSON,
    ) -> Object:
        headers = {"Accept": accept, "Content-Type": content}
        if method != "GET" and kinds.LEASE.plural not in path and not self.may_write():
            raise ClusterError(0, "this replica's lease is too old to write anything")
        configuration = self._api.configuration
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        try:
            answer = await self._api.call_api(
                method, configuration.host + path, headers, body, _request_timeout=TIMEOUT_SECONDS
            )
            text = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            measuring.API_REQUESTS.labels(method, "0").inc()
            raise ClusterError(0, f"the API server does not answer: {fault}") from fault
        measuring.API_REQUESTS.labels(method, str(answer.status)).inc()
        if answer.status >= _REFUSED:
            raise ClusterError(answer.status, _words(answer.status, text))
        return dict(json.loads(text))


def _words(status: int, text: bytes) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {status}: {text[:200]!r}"
