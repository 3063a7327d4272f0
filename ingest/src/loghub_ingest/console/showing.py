"""What the search page asks for: records, histogram, context, fields, and what is new.

Everything is found by the functions that answer the API's GetLogs, GetHistograms and
GetContextLogs, in the same threads; here the answers get the form that a page needs.
"""

import asyncio
import dataclasses
import time
from typing import Any, Final

from starlette.responses import Response

from loghub_ingest.api import admission, answers, asking, querying
from loghub_ingest.console import cutting
from loghub_ingest.requests import Call
from loghub_ingest.search import (
    context,
    document,
    following,
    grammar,
    planning,
    sampling,
    scanning,
)
from loghub_ingest.storage import contract
from slswire import errors

MAX_ROWS: Final = 10_000
"""Of SQL on one page."""

PART: Final = 16
"""Records in memory at once before they are cut: each may be as large as a write."""

MAX_SHARDS: Final = 2048
"""In a position that a page sends: as many as a Logstore may have."""

_MAX_SEQUENCE: Final = 2**63


async def search(call: Call) -> Response:
    """`POST search`: a page of records with their places, or the rows of SQL."""
    given, store = call.document(), call.store("read")
    query = read(given, store)
    if query.sql:
        return answers.document(_analysed(await querying.answer(call, store, query)))
    started = time.monotonic()
    at, records = await admission.QUERIES.run(_page, call.storage, store, query)
    return answers.document(
        {
            "complete": at.complete,
            "rows": at.scanned_rows,
            "bytes": at.scanned_bytes,
            "milliseconds": round((time.monotonic() - started) * 1000),
            "sql": False,
            "marks": _marks(query.node, query.index),
            "records": records,
        }
    )


async def histogram(call: Call) -> Response:
    """`GET histogram?from=&to=&query=&interval=`: as the API's."""
    return await querying.histogram(call, browsable(call.store("read"), call.query.get("query")))


async def around(call: Call) -> Response:
    """`GET context?pack_id=&pack_meta=&back_lines=&forward_lines=`; `whole=1` cuts nothing.

    The whole of one record only, so that the answer has the bound of a write.
    """
    wanted = call.query.get("whole") == "1"
    if wanted and (call.query.get("back_lines"), call.query.get("forward_lines")) != ("0", "0"):
        detail = "whole=1 is for one record: ask for 0 back_lines and 0 forward_lines."
        raise errors.make("ParameterInvalid", detail=detail)
    found = await querying.surroundings(call, call.store("read"))
    shape = cutting.whole if wanted else cutting.cut
    return answers.document(
        {
            "back": found.back,
            "forward": found.forward,
            "complete": found.complete,
            "records": [shape(each) for each in found.records],
        }
    )


async def fields(call: Call) -> Response:
    """`POST fields`: those of the newest matching records, with their most frequent values."""
    given, store = call.document(), call.store("read")
    query = read(given, store)
    found = await admission.QUERIES.run(_sample, call.storage, store, query)
    return answers.document(
        {
            "records": found.records,
            "fields": [
                {
                    "name": each.name[: cutting.MAX_NAME_CHARS],
                    "records": each.records,
                    "distinct": each.distinct,
                    "many": each.many,
                    "top": each.top,
                }
                for each in found.fields
            ],
        }
    )


async def tail(call: Call) -> Response:
    """`POST tail` with `{"query", "position"}`: what came since; without one, from now on."""
    given, store = call.document(), call.store("read")
    text = str(given.get("query") or "")
    search_text, sql = grammar.split(text)
    if sql:
        detail = "A live tail shows records as they come: leave out the | and what follows it."
        raise errors.make("ParameterInvalid", detail=detail)
    index, node = asking.index_of(browsable(store, text)), grammar.parse(search_text)
    program = planning.program(node, index)
    if given.get("position") is None:
        reached = await asyncio.to_thread(following.end, call.storage, store)
        start = following.Look((), reached, at_end=True, left_out=0)
        return answers.document(_looked(start, []) | {"marks": _marks(node, index)})
    position = _position(given["position"])
    look, records = await admission.QUERIES.run(_look, call.storage, store, program, position)
    return answers.document(_looked(look, records))


def read(given: dict[str, Any], store: contract.Logstore) -> asking.Query:
    """The query in `given`, as the API reads it.

    Raises:
        SlsError: as `asking.read`.
    """
    return asking.read(given, browsable(store, given.get("query")))


def browsable(store: contract.Logstore, text: Any) -> contract.Logstore:
    """The Logstore; without an index it can be looked through all the same, but not searched."""
    if store.index is None and str(text or "").strip() in {"", "*"}:
        return dataclasses.replace(store, index={})
    return store


def _page(
    storage: contract.LogStorage, store: contract.Logstore, query: asking.Query
) -> tuple[scanning.Places, list[dict[str, Any]]]:
    at = querying.places(storage, store, query)
    records: list[dict[str, Any]] = []
    for first in range(0, len(at.kept), PART):
        found = scanning.rendered(storage, at.kept[first : first + PART])
        records += map(cutting.cut, context.with_packs(storage, store, found))
    return at, records


def _analysed(found: querying.Answer) -> dict[str, Any]:
    kept = found.records[:MAX_ROWS]
    return {
        "complete": found.complete,
        "rows": found.rows,
        "bytes": found.bytes,
        "milliseconds": found.took,
        "sql": True,
        "columns": found.columns,
        "types": found.types,
        "table": cutting.rows([each[name] for name in found.columns] for each in kept),
        "more": len(found.records) - len(kept),
    }


def _marks(node: grammar.Node, index: document.Index) -> dict[str, Any]:
    # The words to be marked, and how each field is cut into words: the page does the marking, for
    # going through a hundred records letter by letter would keep the service from its writes.
    terms = planning.terms(node)
    rules = {"": index.line or document.Rules()}
    rules |= {key.name: key.rules for key in index.keys.values()}
    return {
        "terms": [[each.key, each.term] for each in terms],
        "rules": {name: dataclasses.asdict(each) for name, each in rules.items()} if terms else {},
    }


def _sample(
    storage: contract.LogStorage, store: contract.Logstore, query: asking.Query
) -> sampling.Sample:
    program = planning.program(query.node, query.index)
    entries = storage.overlapping(store, *query.window.seconds)
    return sampling.sample(storage, entries, (program, query.window))


def _look(
    storage: contract.LogStorage,
    store: contract.Logstore,
    program: str,
    position: following.Position,
) -> tuple[following.Look, list[scanning.Record]]:
    look = following.since(storage, store, program, position)
    return look, context.with_packs(storage, store, look.found)


def _looked(look: following.Look, records: list[scanning.Record]) -> dict[str, Any]:
    return {
        "position": [[number, str(at)] for number, at in look.position.items()],
        "at_end": look.at_end,
        "left_out": look.left_out,
        "records": [cutting.cut(each) for each in records],
    }


def _position(given: Any) -> following.Position:
    # Sequences are nanoseconds: as text, since a script's numbers are too short for them.
    try:
        found = {int(number): int(at) for number, at in given[:MAX_SHARDS]}
    except (TypeError, ValueError) as fault:
        detail = "position must be the one of the answer before."
        raise errors.make("ParameterInvalid", detail=detail) from fault
    if not all(0 <= at < _MAX_SEQUENCE for at in found.values()):
        raise errors.make("ParameterInvalid", detail="position is out of range.")
    return found
