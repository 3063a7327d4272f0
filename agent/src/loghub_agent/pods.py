"""The little that the agent keeps of a pod, read from the API server's object or a saved state.

Pods come from `cluster` or, without Kubernetes, from `standalone`; `inventory` holds them,
`matching` compares them with pipelines and `planning` turns their containers into sources.
A pod object is 5 to 20 KB of JSON; what stays here is about 1 KB.
"""

import dataclasses
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from loghub_agent import errors
from loghub_agent.config import limits

PREFIX: Final = "loghub.dev/"
EXCLUDE: Final = PREFIX + "exclude"
LOGSTORE: Final = PREFIX + "logstore"
PROJECT: Final = PREFIX + "project"
VARIABLES: Final = ("loong_logs_", "aliyun_logs_")
"""Prefixes of containers' variables that are ours to read; the first one wins."""
FOREIGN: Final = ("co.elastic.logs", "ad.datadoghq.com/", "io.opentelemetry.discovery.logs")
"""How annotations begin that `aliases` can read."""
MAX_FOREIGN_CHARACTERS: Final = 4096
"""Longest of those that are kept; they hold whole documents."""
MAX_VARIABLES: Final = 100
"""Such variables kept of one container; a guess: some ten keys with every suffix."""

_CONFIG_HASH: Final = "kubernetes.io/config.hash"
_HASH_FORM: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
"""A static pod's hash names a directory, and any user can set the annotation: no dots, no slash."""
_TERMINAL: Final = frozenset(("Succeeded", "Failed"))
_DEFAULT_GRACE_SECONDS: Final = 30
"""Kubernetes' default for terminationGracePeriodSeconds."""
_MAX_GRACE_SECONDS: Final = 300
"""How long a pod that vanished while running may keep its sources open; a guess."""
_SECTIONS: Final = ("initContainers", "containers", "ephemeralContainers")
_STATUSES: Final = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


@dataclasses.dataclass(frozen=True, slots=True)
class Container:
    """One container of any kind: init, ordinary or ephemeral."""

    name: str
    image: str
    environment: tuple[tuple[str, str | None], ...] = ()
    """Variables with one of our prefixes; None stands for a value that is not in the pod. One more
    than MAX_VARIABLES means that there are too many."""
    id: str = ""
    """`<runtime>://<id>` of the one that runs or ran last; empty while nobody knows."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pod:
    """One pod of this node. `labels` and `annotations` are None where nobody knows them."""

    uid: str
    """The object's uid; in standalone mode the uid in the directory's name."""
    log_uid: str
    """The uid in the log directory's name: a static pod's is its configuration hash."""
    namespace: str
    name: str
    node: str
    ip: str
    labels: Mapping[str, str] | None
    annotations: Mapping[str, str] | None
    containers: tuple[Container, ...]
    finished: bool = False
    """Whether the phase is final."""
    running: bool = False
    """Whether a container was running when the pod was last seen."""
    deleting: bool = False
    """Whether somebody asked for its end."""
    grace_seconds: int = _DEFAULT_GRACE_SECONDS

    @property
    def directory(self) -> str:
        """The name of its directory beneath /var/log/pods."""
        return f"{self.namespace}_{self.name}_{self.log_uid}"


def from_object(document: Mapping[str, Any]) -> Pod:
    """Read a pod as the API server sends it.

    Raises:
        RefusedError: it lacks what every pod has (a foreign or broken answer).
    """
    try:
        metadata, spec = document["metadata"], document["spec"]
        status = document.get("status") or {}
        annotations = metadata.get("annotations") or {}
        config_hash = annotations.get(_CONFIG_HASH, "")
        return Pod(
            uid=metadata["uid"],
            log_uid=config_hash if _HASH_FORM.fullmatch(config_hash) else metadata["uid"],
            namespace=sys.intern(metadata["namespace"]),
            name=metadata["name"],
            node=sys.intern(spec.get("nodeName") or ""),
            ip=status.get("podIP") or "",
            labels=_interned(metadata.get("labels") or {}),
            annotations=_interned(dict(_kept(annotations))),
            containers=tuple(_containers(spec, _ids(status))),
            finished=status.get("phase") in _TERMINAL,
            running=_runs(status),
            deleting=metadata.get("deletionTimestamp") is not None,
            grace_seconds=_grace(spec),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise errors.RefusedError(f"a pod from the API server has no readable {fault}") from fault


def _interned(values: Mapping[str, str]) -> dict[str, str]:
    return {sys.intern(key): sys.intern(value) for key, value in values.items()}


def _kept(annotations: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Those that may matter. Of a key that is read one character too many stays, for its reader."""
    for key, value in annotations.items():
        most = limits.MAX_ANNOTATION_CHARACTERS
        if key.startswith(FOREIGN):
            yield key, value[: MAX_FOREIGN_CHARACTERS + 1]
        elif len(value) <= most or PREFIX in key:
            yield key, value[: most + 1]


def _containers(spec: Mapping[str, Any], ids: Mapping[str, str]) -> Iterator[Container]:
    for section in _SECTIONS:
        for container in spec.get(section) or ():
            yield Container(
                sys.intern(container["name"]),
                sys.intern(container.get("image") or ""),
                tuple(_environment(container))[: MAX_VARIABLES + 1],
                ids.get(container["name"], ""),
            )


def _environment(container: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    for variable in container.get("env") or ():
        name = variable["name"]
        if name.startswith(VARIABLES):
            # Without valueFrom, no value is the empty one.
            value = None if variable.get("valueFrom") else variable.get("value") or ""
            if value is not None:
                value = sys.intern(value[: limits.MAX_ANNOTATION_CHARACTERS + 1])
            yield sys.intern(name[: limits.MAX_ANNOTATION_CHARACTERS]), value


def _statuses(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for section in _STATUSES:
        yield from status.get(section) or ()


def _ids(status: Mapping[str, Any]) -> dict[str, str]:
    return {each["name"]: each.get("containerID") or "" for each in _statuses(status)}


def _runs(status: Mapping[str, Any]) -> bool:
    return any(
        (container.get("state") or {}).get("running") is not None for container in _statuses(status)
    )


def _grace(spec: Mapping[str, Any]) -> int:
    seconds = spec.get("terminationGracePeriodSeconds")
    return min(_DEFAULT_GRACE_SECONDS if seconds is None else int(seconds), _MAX_GRACE_SECONDS)


def to_state(pod: Pod) -> dict[str, Any]:
    """Return the pod as plain JSON values for the state directory."""
    state = {field.name: getattr(pod, field.name) for field in dataclasses.fields(pod)}
    state["containers"] = [_saved(container) for container in pod.containers]
    return state


def _saved(container: Container) -> list[Any]:
    """Name and image, as older versions write it, then variables and id where there are some."""
    variables = [list(variable) for variable in container.environment]
    more = [variables, container.id] if container.id else [variables] if variables else []
    return [container.name, container.image, *more]


def _restored(
    name: str, image: str, variables: Iterable[Iterable[str]] = (), container_id: str = ""
) -> Container:
    return Container(name, image, tuple((key, value) for key, value in variables), container_id)


def from_state(state: Mapping[str, Any]) -> Pod:
    """Read what `to_state` wrote.

    Raises:
        StateError: it is not what `to_state` writes.
    """
    try:
        containers = tuple(_restored(*saved) for saved in state["containers"])
        return Pod(**{**state, "containers": containers})
    except (KeyError, TypeError, ValueError) as fault:
        raise errors.StateError(f"a saved pod cannot be read: {fault}") from fault
