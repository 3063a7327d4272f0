"""How a LogPipeline's lines become fields: checked here by shape, compiled by the core.

`raw` reads a spec's `parser`, `time`, `onParseError`, `keepRaw` and `processors` through `read`,
and `plan` hands the result to the core as it is. What a pattern or a format means is the core's
business: it answers with a sentence that names the same field.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from loghub_agent.config import limits, reading

Document = dict[str, Any]
"""Plain JSON values in the core's spelling, which is the contract's."""

_MAX_RATE: Final = 2**53
"""Bytes per second; far beyond any disk."""
_QUOTE: Final = 4
"""Characters of a quote; the core wants one."""


def read(root: reading.Section) -> Document | None:
    """Return what the core is to do with lines, None where they stay as they are.

    Raises:
        RefusedError: an unknown key, a wrong type or a value out of bounds.
    """
    shaping: Document = {}
    if (parser := root.section("parser")) is not None:
        shaping["parser"] = _one_of(parser, _PARSERS)
    if (time := root.section("time")) is not None:
        shaping["time"] = _read_time(time)
    if (choice := root.choice("onParseError", ("KeepRaw", "Drop"), "KeepRaw")) != "KeepRaw":
        shaping["onParseError"] = choice
    if root.flag("keepRaw"):
        shaping["keepRaw"] = True
    processors = [_one_of(each, _PROCESSORS) for each in root.sections("processors")]
    if processors:
        shaping["processors"] = processors
    return shaping or None


def _read_time(section: reading.Section) -> Document:
    time = {
        "key": section.text("key"),
        "format": section.text("format"),
        "timezone": section.text("timezone", ""),
        "onMissing": section.choice("onMissing", ("Receive", "Drop"), "Receive"),
    }
    section.end()
    return time


_Reader = Callable[[reading.Section, str], Any]


def _one_of(section: reading.Section, kinds: Mapping[str, _Reader]) -> Document:
    """Read a map with exactly one of the keys of `kinds`."""
    given = [name for name in section.names() if name in kinds]
    if len(given) != 1:
        section.refuse("", f"must have exactly one of {', '.join(sorted(kinds))}")
    read = {name: kinds[name](section, name) for name in given}
    section.end()
    return read


def _inner(read: Callable[[reading.Section], Document]) -> _Reader:
    """Make a reader of the map at a key from a reader of that map."""

    def at(section: reading.Section, key: str) -> Document:
        inner = section.required_section(key)
        document = read(inner)
        inner.end()
        return document

    return at


def _regex(section: reading.Section) -> Document:
    return {"pattern": section.text("pattern"), "keys": list(section.texts("keys"))}


def _json(section: reading.Section) -> Document:
    return {
        "maxDepth": section.whole("maxDepth", limits.JSON_DEPTH, 1),
        "prefix": section.text("prefix", "", limit=limits.MAX_TAG_CHARACTERS),
    }


def _delimiter(section: reading.Section) -> Document:
    return {
        "separator": section.text("separator", control=True),
        "quote": section.text("quote", "", limit=_QUOTE),
        "keys": list(section.texts("keys")),
        "allowExtra": section.flag("allowExtra"),
        "allowMissing": section.flag("allowMissing"),
    }


def _log_format(section: reading.Section) -> Document:
    return {"logFormat": section.text("logFormat", control=True)}


def _iis(section: reading.Section) -> Document:
    return {"fields": list(section.texts("fields"))}


def _syslog(section: reading.Section) -> Document:
    return {"rfc": section.choice("rfc", ("Auto", "RFC3164", "RFC5424"), "Auto")}


def _key_value(section: reading.Section) -> Document:
    return {
        "pairSeparator": section.text("pairSeparator", " ", control=True),
        "separator": section.text("separator", "=", control=True),
        "quote": section.text("quote", '"', limit=_QUOTE),
    }


def _grok(section: reading.Section) -> Document:
    return {"pattern": section.text("pattern")}


def _filter(section: reading.Section) -> Document:
    return {
        "include": dict(section.mapping("include", key_limit=limits.MAX_TAG_CHARACTERS)),
        "exclude": dict(section.mapping("exclude", key_limit=limits.MAX_TAG_CHARACTERS)),
    }


def _mask(section: reading.Section) -> Document:
    mask = {
        "key": section.text("key"),
        "pattern": section.text("pattern"),
        "with": section.choice("with", ("Const", "MD5", "SHA256"), "Const"),
    }
    replacement = section.text("replacement", "********")
    return mask | {"replacement": replacement}


def _sample(section: reading.Section) -> Document:
    return {"rate": section.number("rate", (0.0, 1.0))}


def _rate_limit(section: reading.Section) -> Document:
    return {"bytesPerSecond": section.whole("bytesPerSecond", (1, _MAX_RATE))}


def _texts_by_key(section: reading.Section, key: str) -> Document:
    return dict(section.mapping(key, key_limit=limits.MAX_TAG_CHARACTERS))


_PARSERS: Final[Mapping[str, _Reader]] = {
    "regex": _inner(_regex),
    "json": _inner(_json),
    "delimiter": _inner(_delimiter),
    "nginx": _inner(_log_format),
    "apache": _inner(_log_format),
    "iis": _inner(_iis),
    "syslog": _inner(_syslog),
    "keyValue": _inner(_key_value),
    "grok": _inner(_grok),
}

_PROCESSORS: Final[Mapping[str, _Reader]] = {
    "filter": _inner(_filter),
    "mask": _inner(_mask),
    "rename": _texts_by_key,
    "remove": lambda section, key: list(section.texts(key)),
    "add": _texts_by_key,
    "sample": _inner(_sample),
    "rateLimit": _inner(_rate_limit),
}
