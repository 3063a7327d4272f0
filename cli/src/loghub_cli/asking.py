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

_VARIABLE: Final = re.compile(
    r"(?:aliyun|loong)_logs_([a-z0-9-]+)(?:_(logstore|project|jsonfile))?"
)
_STREAMS: Final = frozenset(("stdout", "stdout-only", "stderr-only"))


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """One Logstore that a container asks for; it and the project are empty where none is named."""

    logstore: str
    project: str
    via: str
    form: tuple[tuple[str, ...], str, str] = ((), "", "")
    """Files, parser, first line of a record: as in `selector.optIn`."""

    def __str__(self) -> str:
        name, files = self.logstore or "the default Logstore", self.form[0]
        return f"{name} ({', '.join(files)})" if files else name


def annotation(pod: objects.Object, container: str, key: str) -> str | None:
    """The value of an annotation for a container: its own, else the pod's."""
    found: Mapping[str, str] = pod["metadata"].get("annotations") or {}
    return found.get(f"{container}.{PREFIX}{key}", found.get(f"{PREFIX}{key}"))


def excluded(pod: objects.Object, container: str) -> bool | None:
    """Whether a container is left out of everything; None where nothing is said."""
    return {"true": True, "false": False}.get((annotation(pod, container, "exclude") or "").strip())


def wishes(pod: objects.Object, container: str) -> Sequence[Wish]:
    """Everything that a container asks for."""
    return [*_by_annotation(pod, container), *_by_variable(pod, container)]


def meant(opt_in: Mapping[str, Any], pod: objects.Object, container: str) -> bool:
    """Whether a LogConfig's `selector.optIn` takes a container."""
    via = opt_in.get("via") or ("Annotation", "Environment")
    heard = [wish for wish in wishes(pod, container) if wish.via in via]
    if opt_in.get("unnamed") and not heard:
        return _said(pod, container, "stdout") != "false"
    return any(_fulfils(opt_in, wish) for wish in heard)


def _fulfils(opt_in: Mapping[str, Any], wish: Wish) -> bool:
    names = {opt_in.get("logstore"), *(opt_in.get("otherNames") or ())}
    if opt_in.get("unnamed") or opt_in.get("withoutStore"):
        names.add("")
    files = tuple(sorted(opt_in.get("files") or ()))
    form = files, opt_in.get("parser") or "", opt_in.get("multiline") or ""
    asked = wish.logstore in names and wish.form == form
    return asked and wish.project in (opt_in.get("projects") or [""])


def _said(pod: objects.Object, container: str, key: str) -> str:
    return (annotation(pod, container, key) or "").strip()


def _by_annotation(pod: objects.Object, container: str) -> Iterator[Wish]:
    keys = ("logstore", "project", "stdout", "parser", "multiline")
    logstore, project, stdout, parser, multiline = (_said(pod, container, key) for key in keys)
    listed = (annotation(pod, container, "files") or "").split(",")
    files = tuple(sorted({each.strip() for each in listed if each.strip().startswith("/")}))
    asks = logstore or stdout or ((parser or multiline) and not files)
    if asks and stdout != "false":
        yield Wish(logstore, project, "Annotation", ((), parser, multiline))
    if files:
        yield Wish(logstore, project, "Annotation", (files, parser, multiline))


def _by_variable(pod: objects.Object, container: str) -> Iterator[Wish]:
    keys: dict[str, dict[str, str]] = {}
    variables = list(_variables(pod, container))
    for prefix in ("aliyun", "loong"):  # the latter wins
        for name, value in variables:
            match = _VARIABLE.fullmatch(name) if name.startswith(prefix) else None
            if match is not None:
                keys.setdefault(match[1], {})[match[2] or ""] = value
    for key, parts in sorted(keys.items()):
        source = parts.get("", "")
        logstore, project = parts.get("logstore") or key, parts.get("project", "")
        if source in _STREAMS:
            yield Wish(logstore, project, "Environment")
        elif source.startswith("/"):
            parser = "json" if parts.get("jsonfile", "").lower() == "true" else ""
            yield Wish(logstore, project, "Environment", ((source,), parser, ""))


def _variables(pod: objects.Object, container: str) -> Iterator[tuple[str, str]]:
    spec = objects.spec(pod)
    for section in SECTIONS:
        for each in spec.get(section) or []:
            for variable in (each.get("env") or []) if each["name"] == container else []:
                if not variable.get("valueFrom"):
                    yield str(variable["name"]), str(variable.get("value") or "").strip()
