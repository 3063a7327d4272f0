"""The form of an opt-in: what a pod says of files, parser and multi-line records. Pure.

Agents judge what pods write and report it; `granting` judges it again, since a report is only as
good as its agent, and `optins` makes the fields of a LogConfig of it.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pydantic

from loghub_operator import compiling
from loghub_operator.resources import configs

MAX_PATHS: Final = 16
"""Of one opt-in, as agents report at most."""
_PARSERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "json": {"json": {}},
    "keyValue": {"keyValue": {}},
    "syslog": {"syslog": {}},
    "nginx": {"nginx": {"logFormat": "combined"}},
    "apache": {"apache": {"logFormat": "combined"}},
}
"""A LogConfig's `spec.parser` by the word for it."""
PRESETS: Final = frozenset(("Java", "Python", "Go", "DotNet", "Ruby", "NodeJS", "JSON"))
_JOINERS: Final = frozenset(("start", "continue", "end"))
"""Which line of a record a pattern is the sign of."""
MAX_FILTERS: Final = 8
"""Of one opt-in, as agents report at most."""
_MAX_PATTERN: Final = 1024
_PATH: Final[pydantic.TypeAdapter[str]] = pydantic.TypeAdapter(configs.FilePath)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Form:
    """One of them; the empty one is the containers' output, line by line."""

    files: tuple[str, ...] = ()
    parser: str = ""
    multiline: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The fields that say something, as in `selector.optIn`."""
        return {
            field.name: list(value) if isinstance(value, tuple) else value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name))
        }


PLAIN: Final = Form()


def read(entry: Mapping[str, Any]) -> Form:
    """The form in an entry of a report."""

    def texts(key: str) -> tuple[str, ...]:
        return tuple(str(each) for each in entry.get(key) or ())

    return Form(
        tuple(sorted(texts("files"))),
        str(entry.get("parser", "")),
        str(entry.get("multiline", "")),
        texts("include"),
        texts("exclude"),
    )


def fault(form: Form) -> str:
    """What is wrong with a form, as a sentence; empty if nothing is."""
    return next(_faults(form), "")


def _faults(form: Form) -> Iterator[str]:
    if len(form.files) > MAX_PATHS:
        yield f"it names {len(form.files)} paths, and {MAX_PATHS} are possible."
    for path in form.files:
        try:
            _PATH.validate_python(path)
            good = path.isprintable()
        except pydantic.ValidationError:
            good = False
        if not good:
            yield f"{path[:80]!r} is no absolute path without '.' and '..': correct it."
    if form.parser and form.parser not in _PARSERS:
        yield f"{form.parser[:80]!r} is none of the parsers {', '.join(_PARSERS)}."
    joiner, colon, first = form.multiline.partition(":")
    if form.multiline and not _is_preset(form.multiline) and (not colon or joiner not in _JOINERS):
        yield f"{form.multiline[:80]!r} is no preset and no pattern of a line."
    if len(form.include) + len(form.exclude) > MAX_FILTERS:
        yield f"it has over {MAX_FILTERS} patterns that leave lines out."
    for pattern in (*([first] if colon else ()), *form.include, *form.exclude):
        if not 0 < len(pattern) <= _MAX_PATTERN or not pattern.isprintable():
            yield f"{pattern[:80]!r} is no pattern of 1 to {_MAX_PATTERN} characters."


def judged(form: Form) -> tuple[Form, list[str]]:
    """The form without the patterns that are none, and a sentence about each of those."""
    first = "" if _is_preset(form.multiline) else form.multiline.partition(":")[2]
    given = (("multiline", first), *(("filter", each) for each in (*form.include, *form.exclude)))
    faults = [fault for field, each in given if each and (fault := _pattern_fault(field, each))]
    if not faults:
        return form, []
    clean = Form(
        form.files,
        form.parser,
        "" if first and _pattern_fault("multiline", first) else form.multiline,
        tuple(each for each in form.include if not _pattern_fault("filter", each)),
        tuple(each for each in form.exclude if not _pattern_fault("filter", each)),
    )
    return clean, faults


@functools.lru_cache(maxsize=4096)
def _pattern_fault(field: str, pattern: str) -> str:
    try:
        compiling.check_pattern(f"the pattern of {field}", pattern)
    except compiling.InvalidError as broken:
        return str(broken)
    return ""


def _is_preset(word: str) -> bool:
    return word in PRESETS


def fields(form: Form) -> dict[str, Any]:
    """The fields of a LogConfig's spec that the form stands for."""
    source = {"containerFiles": {"paths": list(form.files)}} if form.files else {"stdout": {}}
    found: dict[str, Any] = {"input": source}
    if form.parser:
        found["parser"] = dict(_PARSERS[form.parser])
    if form.multiline:
        joiner, _, pattern = form.multiline.partition(":")
        preset = _is_preset(form.multiline)
        found["multiline"] = {"preset": form.multiline} if preset else {joiner: pattern}
    if form.include or form.exclude:
        found |= _filters(form)
    return found


def _filters(form: Form) -> dict[str, Any]:
    """Filters of the line as it was written, which a parsed record has for that long only."""
    key = "__raw__" if form.parser else "content"
    kinds = (("include", form.include), ("exclude", form.exclude))
    processors: list[dict[str, Any]] = [
        {"filter": {kind: {key: pattern}}} for kind, patterns in kinds for pattern in patterns
    ]
    if not form.parser:
        return {"processors": processors}
    return {"processors": [*processors, {"remove": [key]}], "keepRaw": True}


def suffix(form: Form) -> str:
    """What tells the LogConfig of a form from the plain one of the same LogStore.

    The dot cannot be in a LogStore's name here, so no LogStore can take another's LogConfig.
    """
    said = form.document()
    if not said:
        return ""
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]
    return f".{'files' if form.files else 'lines'}-{digest}"
