"""A thin port over the official client's async part: get, list, server-side apply, status, delete.

Everything that the operator writes goes through here with one field manager, so that a second
write of the same is no change. Errors are `ClusterError` with the API server's own words.
"""

import dataclasses
import json
import ssl
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from typing import Any, Final

import aiohttp
from kubernetes.aio import client, config

from loghub_operator import kinds, measuring

Object = dict[str, Any]

MANAGER: Final = "loghub-operator"
TIMEOUT_SECONDS: Final = 20
_PAGE: Final = 500
"""Objects of one page of a list: all at once would be the most memory there ever is."""
_JSON: Final = "application/json"
_NAMES: Final = f"{_JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Metadata alone: a node's object is 10 KB and more."""
_CONFLICT: Final = 409
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_EXPIRED: Final = 410
_LISTS: Final = 3
"""A list whose next page has expired is begun anew so often: it was too slow for the cluster."""
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
    given = client.Configuration()
    if kubeconfig:
        await config.load_kube_config(config_file=kubeconfig, client_configuration=given)
    else:
        await config.load_config(client_configuration=given)
    # aiohttp reads ~/.netrc for each request where the environment is trusted.
    given.client_session_kwargs = {"trust_env": bool(urllib.request.getproxies())}
    return Cluster(client.ApiClient(given))


@dataclasses.dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a kind, and the resource version that the list is of."""

    items: list[Object]
    version: str


class Cluster:
    """One API server."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api
        self.may_write: Callable[[], bool] = lambda: True
        """The fence: a replica that was paused must not write what another one leads now."""

    @property
    def server(self) -> str:
        """The API server's address."""
        return str(self._api.configuration.host)

    @property
    def tls(self) -> ssl.SSLContext:
        """How the API server is trusted, and how this client is known to it."""
        found: ssl.SSLContext = self._api.rest_client.ssl_context
        return found

    async def authorize(self, headers: MutableMapping[str, str]) -> None:
        """Add what says who is asking; a pod's token is read anew as it changes."""
        found: dict[str, str] = {}
        await self._api.update_params_for_auth(found, [], ["BearerToken"], "", "GET", None)
        headers.update(found)

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

    async def metadata(self, kind: kinds.Kind, namespace: str = "") -> list[Object]:
        """All objects of a kind, but of each the metadata alone."""
        return (await self.listing(kind, namespace, accept=_NAMES)).items

    async def births(self, kind: kinds.Kind, namespace: str = "") -> dict[str, str]:
        """The names of all objects of a kind and when they were made."""
        listed = (each["metadata"] for each in await self.metadata(kind, namespace))
        return {each["name"]: each["creationTimestamp"] for each in listed}

    async def list(
        self, kind: kinds.Kind, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> list[Object]:
        """All objects of a kind, or those with `labels` and `fields`, both selectors."""
        query = f"&labelSelector={urllib.parse.quote(labels)}" if labels else ""
        query += f"&fieldSelector={urllib.parse.quote(fields)}" if fields else ""
        return (await self.listing(kind, namespace, query=query)).items

    async def check_served(self, kind: kinds.Kind) -> None:
        """Raise ClusterError where the API server does not know a kind, or may not be asked."""
        try:
            await self._send("GET", f"{kind.path()}?limit=1", accept=_NAMES)
        except ClusterError as fault:
            if fault.status in {_NOT_FOUND, _FORBIDDEN}:
                raise
            # It is busy, or not ready yet: the watches wait for it.

    async def listing(
        self, kind: kinds.Kind, namespace: str = "", *, query: str = "", accept: str = _JSON
    ) -> Listing:
        """All objects of a kind as they were at one moment."""
        for _ in range(_LISTS):
            try:
                return await self._listing(kind.path(namespace), query, accept)
            except ClusterError as fault:
                if fault.status != _EXPIRED:
                    raise
                expired = fault
        raise expired

    async def _listing(self, path: str, query: str, accept: str) -> Listing:
        found: list[Object] = []
        async for page in self._pages(path, query, accept):
            for each in page.get("items") or []:
                each["metadata"].pop("managedFields", None)  # as large as the rest, of no use here
                found.append(each)
            version = str(page["metadata"].get("resourceVersion", ""))
        return Listing(found, version)

    async def _pages(self, path: str, query: str, accept: str) -> AsyncIterator[Object]:
        token = ""
        while True:
            more = f"&continue={urllib.parse.quote(token)}" if token else ""
            page = await self._send("GET", f"{path}?limit={_PAGE}{query}{more}", accept=accept)
            token = page.get("metadata", {}).get("continue", "")
            yield page
            if not token:
                return

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
