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
    r"(?:aliyun|loong)_logs_([a-z0-9-]+)(?:_(logstore|project|jsonfile|dockerfile))?"
)
_STREAMS: Final = frozenset(("stdout", "stdout-only", "stderr-only"))
_OUTPUTS: Final = frozenset(("true", "stdout", "stderr"))
"""Values of the annotation `stdout` that ask for collection."""
_PARSERS: Final = frozenset(("json", "keyValue", "syslog", "nginx", "apache"))
_PRESETS: Final = frozenset(("Java", "Python", "Go", "DotNet", "Ruby", "NodeJS", "JSON"))
_JOINERS: Final = frozenset(("start", "continue", "end"))
_MAX_PATTERN: Final = 1024
_MAX_PATHS: Final = 16
_MAX_WILD: Final = 4
_KERNEL: Final = frozenset(("proc", "sys", "dev"))
_WILD: Final = re.compile(r"[*?\[]")
_CLASS: Final = re.compile(r"\[!?(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_.])+\]")
_SPAN: Final = re.compile(r"(.)-(.)")
_NAME: Final = re.compile(rf"\*\*|(?:(?!\*\*)[^\\{{}}\[\]]|{_CLASS.pattern})+")
"""A name of a path: `**`, or sets of characters and what is neither brackets nor a backslash."""


_FOREIGN: Final = ("co.elastic.logs", "ad.datadoghq.com/", "io.opentelemetry.discovery.logs")
"""How annotations begin that agents read where the release says so."""


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


def has_foreign(pod: objects.Object) -> bool:
    """Whether a pod has other collectors' keys, which only agents can read."""
    found: Mapping[str, str] = pod["metadata"].get("annotations") or {}
    return any(key.startswith(_FOREIGN) for key in found)


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
    logstore, project, stdout = (
        _said(pod, container, key) for key in ("logstore", "project", "stdout")
    )
    parser, multiline = _said(pod, container, "parser"), _said(pod, container, "multiline")
    parser = parser if parser in _PARSERS else ""
    multiline = _line(multiline)
    listed = [each.strip() for each in _said(pod, container, "files").split(",")]
    files = tuple(sorted([each for each in dict.fromkeys(listed) if is_path(each)][:_MAX_PATHS]))
    asks = logstore or stdout in _OUTPUTS or ((parser or multiline) and not files)
    if asks and stdout != "false":
        yield Wish(logstore, project, "Annotation", ((), parser, multiline))
    if files:
        yield Wish(logstore, project, "Annotation", (files, parser, multiline))


def _line(word: str) -> str:
    """A preset or pattern as a LogConfig's `selector.optIn` has it; empty where it is none."""
    pattern = f"start:{word}" if word.startswith("^") else word
    joiner, _, rest = pattern.partition(":")
    good = joiner in _JOINERS and 0 < len(rest) <= _MAX_PATTERN and rest.isprintable()
    return pattern if good or word in _PRESETS else ""


def is_path(path: str) -> bool:
    """Whether it may stand in a pod's own keys."""
    names = path.split("/")[1:]
    if not path.startswith("/") or len(path) > _MAX_PATTERN or not path.isprintable():
        return False
    if {"", ".", ".."} & set(names) or names[0] in _KERNEL or _WILD.search(names[0]):
        return False
    wild = [name for name in names if _WILD.search(name)]
    if len(wild) > _MAX_WILD or names.count("**") > 1:
        return False
    return all(_NAME.fullmatch(name) and _ordered(name) for name in names)


def _ordered(name: str) -> bool:
    spans = (span for each in _CLASS.findall(name) for span in _SPAN.findall(each))
    return all(first <= last for first, last in spans)


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
        elif is_path(source) and parts.get("dockerfile", "").lower() != "false":
            parser = "json" if parts.get("jsonfile", "").lower() == "true" else ""
            yield Wish(logstore, project, "Environment", ((source,), parser, ""))


def _variables(pod: objects.Object, container: str) -> Iterator[tuple[str, str]]:
    spec = objects.spec(pod)
    for section in SECTIONS:
        for each in spec.get(section) or []:
            for variable in (each.get("env") or []) if each["name"] == container else []:
                if not variable.get("valueFrom"):
                    yield str(variable["name"]), str(variable.get("value") or "").strip()
