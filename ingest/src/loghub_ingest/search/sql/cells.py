"""DuckDB's answers as the service writes them: every cell text, types by the service's names."""

import datetime as dt
import json
import re
from typing import Any, Final

import duckdb

MAX_BYTES: Final = 16 * 1024 * 1024
"""Text of one answer."""

_CHUNK: Final = 1000
_TYPES: Final = {
    "BIGINT": "bigint",
    "HUGEINT": "bigint",
    "UBIGINT": "bigint",
    "INTEGER": "bigint",
    "SMALLINT": "bigint",
    "TINYINT": "bigint",
    "DOUBLE": "double",
    "FLOAT": "double",
    "VARCHAR": "varchar",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
}
_UNKNOWN_COLUMN: Final = re.compile(
    r'Referenced column "([^"]*)" not found|have a column named "([^"]*)"'
)


class TooLargeError(Exception):
    """The answer has more text than MAX_BYTES."""


def read(cursor: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """All rows, with the columns' names and types.

    Raises:
        TooLargeError, duckdb.Error.
    """
    described = cursor.description or []
    rows: list[list[str]] = []
    size = 0
    while chunk := cursor.fetchmany(_CHUNK):
        texts = [[text(cell) for cell in row] for row in chunk]
        size += sum(len(cell) for row in texts for cell in row)
        if size > MAX_BYTES:
            raise TooLargeError(f"the answer is larger than {MAX_BYTES} bytes: lower its LIMIT")
        rows += texts
    return {
        "columns": [name for name, *_ in described],
        "types": [_type(str(kind)) for _, kind, *_ in described],
        "rows": rows,
    }


def text(cell: Any) -> str:
    """One cell."""
    match cell:
        case None:
            return "null"
        case bool():
            return str(cell).lower()
        case dt.datetime():
            return cell.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        case bytes():
            return cell.hex()
        case list() | dict() | tuple():
            return json.dumps(cell, ensure_ascii=False, default=text)
        case _:
            return str(cell)


def sentence(fault: Exception) -> str:
    """What a client is told."""
    lines = str(fault).splitlines() or [type(fault).__name__]
    unknown = _UNKNOWN_COLUMN.search(lines[0])
    if unknown is not None:
        name = unknown[1] or unknown[2]
        return f"Column '{name}' cannot be resolved; please add the column in the index attribute"
    if isinstance(fault, duckdb.OutOfMemoryException):
        return "the query needs more memory than it may use: narrow the time or group by less"
    return lines[0][:400]


def _type(kind: str) -> str:
    if kind.startswith("DECIMAL"):
        return "double"
    if kind.endswith("[]"):
        return "array"
    return _TYPES.get(kind, kind.partition("(")[0].lower())
