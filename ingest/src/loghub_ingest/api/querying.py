"""GetLogs and GetHistograms: records of a span of time that match a query.

No index is kept: log groups whose times overlap are read and matched, the likeliest first, until
the page is certain or the time is up. An answer cut by time says so (`progress: Incomplete`).
"""

import asyncio
import dataclasses
import heapq
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from starlette.responses import Response

from loghub_ingest import search
from loghub_ingest.api import answers
from loghub_ingest.requests import Call
from loghub_ingest.storage import contract
from slswire import errors, headers, protobuf

MAX_LINES: Final = 100
MAX_OFFSET: Final = 10_000
"""A page further back would hold that many records in memory: narrow the time instead."""

BUDGET_SECONDS: Final = 5.0
"""Of reading and matching for one answer."""

_BUCKETS: Final = 60
_TIME_MAX: Final = 2**32

Found = tuple[int, int, int, int]
"""Sort key of a record: time, nanoseconds, sequence of its group, position in it."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Query:
    begin: int
    end: int
    text: str
    topic: str
    line: int
    offset: int
    reverse: bool


async def get(call: Call) -> Response:
    """`GET /logstores/L?type=log|histogram`: the first version of the API."""
    store = call.store("read")
    match call.query.get("type", ""):
        case "log":
            page, complete, took = await _run(call, store, _query(call.query))
            return answers.document(page, _statistics(len(page), complete, took))
        case "histogram":
            return await _histogram(call, store)
        case other:
            raise errors.make(
                "ParameterInvalid", detail=f"Parameter type {other[:40]!r} is unknown"
            )


async def post(call: Call) -> Response:
    """`POST /logstores/L/logs`: the later versions."""
    store = call.store("read")
    query = _query(call.document())
    page, complete, took = await _run(call, store, query)
    meta = {
        "progress": _progress(complete),
        "count": len(page),
        "processedRows": len(page),
        "elapsedMillisecond": took,
        "hasSQL": False,
        "whereQuery": query.text,
        "aggQuery": "",
        "cpuSec": 0.0,
        "cpuCores": 0,
        "mode": 0,
        "scanBytes": 0,
        "limited": 0,
        "processedBytes": 0,
        "telementryType": "",  # spelt so on the wire
        "powerSql": False,
        "insertedSQL": "",
        "keys": [],
        "terms": [],
        "marker": "",
        "isAccurate": True,
        "columnTypes": [],
        "highlights": [],
    }
    return answers.document({"meta": meta, "data": page})


def _query(given: Any) -> _Query:
    begin, end = _moment(given, "from"), _moment(given, "to")
    if begin > end:
        raise errors.make("ParameterInvalid", detail=f"from {begin} is after to {end}")
    return _Query(
        begin=begin,
        end=end,
        text=str(given.get("query") or ""),
        topic=str(given.get("topic") or ""),
        line=_bounded(given, "line", 100, MAX_LINES),
        offset=_bounded(given, "offset", 0, MAX_OFFSET),
        reverse=str(given.get("reverse", "false")).lower() == "true",
    )


async def _run(
    call: Call, store: contract.Logstore, query: _Query
) -> tuple[list[dict[str, str]], bool, int]:
    match = search.parse(query.text, _index(store))
    started = time.monotonic()
    page, complete = await asyncio.to_thread(_page, call.storage, store, query, match)
    return page, complete, int((time.monotonic() - started) * 1000)


def _page(
    storage: contract.LogStorage, store: contract.Logstore, query: _Query, match: search.Match
) -> tuple[list[dict[str, str]], bool]:
    wanted = query.offset + query.line
    sign = 1 if query.reverse else -1
    best: list[tuple[Found, dict[str, str]]] = []
    entries = list(storage.overlapping(store, query.begin, query.end))
    # The groups that may hold the first records of the answer come first.
    entries.sort(key=lambda each: each.max_time * -1 if query.reverse else each.min_time)
    deadline = time.monotonic() + BUDGET_SECONDS
    complete = True
    for entry in entries:
        edge = entry.max_time if query.reverse else entry.min_time
        if len(best) == wanted and (not wanted or sign * edge < best[0][0][0]):
            break  # no record of this group or of a later one can be among the first
        if time.monotonic() > deadline:
            complete = False
            break
        for place, record in _records(storage, entry):
            if not query.begin <= place[0] < query.end or not _topic(record, query.topic):
                continue
            if not match(record):
                continue
            key = tuple(sign * each for each in place)
            _keep(best, (key, record), wanted)  # type: ignore[arg-type]
    best.sort(key=lambda each: each[0], reverse=True)
    return [record for _, record in best[query.offset :]], complete


def _keep(
    best: list[tuple[Found, dict[str, str]]], item: tuple[Found, dict[str, str]], wanted: int
) -> None:
    # Keys are unique, so the heap never compares two records.
    if len(best) < wanted:
        heapq.heappush(best, item)
    elif wanted:
        heapq.heappushpop(best, item)


def _records(
    storage: contract.LogStorage, entry: contract.Entry
) -> Iterator[tuple[Found, dict[str, str]]]:
    raw = storage.read(entry)
    if raw is None:
        return
    group = protobuf.decode_log_group(raw)
    shared = {"__source__": group.source, "__topic__": group.topic}
    shared |= {f"__tag__:{key}": value for key, value in group.tags}
    for number, log in enumerate(group.logs):
        place = (log.time, log.time_ns or 0, entry.sequence, number)
        yield place, {"__time__": str(log.time), **shared, **dict(log.contents)}


async def _histogram(call: Call, store: contract.Logstore) -> Response:
    query = _query(call.query)
    match = search.parse(query.text, _index(store))
    counts, complete = await asyncio.to_thread(_count, call.storage, store, query, match)
    step = _step(query)
    found = [
        {
            "from": query.begin + number * step,
            "to": min(query.begin + (number + 1) * step, query.end),
            "count": count,
            "progress": _progress(complete),
        }
        for number, count in enumerate(counts)
    ]
    return answers.document(found, _statistics(sum(counts), complete, 0))


def _count(
    storage: contract.LogStorage, store: contract.Logstore, query: _Query, match: search.Match
) -> tuple[list[int], bool]:
    step = _step(query)
    counts = [0] * -(-(query.end - query.begin) // step)
    deadline = time.monotonic() + BUDGET_SECONDS
    for entry in storage.overlapping(store, query.begin, query.end):
        if time.monotonic() > deadline:
            return counts, False
        for place, record in _records(storage, entry):
            inside = query.begin <= place[0] < query.end and _topic(record, query.topic)
            if inside and match(record):
                counts[(place[0] - query.begin) // step] += 1
    return counts, True


def _step(query: _Query) -> int:
    return max(1, -(-(query.end - query.begin) // _BUCKETS))


def _index(store: contract.Logstore) -> search.Index:
    if store.index is None:
        raise errors.make("IndexConfigNotExist")
    line = store.index.get("line") or {}
    tokens = line.get("token")
    delimiters = "".join(map(str, tokens)) if isinstance(tokens, list) else search.DELIMITERS
    return search.Index(delimiters, bool(line.get("caseSensitive", False)))


def _topic(record: search.Record, topic: str) -> bool:
    return not topic or record["__topic__"] == topic


def _statistics(count: int, complete: bool, took: int) -> dict[str, str]:
    return {
        headers.PROGRESS: _progress(complete),
        headers.COUNT: str(count),
        "x-log-processed-rows": str(count),
        "x-log-elapsed-millisecond": str(took),
        "x-log-has-sql": "false",
        "x-log-where-query": "",
        "x-log-agg-query": "",
        "x-log-cpu-sec": "0",
        "x-log-cpu-cores": "0",
    }


def _progress(complete: bool) -> str:
    return "Complete" if complete else "Incomplete"


def _moment(given: Any, name: str) -> int:
    return _whole(given, name, None, lambda value: 0 <= value < _TIME_MAX)


def _bounded(given: Any, name: str, default: int, most: int) -> int:
    value = _whole(given, name, default, lambda value: value >= -1)
    if value > most and name == "offset":
        detail = f"offset {value} is beyond {most}: narrow the time or the query"
        raise errors.make("ParameterInvalid", detail=detail)
    return default if value < 0 else min(value, most)


def _whole(given: Any, name: str, default: int | None, right: Callable[[int], bool]) -> int:
    value = given.get(name, default)
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -2
    if not right(number):
        raise errors.make("ParameterInvalid", detail=f"Parameter {name} is {str(value)[:40]!r}")
    return number
