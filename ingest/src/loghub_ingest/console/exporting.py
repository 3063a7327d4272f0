"""Records as a file: JSON lines as they are, or CSV for spreadsheets. One answer, bounded.

The places of all records are found once; their bytes are read a part at a time until the file is
full. `x-loghub-cut` says that there are more.
"""

import csv
import dataclasses
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from starlette.responses import Response

from loghub_ingest.api import admission, asking, querying
from loghub_ingest.console import showing
from loghub_ingest.requests import Call
from loghub_ingest.search import scanning
from loghub_ingest.storage import contract
from slswire import errors

MAX_RECORDS: Final = 10_000
MAX_BYTES: Final = 32 * 1024 * 1024
"""Held in memory until they are sent."""

CUT_HEADER: Final = "x-loghub-cut"
_MAX_COLUMNS: Final = 500
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes a cell for that it should compute, when it begins so."""


async def download(call: Call) -> Response:
    """`POST download` with the query and `{"format": "ndjson" | "csv"}`."""
    given, store = call.document(), call.store("read")
    query = showing.read(given, store)
    form = str(given.get("format", "ndjson"))
    if form not in {"ndjson", "csv"}:
        detail = f"format is {form[:40]!r}; it must be ndjson or csv"
        raise errors.make("ParameterInvalid", detail=detail)
    if query.sql:
        detail = "The rows of SQL are on the page already: copy them from there."
        raise errors.make("ParameterInvalid", detail=detail)
    body, cut = await admission.QUERIES.run(_written, call.storage, store, query, form)
    kind = "text/csv" if form == "csv" else "application/x-ndjson"
    sent = {"content-disposition": f'attachment; filename="{store.name}.{form}"'}
    return Response(body, media_type=kind, headers=sent | ({CUT_HEADER: "1"} if cut else {}))


def _written(
    storage: contract.LogStorage, store: contract.Logstore, query: asking.Query, form: str
) -> tuple[bytes, bool]:
    whole_range = dataclasses.replace(query, line=MAX_RECORDS + 1, offset=0)
    at = querying.places(storage, store, whole_range)
    parts = _parts(storage, at.kept[:MAX_RECORDS])
    body, whole = (_csv if form == "csv" else _ndjson)(parts)
    return body, not (whole and at.complete and len(at.kept) <= MAX_RECORDS)


def _parts(
    storage: contract.LogStorage, kept: Sequence[scanning.Place]
) -> Iterator[scanning.Record]:
    for first in range(0, len(kept), showing.PART):
        for found in scanning.rendered(storage, kept[first : first + showing.PART]):
            yield found.record


def _ndjson(records: Iterator[scanning.Record]) -> tuple[bytes, bool]:
    out = bytearray()
    for record in records:
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        if len(out) + len(line) > MAX_BYTES:
            return bytes(out), False
        out += line
    return bytes(out), True


def _csv(records: Iterator[scanning.Record]) -> tuple[bytes, bool]:
    kept: list[scanning.Record] = []
    columns: dict[str, None] = {}
    size, whole = 0, True
    for record in records:
        size += sum(len(name.encode()) + len(value.encode()) + 8 for name, value in record.items())
        if size > MAX_BYTES:
            whole = False
            break
        kept.append(record)
        columns |= dict.fromkeys(record)
    names = list(columns)[:_MAX_COLUMNS]
    return table(names, ([each.get(name, "") for name in names] for each in kept)), (
        whole and len(names) == len(columns)
    )


def table(names: Sequence[str], rows: Any) -> bytes:
    """CSV whose cells no spreadsheet computes: one that would be gets an apostrophe in front."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([_cell(name) for name in names])
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue().encode()


def _cell(value: str) -> str:
    return "'" + value if value.startswith(_FORMULA) else value
