"""What a pod's containers ask for by their own keys: annotations and variables. Pure.

The same reading as the agent's, which alone decides; here it is only explained. Part of
`selecting`.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from loghub_cli import objects

PREFIX: Final = "loghub.dev/"
SECTIONS: Final = ("initContainers", "containers", "ephemeralContainers")

_VARIABLE: Final = re.compile(r"(?:aliyun|loong)_logs_([a-z0-9-]+)(?:_(logstore|project))?")
_STREAMS: Final = frozenset(("stdout", "stdout-only", "stderr-only"))


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """One Logstore that a container asks for; the project is empty where none is named."""

    logstore: str
    project: str
    via: str


def annotation(pod: objects.Object, container: str, key: str) -> str | None:
    """The value of an annotation for a container: its own, else the pod's."""
    found: Mapping[str, str] = pod["metadata"].get("annotations") or {}
    return found.get(f"{container}.{PREFIX}{key}", found.get(f"{PREFIX}{key}"))


def excluded(pod: objects.Object, container: str) -> bool | None:
    """Whether a container is left out of everything; None where nothing is said."""
    return {"true": True, "false": False}.get((annotation(pod, container, "exclude") or "").strip())


def wishes(pod: objects.Object, container: str) -> Sequence[Wish]:
    """Everything that a container asks for."""
    found = list(_by_variable(pod, container))
    logstore = (annotation(pod, container, "logstore") or "").strip()
    if logstore and (annotation(pod, container, "stdout") or "").strip() != "false":
        project = (annotation(pod, container, "project") or "").strip()
        found.insert(0, Wish(logstore, project, "Annotation"))
    return found


def meant(opt_in: Mapping[str, Any], pod: objects.Object, container: str) -> bool:
    """Whether a LogConfig's `selector.optIn` takes a container."""
    via = opt_in.get("via") or ("Annotation", "Environment")
    heard = [wish for wish in wishes(pod, container) if wish.via in via]
    if opt_in.get("unnamed") and not heard:
        return (annotation(pod, container, "stdout") or "").strip() != "false"
    projects = opt_in.get("projects") or [""]
    return any(
        wish.logstore == opt_in.get("logstore") and wish.project in projects for wish in heard
    )


def _by_variable(pod: objects.Object, container: str) -> Iterator[Wish]:
    keys: dict[str, dict[str, str]] = {}
    variables = list(_variables(pod, container))
    for prefix in ("aliyun", "loong"):  # the latter wins
        for name, value in variables:
            match = _VARIABLE.fullmatch(name) if name.startswith(prefix) else None
            if match is not None:
                keys.setdefault(match[1], {})[match[2] or ""] = value
    for key, parts in sorted(keys.items()):
        if parts.get("") in _STREAMS:
            yield Wish(parts.get("logstore") or key, parts.get("project", ""), "Environment")


def _variables(pod: objects.Object, container: str) -> Iterator[tuple[str, str]]:
    spec = objects.spec(pod)
    for section in SECTIONS:
        for each in spec.get(section) or []:
            for variable in (each.get("env") or []) if each["name"] == container else []:
                if not variable.get("valueFrom"):
                    yield str(variable["name"]), str(variable.get("value") or "").strip()
