"""GetLogs (both versions), GetHistograms, GetContextLogs and topics.

`asking` reads what a request asks for; `search` finds it. What follows a `|` is `analysing`'s.
"""

import dataclasses
import json
import time
from typing import Any, Final

from starlette.responses import Response

from loghub_ingest.api import admission, analysing, answers, asking
from loghub_ingest.requests import Call
from loghub_ingest.search import context, highlights, planning, scanning
from loghub_ingest.search.sql import workers
from loghub_ingest.storage import contract
from slswire import errors, headers

NEXT_TOKEN: Final = "x-log-nexttoken"  # noqa: S105 - a header's name


async def get(call: Call) -> Response:
    """`GET /logstores/L?type=`: the first version of the API."""
    store = call.store("read")
    match call.query.get("type", ""):
        case "log":
            return await _logs(call, store)
        case "histogram":
            return await histogram(call, store)
        case "context_log":
            return await _context(call, store)
        case "topic":
            return await _topics(call, store)
        case other:
            raise errors.make(
                "ParameterInvalid", detail=f"Parameter type {other[:40]!r} is unknown"
            )


async def post(call: Call) -> Response:
    """`POST /logstores/L/logs`: the later versions."""
    store = call.store("read")
    query = asking.read(call.document(), store)
    found = await answer(call, store, query)
    return answers.document({"meta": _meta(query, found), "data": found.records})


async def over_project(call: Call) -> Response:
    """`GET /logs?query=SQL`: over the Logstores of a project, each a table."""
    call.require("read")
    sql = call.query.get("query", "").strip()
    started = time.monotonic()
    found = _analysed(await analysing.project(call, sql), started)
    return answers.document(found.records, _statistics("", sql, found))


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """Records, and what is said about them."""

    records: list[scanning.Record]
    complete: bool
    rows: int
    bytes: int
    took: int
    """Milliseconds."""

    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()


async def answer(call: Call, store: contract.Logstore, query: asking.Query) -> Answer:
    """What a checked query finds: records, or the rows of its SQL.

    Raises:
        SlsError: ServerBusy, or ParameterInvalid for SQL that has no answer.
    """
    started = time.monotonic()
    if query.sql:
        return _analysed(await analysing.logstore(call, store, query), started)
    at, records = await admission.QUERIES.run(_page, call.storage, store, query)
    return Answer(records, at.complete, at.scanned_rows, at.scanned_bytes, _milliseconds(started))


def _analysed(found: workers.Result, started: float) -> Answer:
    return Answer(
        records=[dict(zip(found.columns, row, strict=True)) for row in found.rows],
        complete=found.complete,
        rows=found.scanned_rows,
        bytes=found.scanned_bytes,
        took=_milliseconds(started),
        columns=found.columns,
        types=found.types,
    )


def _milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def places(
    storage: contract.LogStorage, store: contract.Logstore, query: asking.Query
) -> scanning.Places:
    """Where the records of a query's page are. Runs in a thread of `admission`."""
    program = planning.program(query.node, query.index)
    return scanning.places(
        storage,
        storage.overlapping(store, *query.window.seconds),
        (program, query.window),
        line=query.line,
        offset=query.offset,
        reverse=query.reverse,
    )


def _page(
    storage: contract.LogStorage, store: contract.Logstore, query: asking.Query
) -> tuple[scanning.Places, list[scanning.Record]]:
    at = places(storage, store, query)
    found = scanning.rendered(storage, at.kept)
    if not query.with_pack_meta:
        return at, [each.record for each in found]
    return at, context.with_packs(storage, store, found)


async def _logs(call: Call, store: contract.Logstore) -> Response:
    query = asking.read(call.query, store)
    found = await answer(call, store, query)
    sent = _statistics(query.search, query.sql, found)
    sent["x-log-query-info"] = json.dumps({"mode": 0, "terms": _terms(query)})
    return answers.document(found.records, sent)


def _statistics(search: str, sql: str, found: Answer) -> dict[str, str]:
    return {
        headers.PROGRESS: _progress(found.complete),
        headers.COUNT: str(len(found.records)),
        "x-log-processed-rows": str(found.rows),
        "x-log-elapsed-millisecond": str(found.took),
        "x-log-has-sql": str(bool(sql)).lower(),
        "x-log-where-query": asking.header_text(search),
        "x-log-agg-query": asking.header_text(sql),
        "x-log-cpu-sec": "0",
        "x-log-cpu-cores": "0",
    }


def _meta(query: asking.Query, found: Answer) -> dict[str, Any]:
    marked = query.highlight and not query.sql
    terms = planning.terms(query.node)
    return {
        "progress": _progress(found.complete),
        "count": len(found.records),
        "processedRows": found.rows,
        "processedBytes": found.bytes,
        "elapsedMillisecond": found.took,
        "hasSQL": bool(query.sql),
        "whereQuery": query.search,
        "aggQuery": query.sql,
        "cpuSec": 0.0,
        "cpuCores": 0,
        "mode": 0,
        "scanBytes": found.bytes,
        "limited": 0,
        "telementryType": "",  # spelt so on the wire
        "powerSql": False,
        "insertedSQL": "",
        "keys": list(found.columns or dict.fromkeys(key for each in found.records for key in each)),
        "terms": _terms(query),
        "marker": "",
        "isAccurate": True,
        "columnTypes": list(found.types),
        "highlights": highlights.mark(found.records, terms, query.index) if marked else [],
    }


def _terms(query: asking.Query) -> list[dict[str, str]]:
    return [{"key": each.key, "term": each.term} for each in planning.terms(query.node)]


async def histogram(call: Call, store: contract.Logstore) -> Response:
    """Matching records by spans of time."""
    query = asking.read(call.query, store)
    step = asking.step(call, query.window)
    counts = await admission.QUERIES.run(_count, call.storage, store, query, step)
    begin, end = query.window.seconds
    found = [
        {
            "from": begin + number * step,
            "to": min(begin + (number + 1) * step, end),
            "count": count,
            "progress": _progress(complete),
        }
        for number, (count, complete) in enumerate(zip(counts.counts, counts.complete, strict=True))
    ]
    sent = {
        headers.PROGRESS: _progress(all(counts.complete)),
        headers.COUNT: str(sum(counts.counts)),
    }
    return answers.document(found, sent)


def _count(
    storage: contract.LogStorage, store: contract.Logstore, query: asking.Query, step: int
) -> scanning.Counts:
    program = planning.program(query.node, query.index)
    entries = storage.overlapping(store, *query.window.seconds)
    return scanning.count(storage, entries, (program, query.window), step)


async def surroundings(call: Call, store: contract.Logstore) -> context.Context:
    """The records around the one that the call's pack names.

    Raises:
        SlsError: ServerBusy, or ParameterInvalid where no such record is stored.
    """
    back = call.number("back_lines", context.MAX_LINES, least=0, most=context.MAX_LINES)
    forward = call.number("forward_lines", context.MAX_LINES, least=0, most=context.MAX_LINES)
    pack = (call.query.get("pack_id", ""), call.query.get("pack_meta", ""))
    return await admission.QUERIES.run(
        context.around, call.storage, store, pack, back=back, forward=forward
    )


async def _context(call: Call, store: contract.Logstore) -> Response:
    asking.index_of(store)
    found = await surroundings(call, store)
    return answers.document(
        {
            "total_lines": len(found.records),
            "back_lines": found.back,
            "forward_lines": found.forward,
            "progress": _progress(found.complete),
            "logs": found.records,
        }
    )


async def _topics(call: Call, store: contract.Logstore) -> Response:
    line = call.number("line", asking.MAX_LINES, least=0, most=asking.MAX_LINES)
    token = call.query.get("token", "")
    found, token, complete = await admission.QUERIES.run(
        _read_topics, call.storage, store, token, line
    )
    sent = {
        headers.COUNT: str(len(found)),
        headers.PROGRESS: _progress(complete),
        NEXT_TOKEN: asking.header_text(token),
    }
    return answers.document(found, sent)


def _read_topics(
    storage: contract.LogStorage, store: contract.Logstore, token: str, line: int
) -> tuple[list[str], str, bool]:
    entries = storage.overlapping(store, 0, scanning.MAX_TIME)
    return scanning.topics(storage, entries, token=token, line=line)


def _progress(complete: bool) -> str:
    return "Complete" if complete else "Incomplete"
