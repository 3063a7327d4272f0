"""How lines become fields: the parsers, the time and the processors of a LogConfig.

Fields and defaults are the LogPipeline contract's own, so that `compiling` hands them on as they
are; agents compile them and say what they refuse.
"""

from typing import Annotated, Final, Literal

import pydantic

from loghub_operator.resources import model

_MAX_PATTERN: Final = 4096
"""Longer than any pattern people write; agents refuse longer texts."""

Pattern = Annotated[str, pydantic.Field(min_length=1, max_length=_MAX_PATTERN)]
"""A regular expression in linear time: RE2's syntax."""

Key = Annotated[str, pydantic.Field(min_length=1, max_length=128)]
"""A field's name; 128 bytes is the service's limit."""

Quote = Annotated[str, pydantic.Field(max_length=1)]
Separator = Annotated[str, pydantic.Field(min_length=1, max_length=64)]


class Regex(model.Model):
    """A pattern that matches the whole line; its groups are fields, by `keys` or by own names."""

    pattern: Pattern
    keys: list[Key] = pydantic.Field(default=[], max_length=200)


class Json(model.Model):
    """A JSON object: its members are fields."""

    max_depth: Annotated[int, pydantic.Field(ge=1, le=10)] = pydantic.Field(
        default=1, description="Levels of objects that become fields; deeper ones stay JSON text."
    )
    prefix: Annotated[str, pydantic.Field(max_length=64)] = pydantic.Field(
        default="", description="In front of every key."
    )


class Delimiter(model.Model):
    """Columns between separators."""

    separator: Separator
    quote: Quote = pydantic.Field(
        default="", description="Around columns that hold a separator; two stand for one."
    )
    keys: list[Key] = pydantic.Field(min_length=1, max_length=500)
    allow_extra: bool = pydantic.Field(
        default=False, description="More columns than keys become __column<number>__."
    )
    allow_missing: bool = False


class LogFormat(model.Model):
    """An access log, by the server's own format string, directive, or its name (combined)."""

    log_format: Annotated[str, pydantic.Field(min_length=1, max_length=4096)]


class Iis(model.Model):
    """A W3C extended log; `fields` are the words of its #Fields: line."""

    fields: list[Annotated[str, pydantic.Field(min_length=1, max_length=1024)]] = pydantic.Field(
        min_length=1, max_length=100
    )


class Syslog(model.Model):
    """A syslog message."""

    rfc: Literal["Auto", "RFC3164", "RFC5424"] = "Auto"


class KeyValue(model.Model):
    """Pairs such as logfmt's; what is no pair is kept in the field content."""

    pair_separator: Separator = " "
    separator: Separator = "="
    quote: Quote = '"'


class Grok(model.Model):
    """A grok expression, `%{IP:client} %{WORD:method}`."""

    pattern: Pattern


class Parser(model.Model):
    """How a line is taken apart."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            (
                "[has(self.regex), has(self.json), has(self.delimiter), has(self.nginx), "
                "has(self.apache), has(self.iis), has(self.syslog), has(self.keyValue), "
                "has(self.grok)].exists_one(given, given)",
                "set exactly one of regex, json, delimiter, nginx, apache, iis, syslog, keyValue "
                "and grok",
            )
        )
    )
    regex: Regex | None = None
    json_: Json | None = pydantic.Field(default=None, alias="json")
    delimiter: Delimiter | None = None
    nginx: LogFormat | None = None
    apache: LogFormat | None = None
    iis: Iis | None = None
    syslog: Syslog | None = None
    key_value: KeyValue | None = None
    grok: Grok | None = None


class Time(model.Model):
    """Where a record's time stands."""

    key: Key
    format: Annotated[str, pydantic.Field(min_length=1, max_length=100)] = pydantic.Field(
        description="Directives of strptime; %f reads a fraction, %s seconds since 1970."
    )
    timezone: Annotated[str, pydantic.Field(max_length=64)] = pydantic.Field(
        default="", description="Of times without one: Asia/Shanghai, +08:00; default UTC."
    )
    on_missing: Literal["Receive", "Drop"] = pydantic.Field(
        default="Receive", description="Without a usable time: the container's, or not at all."
    )


Patterns = Annotated[
    dict[str, Annotated[str, pydantic.Field(max_length=_MAX_PATTERN)]],
    pydantic.Field(max_length=64),
]
"""Field to pattern."""

Texts = Annotated[
    dict[str, Annotated[str, pydantic.Field(max_length=_MAX_PATTERN)]],
    pydantic.Field(min_length=1, max_length=64),
]


class Filter(model.Model):
    """Keeps records of which every `include` matches and no `exclude`."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            ("has(self.include) || has(self.exclude)", "set include, exclude or both")
        )
    )
    include: Patterns = pydantic.Field(default={})
    exclude: Patterns = pydantic.Field(default={})


class Mask(model.Model):
    """Makes what `pattern` matches (its first group, where it has one) unreadable."""

    key: Key
    pattern: Pattern
    with_: Literal["Const", "MD5", "SHA256"] = pydantic.Field(default="Const", alias="with")
    replacement: Annotated[str, pydantic.Field(max_length=256)] = "********"


class Sample(model.Model):
    """Keeps a part of the records."""

    rate: Annotated[float, pydantic.Field(ge=0, le=1)]


class RateLimit(model.Model):
    """Drops and counts what comes faster, per node."""

    bytes_per_second: Annotated[int, pydantic.Field(ge=1, le=2**40)]


class Processor(model.Model):
    """One thing done with the fields."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            (
                "[has(self.filter), has(self.mask), has(self.rename), has(self.remove), "
                "has(self.add), has(self.sample), has(self.rateLimit)].exists_one(given, given)",
                "set exactly one of filter, mask, rename, remove, add, sample and rateLimit",
            )
        )
    )
    filter: Filter | None = None
    mask: Mask | None = None
    rename: Texts | None = pydantic.Field(default=None, description="Old to new name.")
    remove: Annotated[list[Key], pydantic.Field(min_length=1, max_length=64)] | None = None
    add: Texts | None = None
    sample: Sample | None = None
    rate_limit: RateLimit | None = None


Processors = Annotated[list[Processor], pydantic.Field(max_length=20)]
"""Done in order."""
