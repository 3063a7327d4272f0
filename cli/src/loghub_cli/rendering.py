"""Records as lines for a terminal or for another program.

A record is the flat form that a query returns: fields, `__time__`, `__source__`, `__tag__:NAME`.
What a container wrote never reaches the terminal as a control sequence.
"""

import datetime as dt
import json
import re
import unicodedata
import zlib
from collections.abc import Mapping
from typing import Final, Literal

from slswire.model import Log, LogGroup

Format = Literal["text", "json", "raw"]
Record = Mapping[str, str]

_AGENT_FIELDS: Final = frozenset({"content", "_time_", "_source_"})
_COLOURS: Final = (32, 33, 34, 35, 36, 92, 93, 94, 95, 96)
"""Foregrounds that can be read on dark and on light, without red, black and white."""
_FRACTION: Final = re.compile(r"\.(\d{3})\d*")


def record(group: LogGroup, log: Log) -> dict[str, str]:
    """The flat form of one log of a group, as a query would return it."""
    flat = {"__time__": str(log.time), "__source__": group.source, "__topic__": group.topic}
    flat |= {f"__tag__:{key}": value for key, value in group.tags}
    return flat | dict(log.contents)


def line(found: Record, shape: Format, *, colour: bool, terminal: bool = True) -> str:
    """One output line, without the newline; raw may hold anything where no `terminal` reads it."""
    if shape == "json":
        return document(found)
    if shape == "raw":
        return safe(text(found)) if terminal else text(found)
    moment, place, said = time(found), safe(where(found)), safe(text(found))
    if not colour:
        return f"{moment}  {place}  {said}"
    said = f"\x1b[31m{said}\x1b[0m" if found.get("_source_") == "stderr" else said
    return f"\x1b[2m{moment}\x1b[0m  \x1b[{colour_of(place)}m{place}\x1b[0m  {said}"


def colour_of(place: str) -> int:
    """A pod's container has one colour, in every run; red is what it writes to stderr."""
    return _COLOURS[zlib.crc32(place.encode()) % len(_COLOURS)]


def document(found: Record) -> str:
    """The record as one line of JSON, control characters of every kind escaped."""
    shown = json.dumps(dict(found), ensure_ascii=False)
    if shown.isprintable():
        return shown
    # JSON leaves those above ASCII alone, and some terminals take them for sequences.
    return "".join(char if _plain(char) else json.dumps(char)[1:-1] for char in shown)


def where(found: Record) -> str:
    """NAMESPACE/POD CONTAINER of a container's record, the source of any other."""
    pod = found.get("__tag__:_pod_name_", "")
    place = "/".join(filter(None, [found.get("__tag__:_namespace_", ""), pod]))
    place = place or found.get("__source__", "")
    if container := found.get("__tag__:_container_name_", ""):
        place += f" {container}"
    return place


def text(found: Record) -> str:
    """The line as it was written; of a record that has none its fields, as KEY=VALUE."""
    if "content" in found:
        return found["content"]
    return " ".join(f"{key}={value}" for key, value in fields(found).items())


def fields(found: Record) -> dict[str, str]:
    """The writer's own fields but the line: no tags, nothing that the agent or service added."""
    return {
        key: value
        for key, value in found.items()
        if key not in _AGENT_FIELDS and not key.startswith("__")
    }


def time(found: Record) -> str:
    """When it was written, as RFC 3339; `-` where that is not known."""
    if exact := found.get("_time_", ""):
        return safe(_FRACTION.sub(r".\1", exact, count=1))
    try:
        moment = dt.datetime.fromtimestamp(int(found.get("__time__", "")), dt.UTC)
    except (ValueError, OverflowError, OSError):
        return "-"
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def safe(said: str) -> str:
    """The text with every control character shown instead of sent; line breaks and tabs stay."""
    if said.isprintable():
        return said
    # Lines of one record (a stack trace) stay lines; everything else that moves a cursor is shown.
    return "".join(char if char in "\n\t" or _plain(char) else repr(char)[1:-1] for char in said)


def _plain(char: str) -> bool:
    return unicodedata.category(char)[0] != "C"
