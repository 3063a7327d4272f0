"""OpenTelemetry's keys: `io.opentelemetry.discovery.logs/enabled` and `/config`.

`io.opentelemetry.discovery.logs.<container>/...` is for one container and wins. After the receiver
creator's documentation ("Generate receiver configurations from provided hints") and that of the
filelog receiver and its operators. As there, a key can only mean the container's own output.
"""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import yaml

from loghub_agent import pods, wishes
from loghub_agent.aliases import counterparts

_PREFIX: Final = "io.opentelemetry.discovery.logs"
_MAX_OPERATORS: Final = 16
_IDLE: Final = frozenset(
    ("include_file_name", "include_file_path", "max_log_size", "poll_interval", "start_at", "id")
)
"""Settings of the receiver that say how to read, which an agent here does anyway."""
_MATCHES: Final = re.compile(r"""\s*body\s+matches\s+(["'])(.*)\1\s*""")
"""The one kind of expression that is understood."""


def read(
    annotations: Mapping[str, str], container: str, problems: list[wishes.Problem]
) -> wishes.Said:
    """Return what the keys for a container come to."""
    enabled, key, of = _effective(annotations, container, "enabled")
    if not key or enabled == "false":
        return wishes.SILENT
    if enabled != "true":
        words = f"is {enabled[:80]!r}; write true or false"
        problems.append(wishes.Problem(of, key, words))
        return wishes.SILENT
    config, config_key, of = _effective(annotations, container, "config")
    draft = counterparts.Draft(config_key or key, of, problems)
    if config:
        _take(draft, config)
    return wishes.Said((wishes.Wish("", "", wishes.ANNOTATION, key, form=draft.form()),))


def _effective(annotations: Mapping[str, str], container: str, name: str) -> tuple[str, str, str]:
    """Value, key, and the container where it is a container's."""
    for key, of in ((f"{_PREFIX}.{container}/{name}", container), (f"{_PREFIX}/{name}", "")):
        if key in annotations:
            return annotations[key].strip(), key, of
    return "", "", ""


def _take(draft: counterparts.Draft, text: str) -> None:
    config = _document(draft, text)
    for name in sorted(map(str, config.keys() - _IDLE - {"operators", "multiline"})):
        draft.refuse(f"has {name[:80]!r}, which {counterparts.NO_COUNTERPART}")
    lines = config.get("multiline")
    for name, joiner in (("line_start_pattern", "start"), ("line_end_pattern", "end")):
        if isinstance(lines, dict) and name in lines:
            draft.join(joiner, lines[name])
    operators = config.get("operators") or []
    if not isinstance(operators, list) or len(operators) > _MAX_OPERATORS:
        draft.refuse(f"has operators that are no list of up to {_MAX_OPERATORS}")
        return
    for each in operators:
        operator = each if isinstance(each, dict) else {}
        kind = operator.get("type")
        known = _TAKERS.get(kind) if isinstance(kind, str) else None
        (known or _take_unknown)(draft, operator)


def _document(draft: counterparts.Draft, text: str) -> Mapping[str, Any]:
    found = _parsed(text)
    if isinstance(found, str):
        draft.refuse(found)
        return {}
    return found


@functools.lru_cache(maxsize=256)
def _parsed(text: str) -> Mapping[str, Any] | str:
    """The settings, or what is wrong with them; kept, since every plan asks anew."""
    if len(text) > pods.MAX_FOREIGN_CHARACTERS:
        return f"is longer than {pods.MAX_FOREIGN_CHARACTERS} characters; shorten it"
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as fault:
        return f"is no YAML: {' '.join(str(fault).split())[:200]}"
    return found if isinstance(found, dict) else "is no map of the filelog receiver's settings"


def _take_unknown(draft: counterparts.Draft, operator: Mapping[str, Any]) -> None:
    kind = operator.get("type")
    name = kind[:80] if isinstance(kind, str) else ""
    draft.refuse(f"has the operator {name!r}, which {counterparts.NO_COUNTERPART}")


def _take_container(_draft: counterparts.Draft, _operator: Mapping[str, Any]) -> None:
    """The runtime's own format is read in any case."""


def _take_json(draft: counterparts.Draft, _operator: Mapping[str, Any]) -> None:
    draft.parser = "json"


def _take_recombine(draft: counterparts.Draft, operator: Mapping[str, Any]) -> None:
    for name, joiner in (("is_first_entry", "start"), ("is_last_entry", "end")):
        if name in operator:
            pattern = _pattern(operator[name])
            if pattern is None:
                draft.refuse(f'has a {name} that is not: body matches "PATTERN"')
            else:
                draft.join(joiner, pattern)


def _take_filter(draft: counterparts.Draft, operator: Mapping[str, Any]) -> None:
    pattern = _pattern(operator.get("expr"))
    if pattern is None or operator.keys() - {"type", "id", "expr"}:
        draft.refuse('has a filter that is not: expr: body matches "PATTERN"')
    else:
        draft.drop(pattern)


_TAKERS: Final[Mapping[str, Callable[[counterparts.Draft, Mapping[str, Any]], None]]] = {
    "container": _take_container,
    "json_parser": _take_json,
    "recombine": _take_recombine,
    "filter": _take_filter,
}


def _pattern(expression: object) -> str | None:
    """The pattern of `body matches "..."`, in which a backslash stands before itself."""
    found = _MATCHES.fullmatch(expression) if isinstance(expression, str) else None
    return found[2].replace("\\\\", "\\") if found else None
