"""The form of an opt-in: what a pod says of files, parser and multi-line records. Pure.

Agents judge what pods write and report it; `granting` judges it again, since a report is only as
good as its agent, and `optins` makes the fields of a LogConfig of it.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

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
_PATH: Final[pydantic.TypeAdapter[str]] = pydantic.TypeAdapter(configs.FilePath)


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Form:
    """One of them; the empty one is the containers' output, line by line."""

    files: tuple[str, ...] = ()
    parser: str = ""
    multiline: str = ""

    def document(self) -> dict[str, Any]:
        """The fields that say something, as in `selector.optIn`."""
        every = {"files": list(self.files), "parser": self.parser, "multiline": self.multiline}
        return {key: value for key, value in every.items() if value}


PLAIN: Final = Form()


def read(entry: Mapping[str, Any]) -> Form:
    """The form in an entry of a report."""
    return Form(
        tuple(sorted(str(each) for each in entry.get("files") or ())),
        str(entry.get("parser", "")),
        str(entry.get("multiline", "")),
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
    if form.multiline and not _is_preset(form.multiline):
        try:
            compiling.check_pattern("multiline.start", form.multiline)
        except compiling.InvalidError as broken:
            yield str(broken)


def _is_preset(word: str) -> bool:
    [presets] = [
        get_args(each)
        for each in get_args(configs.Multiline.model_fields["preset"].annotation)
        if get_args(each)
    ]
    return word in presets


def fields(form: Form) -> dict[str, Any]:
    """The fields of a LogConfig's spec that the form stands for."""
    source = {"containerFiles": {"paths": list(form.files)}} if form.files else {"stdout": {}}
    found: dict[str, Any] = {"input": source}
    if form.parser:
        found["parser"] = dict(_PARSERS[form.parser])
    if form.multiline:
        key = "preset" if _is_preset(form.multiline) else "start"
        found["multiline"] = {key: form.multiline}
    return found


def suffix(form: Form) -> str:
    """What tells the LogConfig of a form from the plain one of the same LogStore.

    The dot cannot be in a LogStore's name here, so no LogStore can take another's LogConfig.
    """
    said = form.document()
    if not said:
        return ""
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8]
    return f".{'files' if form.files else 'lines'}-{digest}"
