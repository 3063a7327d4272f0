"""What a query request asks for, read from a URL's query or a JSON body, and bounded."""

import dataclasses
import urllib.parse
from collections.abc import Mapping
from typing import Any, Final

from loghub_ingest.requests import Call
from loghub_ingest.search import document, grammar, scanning
from loghub_ingest.storage import contract
from slswire import errors

MAX_LINES: Final = 100
"""Records of one answer, as the API says."""

MAX_OFFSET: Final = 100_000
"""A page further back would hold that many places in memory: narrow the time instead."""

_BUCKETS: Final = 60
_MAX_BUCKETS: Final = 4000
_SECOND: Final = 1_000_000_000
_PACK: Final = "with_pack_meta"


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
    """A checked request: the search text and its tree, the SQL, the window, the page."""

    search: str
    node: grammar.Node
    sql: str
    index: document.Index
    window: scanning.Window
    line: int
    offset: int
    reverse: bool
    highlight: bool
    with_pack_meta: bool


def read(given: Mapping[str, Any], store: contract.Logstore) -> Query:
    """The query in `given`.

    Raises:
        SlsError: IndexConfigNotExist, InvalidTimeRange, InvalidLine, InvalidOffset,
            InvalidReverse, or ParameterInvalid for the query itself.
    """
    index = index_of(store)
    search, sql = grammar.split(str(given.get("query") or ""))
    pack = sql.lower() == _PACK
    begin = (_seconds(given, "from"), _nanoseconds(given, "fromNs"))
    end = (_seconds(given, "to"), _nanoseconds(given, "toNs"))
    if begin > end:
        raise errors.make("InvalidTimeRange", begin=begin[0], end=end[0])
    return Query(
        search=search,
        node=grammar.parse(search),
        sql="" if pack else sql,
        index=index,
        window=scanning.Window(begin, end, str(given.get("topic") or "")),
        line=_page(given, "line", MAX_LINES, most=MAX_LINES),
        offset=_page(given, "offset", 0, most=MAX_OFFSET),
        reverse=_flag(given, "reverse"),
        highlight=str(given.get("highlight", "")).lower() == "true",
        with_pack_meta=pack,
    )


def index_of(store: contract.Logstore) -> document.Index:
    """The Logstore's index.

    Raises:
        SlsError: IndexConfigNotExist.
    """
    if store.index is None:
        raise errors.make("IndexConfigNotExist")
    return document.read(store.index)


def step(call: Call, window: scanning.Window) -> int:
    """Seconds of one span of a histogram: what was asked for, or a sixtieth of the window.

    Raises:
        SlsError: ParameterInvalid for so short a span that the answer would have no bound.
    """
    begin, end = window.seconds
    wanted = call.number("interval", 0, least=0, most=scanning.MAX_TIME)
    if not wanted:
        return max(1, -(-(end - begin) // _BUCKETS))
    if (end - begin) // wanted > _MAX_BUCKETS:
        detail = f"interval {wanted} makes more than {_MAX_BUCKETS} spans: use a longer one"
        raise errors.make("ParameterInvalid", detail=detail)
    return wanted


def header_text(text: str) -> str:
    """`text` as a header's value, which is one line of ASCII."""
    return text if text.isascii() and text.isprintable() else urllib.parse.quote(text)


def _seconds(given: Mapping[str, Any], name: str) -> int:
    value = given.get(name)
    number = _whole(value)
    if number is None or not 0 <= number <= scanning.MAX_TIME:
        detail = f"Parameter {name} is {str(value)[:40]!r}; it must be unix seconds"
        raise errors.make("ParameterInvalid", detail=detail)
    return number


def _nanoseconds(given: Mapping[str, Any], name: str) -> int:
    number = _whole(given.get(name) or 0)
    if number is None or not 0 <= number < _SECOND:
        detail = f"Parameter {name} must be in [0, {_SECOND})"
        raise errors.make("ParameterInvalid", detail=detail)
    return number


def _page(given: Mapping[str, Any], name: str, default: int, *, most: int) -> int:
    value = given.get(name)
    if value is None or value == "":
        return default
    number = _whole(value)
    if number is None or not 0 <= number <= most:
        raise errors.make(f"Invalid{name.title()}", value=str(value)[:40], most=most)
    return number


def _flag(given: Mapping[str, Any], name: str) -> bool:
    text = str(given.get(name) or "false").lower()
    if text not in {"true", "false"}:
        raise errors.make("InvalidReverse", value=text[:40])
    return text == "true"


def _whole(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.removeprefix("-").isdecimal() and len(text) < 20 else None
