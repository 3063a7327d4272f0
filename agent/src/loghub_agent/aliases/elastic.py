"""Elastic's hints: `co.elastic.logs/<hint>`, and `co.elastic.logs.<container>/<hint>`, which wins.

After "Hints based autodiscover" and "Manage multiline messages" of Filebeat's reference. Any hint
asks for the container's output, but for `enabled: "false"`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Final

from loghub_agent import wishes
from loghub_agent.aliases import counterparts

_PREFIX: Final = "co.elastic.logs"
_MODULES: Final = frozenset(("nginx", "apache"))
"""Those whose access logs have a parser of the same name."""
_JOINERS: Final[Mapping[tuple[str, str], str]] = {
    ("true", "after"): "start",
    ("false", "after"): "continue",
    ("true", "before"): "end",
}
"""What a pattern is the sign of, by `multiline.negate` and `multiline.match`."""
_OF_MULTILINE: Final = frozenset(f"multiline.{each}" for each in ("pattern", "negate", "match"))


@dataclasses.dataclass(frozen=True, slots=True)
class _Hint:
    value: str
    key: str
    container: str


def read(
    annotations: Mapping[str, str], container: str, problems: list[wishes.Problem]
) -> wishes.Said:
    """Return what the hints for a container come to."""
    hints = _hints(annotations, container)
    if not hints:
        return wishes.SILENT
    if _flag(hints, "enabled") == "false" or _flag(hints, "disable") == "true":
        return wishes.Said(excluded=True)
    first = hints.get("enabled") or hints[min(hints)]
    draft = counterparts.Draft(first.key, "", problems)
    for name, hint in hints.items():
        draft.container = hint.container
        _take(draft, name, hint)
    _take_multiline(draft, hints)
    wish = wishes.Wish("", "", wishes.ANNOTATION, first.key, form=draft.form())
    return wishes.Said((wish,))


def _hints(annotations: Mapping[str, str], container: str) -> dict[str, _Hint]:
    found = {}
    for prefix, of in ((f"{_PREFIX}/", ""), (f"{_PREFIX}.{container}/", container)):
        for key in sorted(annotations):
            if key.startswith(prefix):
                name = key.removeprefix(prefix)
                found[name] = _Hint(annotations[key].strip(), key, of)
    return found


def _flag(hints: Mapping[str, _Hint], name: str) -> str:
    return hints[name].value.lower() if name in hints else ""


def _take(draft: counterparts.Draft, name: str, hint: _Hint) -> None:
    taker = _TAKERS.get(name)
    if taker is not None:
        taker(draft, hint)
    elif name.startswith("json."):
        draft.parser = "json"
    elif name not in _OF_MULTILINE:
        draft.refuse(counterparts.NO_COUNTERPART, hint.key)


def _take_enabled(draft: counterparts.Draft, hint: _Hint) -> None:
    if hint.value.lower() not in {"true", "false"}:
        draft.refuse(f"is {hint.value[:80]!r}; write true or false", hint.key)


def _take_module(draft: counterparts.Draft, hint: _Hint) -> None:
    if hint.value in _MODULES:
        draft.parser = hint.value
    else:
        draft.refuse(f"is {hint.value[:80]!r}; only nginx and apache have a parser here", hint.key)


def _take_include(draft: counterparts.Draft, hint: _Hint) -> None:
    # One of them is enough, and a form wants all of its own.
    draft.keep("|".join(f"(?:{each})" for each in _list(hint.value)), hint.key)


def _take_exclude(draft: counterparts.Draft, hint: _Hint) -> None:
    draft.drop("|".join(f"(?:{each})" for each in _list(hint.value)), hint.key)


_TAKERS: Final[Mapping[str, Callable[[counterparts.Draft, _Hint], None]]] = {
    "enabled": _take_enabled,
    "disable": _take_enabled,
    "module": _take_module,
    "include_lines": _take_include,
    "exclude_lines": _take_exclude,
}


def _list(text: str) -> list[str]:
    """A list of patterns between commas, in brackets and quotes or not."""
    inner = text.removeprefix("[").removesuffix("]") if text.startswith("['") else text
    return [each.strip().strip("'\"") for each in inner.split(",") if each.strip()]


def _take_multiline(draft: counterparts.Draft, hints: Mapping[str, _Hint]) -> None:
    pattern = hints.get("multiline.pattern")
    if pattern is None:
        return
    negate = _flag(hints, "multiline.negate") or "false"
    match = _flag(hints, "multiline.match") or "after"
    draft.container = pattern.container
    joiner = _JOINERS.get((negate, match))
    if joiner is None:
        words = f"with negate {negate!r} and match {match!r} " + counterparts.NO_COUNTERPART
        draft.refuse(words, pattern.key)
    else:
        draft.join(joiner, pattern.value, pattern.key)
