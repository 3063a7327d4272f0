"""What `loghub search` and `logs` print of what was found: text, a table, JSON or raw. Pure.

`reading` found it. Control characters are shown instead of sent, except raw into a pipe.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from loghub_cli import rendering, tables
from loghub_cli.reading import Found

Shape = Literal["text", "table", "json", "raw"]

SQL_ROWS: Final = 100
"""Of SQL that names no LIMIT, by the service's own rule."""

_LIMIT: Final = re.compile(r"\blimit\b", re.IGNORECASE)
_TIME: Final = "TIME"
_FROM: Final = "FROM"
_CONTENT: Final = "content"
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
"""Keeps one row of SQL on one line, and its values apart."""


def lines(found: Found, shape: Shape, *, colour: bool, terminal: bool) -> Iterator[str]:
    """The output, line by line; `terminal`: a person's screen, which no container may steer."""
    if shape == "table":
        header, rows = _analysed(found) if found.analysed else _records(found.records)
        if rows:
            yield from tables.table([tables.cell(each) for each in header], rows)
    elif shape == "raw" and found.analysed:
        yield from (rendering.safe(each) if terminal else each for each in _rows(found))
    else:
        for each in found.records:
            yield rendering.line(each, shape, colour=colour, terminal=terminal)


def notes(found: Found, query: str, limit: int) -> Iterator[str]:
    """What a reader must know beside the records."""
    count = len(found.records)
    if not found.complete:
        yield "Only a part was searched: narrow the time or the query."
    if not count:
        yield "Nothing was found: look further back with --since, or widen the query."
    elif found.left_out:
        yield f"The first {count} of {count + found.left_out} rows are shown: raise --limit."
    elif found.analysed:
        if count == SQL_ROWS and not _LIMIT.search(query):
            yield f"SQL without a LIMIT has {SQL_ROWS} rows at the most, there may be more."
    elif count >= limit:
        yield f"The newest {limit} records are shown, there may be more: raise --limit."


def _rows(found: Found) -> Iterator[str]:
    for each in found.records:
        yield "\t".join(each.get(column, "").translate(_ESCAPES) for column in found.columns)


def _analysed(found: Found) -> tuple[Sequence[str], list[list[str]]]:
    return found.columns, [[each.get(key, "") for key in found.columns] for each in found.records]


def _records(found: Sequence[rendering.Record]) -> tuple[Sequence[str], list[list[str]]]:
    fields = dict.fromkeys(key for each in found for key in rendering.fields(each))
    columns = [key for key in fields if key != _CONTENT]
    # The line itself is the longest: last, it pushes no column off the screen.
    columns += [_CONTENT] if any(_CONTENT in each for each in found) else []
    rows = [
        [rendering.time(each), rendering.where(each), *(each.get(key, "") for key in columns)]
        for each in found
    ]
    return (_TIME, _FROM, *columns), rows
