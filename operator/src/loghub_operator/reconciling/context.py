"""What every reconciler needs: the cluster, the cache, the settings, and how status is written."""

import base64
import binascii
import contextlib
import dataclasses
import datetime as dt
import random
import time
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from typing import Any, Final, TypeVar

import aiohttp
import pydantic

from loghub_operator import (
    cache,
    cluster,
    compiling,
    conditions,
    events,
    kinds,
    links,
    outages,
    pacing,
    queueing,
    reporting,
)
from loghub_operator.reconciling import permitting
from loghub_operator.resources import model, projects
from slswire import errors
from slswire.client import Client, Endpoint
from slswire.signature import Credentials

Object = Mapping[str, Any]
_Spec = TypeVar("_Spec", bound=pydantic.BaseModel)

REGION: Final = "loghub"
_WOKEN_PER_SECOND: Final = 100.0
"""Of the objects that waited for a service which is back."""
_ROOT_SECONDS: Final = 10.0
"""A root key that was replaced is used no longer than that."""


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What `cli` read."""

    namespace: str
    agent_image: str
    ingest_endpoint: str
    root_secret: str
    default_project: tuple[str, str] | None
    service_account: str = "loghub-operator"
    require_collect: bool = False
    """Whether LogConfigs need the right to collect into their LogStore."""
    aliases: tuple[str, ...] = ()
    """Other collectors whose keys on pods the agents read too."""
    project_services: bool = False
    """Whether each bundled project gets a Service of its own name."""
    project_services_tls: bool = False
    """Whether the bundled service speaks TLS, and those Services pass it on."""
    key_grace_seconds: float = 3600.0
    """How long a rotated key works on: applications read their Secret at a start only."""


class AwayError(Exception):
    """The service at `place` does not answer, or did not a moment ago."""

    def __init__(self, place: Hashable, sentence: str) -> None:
        super().__init__(sentence)
        self.place = place


class NotReadyError(Exception):
    """Something else must come first; `reason` and the sentence become the condition."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


@dataclasses.dataclass(slots=True)
class Context:
    """Shared by all reconcilers."""

    settings: Settings
    cluster: cluster.Cluster
    cache: cache.Cache
    events: events.Events
    reports: reporting.Reports
    permits: permitting.Permits
    owner: dict[str, Any] | None = None
    later: Callable[[queueing.Key, float], None] = lambda _key, _seconds: None
    """Brings a key back after seconds; the queue's."""
    busy: Callable[[queueing.Key], bool] = lambda _key: False
    """Whether a key is worked on or about to be; the queue's."""
    changed: Callable[[kinds.Kind, Object, Object | None], None] = lambda *_: None
    """Told of an object that changed, and how it was before; has looked at what it concerns."""
    services: links.Links = dataclasses.field(default_factory=links.Links)
    """Connections to log services."""
    away: outages.Outages = dataclasses.field(default_factory=outages.Outages)
    """Log services that do not answer."""
    pace: pacing.Pace = dataclasses.field(default_factory=pacing.Pace)
    """Of writes that nobody waits for."""
    untainted: set[str] = dataclasses.field(default_factory=set)
    """Uids of nodes that need no look for a start-up taint any more."""
    _root: tuple[float, Credentials] | None = None
    _unsure: set[queueing.Key] = dataclasses.field(default_factory=set)

    def take(self, kind: kinds.Kind, written: Object) -> None:
        """Take an object as it was written, as if a watch had told of it already.

        The watch may be late: a reconciler that saw its own last write not would leave it standing.
        """
        self.changed(kind, written, self.cache.put(kind, written))

    def wait_for(self, kind: kinds.Kind, name: str, namespace: str) -> None:
        """What waits for an object that is being worked on says nothing yet: it is about to change.

        Raises:
            SoonError: it is.
        """
        if self.busy((kind.plural, namespace, name)):
            raise queueing.SoonError(f"{kind.name} {namespace}/{name} is being worked on")

    async def owned_metadata(self, name: str) -> dict[str, Any]:
        """Metadata of an object of the release's namespace, which goes when the release goes."""
        if self.owner is None:
            name_of = self.settings.service_account
            account = await self.cluster.get(
                kinds.SERVICE_ACCOUNT, name_of, self.settings.namespace
            )
            if account is not None:
                self.owner = {
                    "apiVersion": "v1",
                    "kind": "ServiceAccount",
                    "name": name_of,
                    "uid": account["metadata"]["uid"],
                }
        metadata: dict[str, Any] = {"name": name, "namespace": self.settings.namespace}
        if self.owner is not None:
            metadata["ownerReferences"] = [self.owner]
        return metadata

    async def set_status(
        self, kind: kinds.Kind, found: Object, wanted: list[conditions.Condition], **fields: Any
    ) -> None:
        """Write conditions and other fields of status, if they change anything."""
        status = with_conditions(found, wanted, fields)
        if status != (found.get("status") or {}) or self.is_unsure(kind, found):
            await self.write_status(kind, found, status)

    def is_unsure(self, kind: kinds.Kind, found: Object) -> bool:
        """Whether a write of its status had no answer: the cache may hold what was before it."""
        return (kind.plural, *cache.place(found)) in self._unsure

    async def write_status(
        self, kind: kinds.Kind, found: Object, status: Mapping[str, Any]
    ) -> None:
        """Write a status as it is, and tell in an event when it says that the object is ready now.

        Raises:
            ClusterError: it may have been written all the same.
        """
        key = (kind.plural, *cache.place(found))
        self._unsure.add(key)
        after = await self.cluster.merge(kind, found, {"status": status}, status=True)
        self._unsure.discard(key)
        if after is None:
            return
        self.take(kind, after)
        if news := conditions.turned_true(found.get("status") or {}, status, "Ready"):
            await self.events.tell(kind, found, news["reason"], news["message"] or "It is ready.")

    async def secret(self, name: str, namespace: str) -> dict[str, str] | None:
        """The texts of a Secret, or None."""
        found = await self.cluster.get(kinds.SECRET, name, namespace)
        if found is None:
            return None
        texts = {}
        for key, value in (found.get("data") or {}).items():
            with contextlib.suppress(binascii.Error, UnicodeDecodeError):
                texts[key] = base64.b64decode(value).decode()
        return texts

    async def key(self, name: str, namespace: str) -> Credentials:
        """The access key in a Secret.

        Raises:
            NotReadyError: it is not there, or lacks a half.
        """
        texts = await self.secret(name, namespace)
        if texts is None:
            sentence = f"Secret {namespace}/{name} does not exist. Create it."
            raise NotReadyError("CredentialsNotFound", sentence)
        ident, secret = texts.get("accessKeyId", ""), texts.get("accessKeySecret", "")
        if not ident or not secret:
            sentence = f"Secret {namespace}/{name} needs accessKeyId and accessKeySecret."
            raise NotReadyError("CredentialsIncomplete", sentence)
        return Credentials(ident, secret, texts.get("securityToken", ""))

    async def _root_key(self) -> Credentials:
        """The bundled service's key, kept for a while: every look at a LogStore needs it."""
        now = time.monotonic()
        if self._root is None or now - self._root[0] > _ROOT_SECONDS:
            self._root = (now, await self.key(self.settings.root_secret, self.settings.namespace))
        return self._root[1]

    def target(self, project: Object) -> compiling.Target:
        """Where a LogProject is."""
        namespace, name = cache.place(project)
        spec = read(projects.LogProjectSpec, project)
        credentials = compiling.pipeline_name(namespace, name)
        return compiling.target(
            spec,
            name,
            bundled=self.settings.ingest_endpoint,
            credentials=f"loghub-key-{credentials}",
        )

    async def trust(self, spec: projects.LogProjectSpec, namespace: str) -> links.Trust:
        """How a project's service is to be reached, from the Secrets that it names.

        Raises:
            NotReadyError: a Secret is not there, or lacks something.
        """
        url = spec.service.url
        if url is None:
            return links.Trust()
        found: dict[str, str] = {}
        for field, reference, names in (
            ("caBundleRef", url.ca_bundle_ref, ("ca.crt",)),
            ("clientCertRef", url.client_cert_ref, ("tls.crt", "tls.key")),
        ):
            if reference is None:
                continue
            where = f"Secret {namespace}/{reference.name} (spec.service.url.{field})"
            texts = await self.secret(reference.name, namespace)
            if texts is None:
                raise NotReadyError("CredentialsNotFound", f"{where} does not exist. Create it.")
            if not all(texts.get(name) for name in names):
                raise NotReadyError("CredentialsIncomplete", f"{where} needs {' and '.join(names)}")
            found |= {name: texts[name] for name in names}
        return links.Trust(
            authority=found.get("ca.crt", ""),
            certificate=found.get("tls.crt", ""),
            key=found.get("tls.key", ""),
            proxy=url.proxy,
        )

    @contextlib.asynccontextmanager
    async def remote(self, project: Object) -> AsyncIterator[Client]:
        """A client of a project's service with the operator's rights.

        Raises:
            NotReadyError: there is no key, or no bundled service.
            AwayError: the service does not answer.
        """
        namespace = project["metadata"]["namespace"]
        spec = read(projects.LogProjectSpec, project)
        where = self.target(project)
        if spec.service.bundled is not None:
            if not self.settings.ingest_endpoint:
                sentence = "This release has no bundled service (ingest.enabled is false)."
                raise NotReadyError("NoBundledService", sentence)
            key = await self._root_key()
        else:
            reference = spec.credentials_secret_ref
            if reference is None:
                sentence = "spec.service needs spec.credentialsSecretRef unless it is bundled."
                raise NotReadyError("CredentialsNotFound", sentence)
            key = await self.key(reference.name, namespace)
        endpoint = Endpoint(
            where.endpoint,
            project_in="Host" if where.project_in == "Host" else "Header",
            version="V1" if where.signature == "V1" else "V4",
            region=where.region,
        )
        trust = await self.trust(spec, namespace)
        try:
            session = await self.services.session(trust)
        except links.TrustError as fault:
            raise NotReadyError("TrustInvalid", f"{fault}. Correct the Secret.") from fault
        noting = self._noting((endpoint.origin(where.project), trust))
        async with noting, Client(endpoint, key, session=session) as client:
            yield client

    @contextlib.asynccontextmanager
    async def _noting(self, place: Hashable) -> AsyncIterator[None]:
        """Around the use of a service: whether it answers, for all who need it."""
        if sentence := self.away.ask(place):
            raise AwayError(place, sentence)
        try:
            yield
        except (aiohttp.ClientError, TimeoutError) as fault:
            sentence = f"The service cannot be reached: {str(fault) or type(fault).__name__}"
            self.away.failed(place, sentence)
            raise AwayError(place, sentence) from fault
        except errors.SlsError:
            self._wake(place)  # a refusal is an answer
            raise
        except BaseException:
            self.away.gave_up(place)
            raise
        self._wake(place)

    def _wake(self, place: Hashable) -> None:
        waiting = self.away.answered(place)
        for key in waiting:
            self.later(key, random.uniform(0.0, len(waiting) / _WOKEN_PER_SECOND))  # noqa: S311


def with_conditions(
    found: Object, wanted: list[conditions.Condition], fields: Mapping[str, Any]
) -> dict[str, Any]:
    """The status of an object with conditions and other fields as they shall be."""
    status = {**(found.get("status") or {}), **fields}
    status["conditions"] = conditions.merged(found, wanted, dt.datetime.now(dt.UTC))
    status["observedGeneration"] = found["metadata"]["generation"]
    return status


def read(kind: type[_Spec], found: Object) -> _Spec:
    """The typed spec of an object.

    Raises:
        NotReadyError: it is none, though the API server took it (an older definition).
    """
    try:
        return kind.model_validate(found.get("spec") or {})
    except pydantic.ValidationError as fault:
        first = fault.errors()[0]
        where = ".".join(["spec", *map(str, first["loc"])])
        sentence = f"{where}: {first['msg']}. Are the definitions as new as the operator?"
        raise NotReadyError("InvalidSpec", sentence) from fault


def allowed(project: Object, namespace: str, ctx: Context) -> bool:
    """Whether a namespace may use a project."""
    home = project["metadata"]["namespace"]
    rule = read(projects.LogProjectSpec, project).allowed_namespaces
    if namespace == home or rule.from_ == "All":
        return True
    if rule.from_ == "Same" or rule.selector is None:
        return False
    found = ctx.cache.get(kinds.NAMESPACE, namespace)
    labels = (found or {}).get("metadata", {}).get("labels", {})
    return rule.selector.matches(dict(labels))


def refer(reference: model.Reference, home: str) -> tuple[str, str]:
    """Namespace and name of a reference from an object in namespace `home`."""
    return reference.namespace or home, reference.name
