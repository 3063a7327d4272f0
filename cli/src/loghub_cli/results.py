"""What `loghub search` prints of what was found: a table, JSON lines, or the bare values. Pure.

`reading` found it. Control characters are shown instead of sent, except raw into a pipe.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from loghub_cli import rendering, tables
from loghub_cli.reading import Found

Shape = Literal["table", "json", "raw"]

_TIME: Final = "TIME"
_FROM: Final = "FROM"
_CONTENT: Final = "content"
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
"""Keeps one row of SQL on one line, and its values apart."""


def lines(found: Found, shape: Shape, *, terminal: bool) -> Iterator[str]:
    """The output, line by line; `terminal`: a person's screen, which no container may steer."""
    if shape == "json":
        yield from (json.dumps(dict(each), ensure_ascii=False) for each in found.records)
    elif shape == "raw":
        raw = _rows(found) if found.analysed else map(rendering.text, found.records)
        yield from (rendering.safe(each) if terminal else each for each in raw)
    elif found.records:
        header, rows = _analysed(found) if found.analysed else _records(found.records)
        yield from tables.table([tables.cell(each) for each in header], rows)


def notes(found: Found, limit: int) -> Iterator[str]:
    """What a reader must know beside the records."""
    if not found.complete:
        yield "Only a part was searched: narrow the time or the query."
    if not found.records:
        yield "Nothing was found: look further back with --since, or widen the query."
    elif found.left_out:
        count = len(found.records)
        yield f"The first {count} of {count + found.left_out} rows are shown: raise --limit."
    elif not found.analysed and len(found.records) >= limit:
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
