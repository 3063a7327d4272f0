"""The three things the agent reads from the API server, each a sink for one `reflector`.

A sink turns objects into the agent's own small values and tells `inventory`, `catalog` or the
keyring; when that changed something it calls `changed`, and `collecting` makes a new plan.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from loghub_agent import catalog, credentials, errors, inventory, pods

CREDENTIALS_SELECTOR: Final = "loghub.dev/credentials=true"
"""The label of the Secrets that agents read; they see no others."""


def pods_path() -> str:
    """Return the collection of pods in every namespace; the node is chosen by fieldSelector."""
    return "/api/v1/pods"


def pipelines_path(namespace: str) -> str:
    """Return the collection of LogPipelines."""
    return f"/apis/loghub.dev/v1alpha1/namespaces/{namespace}/logpipelines"


def secrets_path(namespace: str) -> str:
    """Return the collection of Secrets."""
    return f"/api/v1/namespaces/{namespace}/secrets"


class PodSink:
    """Pods of this node, into the inventory."""

    name = "pods"

    def __init__(self, pods_here: inventory.Inventory, changed: Callable[[], None]) -> None:
        self._inventory = pods_here
        self._changed = changed

    def parse(self, document: Mapping[str, Any]) -> pods.Pod:
        """Read a pod."""
        return pods.from_object(document)

    def replace(self, items: list[pods.Pod]) -> None:
        """Take all pods of the node."""
        if self._inventory.replace(items):
            self._changed()

    def upsert(self, item: pods.Pod) -> None:
        """Take one pod."""
        if self._inventory.observe(item):
            self._changed()

    def remove(self, item: pods.Pod) -> None:
        """Take one pod as deleted."""
        if self._inventory.remove(item.uid, item):
            self._changed()


_NamedVersion = tuple[str, catalog.Version]


class PipelineSink:
    """LogPipelines, into the catalog."""

    name = "pipelines"

    def __init__(self, pipelines: catalog.Catalog, changed: Callable[[], None]) -> None:
        self._catalog = pipelines
        self._changed = changed

    def parse(self, document: Mapping[str, Any]) -> _NamedVersion:
        """Read a LogPipeline; one that is refused is an item too, so that it gets reported."""
        name, metadata = _named(document)
        return name, catalog.read_version(
            document.get("spec"),
            name=name,
            namespace=str(metadata.get("namespace", "")),
            generation=int(metadata.get("generation", 0)),
            written=_number(metadata.get("resourceVersion")),
        )

    def replace(self, items: list[_NamedVersion]) -> None:
        """Take all pipelines."""
        if self._catalog.replace(dict(items)):
            self._changed()

    def upsert(self, item: _NamedVersion) -> None:
        """Take one pipeline."""
        if self._catalog.observe(*item):
            self._changed()

    def remove(self, item: _NamedVersion) -> None:
        """Take one pipeline as deleted."""
        if self._catalog.remove(item[0]):
            self._changed()


_NamedKey = tuple[str, credentials.Key | errors.RefusedError]


class SecretSink:
    """Credentials, into the keyring."""

    name = "secrets"

    def __init__(self, keys: credentials.Keyring, changed: Callable[[], None]) -> None:
        self._keys = keys
        self._changed = changed

    def parse(self, document: Mapping[str, Any]) -> _NamedKey:
        """Read a Secret; one that is refused is an item too, so that it gets reported."""
        name, _ = _named(document)
        try:
            return name, credentials.from_secret(document)
        except errors.RefusedError as refusal:
            return name, refusal

    def replace(self, items: list[_NamedKey]) -> None:
        """Take all Secrets."""
        if self._keys.replace(dict(items)):
            self._changed()

    def upsert(self, item: _NamedKey) -> None:
        """Take one Secret."""
        if self._keys.observe(*item):
            self._changed()

    def remove(self, item: _NamedKey) -> None:
        """Take one Secret as deleted."""
        if self._keys.remove(item[0]):
            self._changed()


def _number(text: object) -> int:
    """A resource version; they can be compared, though nothing else follows from them."""
    return int(text) if isinstance(text, str) and text.isdecimal() else 0


def _named(document: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    try:
        metadata = document["metadata"]
        return str(metadata["name"]), metadata
    except (KeyError, TypeError) as fault:
        raise errors.RefusedError("an object from the API server has no name") from fault
