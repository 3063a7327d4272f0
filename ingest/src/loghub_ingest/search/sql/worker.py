"""The process that runs SQL. Started by `workers`, it speaks `framing` on stdin and stdout.

    check  {sql, tables}                 -> {text, sources, columns} or {error}
    have   {program, columns, groups}    -> {missing: positions in groups}
    group  {group} + its bytes           -> (nothing)
    run    {text, tables}                -> {columns, types, rows} or {error}

Columns of log groups are kept for the next query, the least recently used are forgotten first.
Nothing here can open a file: DuckDB is locked, and the process may neither open nor write any.
"""

import dataclasses
import os
import resource
import select
import sys
from typing import Any, Final

import duckdb
from arro3.core import Array, DataType, Field, RecordBatch, Schema, Table

from loghub_ingest import _core
from loghub_ingest.search.sql import cells, dialect, framing

MEMORY_BYTES: Final = 512 * 1024 * 1024
"""What DuckDB may use for one query."""

CACHE_BYTES: Final = 256 * 1024 * 1024
"""Columns that are kept; roughly, counted as the bytes of the groups they come from."""

ADDRESS_BYTES: Final = 4 * 1024 * 1024 * 1024
"""Of the whole process, mapped libraries and allocator arenas included."""

NICE: Final = 15
"""Where both want the core, the service's writes get it."""

IDLE_SECONDS: Final = 300.0
"""Then it ends, and gives its memory back."""

TIME: Final = "__time__"
_MAX_TIME: Final = 2**32 - 1
_SETTINGS: Final[dict[str, Any]] = {
    "threads": 1,
    "memory_limit": f"{MEMORY_BYTES}B",
    "max_temp_directory_size": "0KB",
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
    "integer_division": True,
    "preserve_insertion_order": True,
}
_ARROW: Final = {
    # Each value once per group: DuckDB groups and compares the few values, not the many rows. Of a
    # column whose values are all distinct that takes a tenth more time than plain text.
    "text": DataType.dictionary(DataType.int32(), DataType.string()),
    "long": DataType.int64(),
    "double": DataType.float64(),
}


def main() -> int:
    """Answer until the service closes the pipe."""
    # Without a buffer: what was read ahead into one, `select` would not see.
    requests, answers = open(0, "rb", buffering=0, closefd=False), sys.stdout.buffer  # noqa: SIM115
    worker = _Worker(_connection())
    _warm_up(worker)
    os.nice(NICE)
    _lock_down()
    try:
        framing.write(answers, {"ready": True})
        while select.select([requests], [], [], IDLE_SECONDS)[0]:
            answer = worker.answer(*framing.read(requests))
            if answer is not None:
                framing.write(answers, answer)
    except (EOFError, BrokenPipeError):
        return 0  # the service is gone, or does not want an answer any more
    except MemoryError:
        return 1
    return 0


def _warm_up(worker: "_Worker") -> None:
    # What Python and the libraries load late they load now: afterwards no file can be opened.
    for text in (
        "SELECT now(), date '2020-01-01', cast(1.5 AS decimal(3, 1)), ARRAY[1]",
        "SELECT date_format(from_unixtime(1), '%Y'), json_extract_scalar('{}', '$.a')",
        "SELEC",
    ):
        checked = worker.answer({"op": "check", "sql": text, "tables": []}, b"") or {}
        if "text" in checked:
            worker.answer({"op": "run", "text": checked["text"], "tables": []}, b"")


def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config=_SETTINGS)
    for macro in dialect.MACROS:
        connection.execute(f"CREATE MACRO {macro}")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")
    return connection


def _lock_down() -> None:
    """No file can be opened, no byte written to one, and memory has a bound: for good."""
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, lowest))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@dataclasses.dataclass(frozen=True, slots=True)
class _Columns:
    """One group's matching records: a batch of `__time__` and the columns read so far."""

    batch: RecordBatch
    names: frozenset[str]
    size: int


class _Worker:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._kept: dict[tuple[str, str, str], _Columns] = {}
        self._bytes = 0
        self._asked: dict[str, Any] = {}

    def answer(self, head: dict[str, Any], body: bytes) -> dict[str, Any] | None:
        match head["op"]:
            case "check":
                return _check(head)
            case "have":
                return self._have(head)
            case "group":
                self._read(head["group"], body)
                return None
            case _:
                return self._run(head)

    def _have(self, head: dict[str, Any]) -> dict[str, Any]:
        self._asked = head
        names = {name for name, *_ in head["columns"]}
        missing = []
        for position, group in enumerate(head["groups"]):
            key = (head["program"], head["topic"], group)
            kept = self._kept.pop(key, None)
            if kept is not None and names <= kept.names:
                self._kept[key] = kept  # now the most recently used
                continue
            self._bytes -= 0 if kept is None else kept.size
            missing.append(position)
        return {"missing": missing}

    def _read(self, group: str, raw: bytes) -> None:
        asked, columns = self._asked, self._asked["columns"]
        scanner = _core.Scanner(asked["program"], 0, _MAX_TIME, asked["topic"] or None)
        times, values = scanner.columns(raw, [(key, path, kind) for _, key, path, kind in columns])
        arrays = [Array(times, type=_ARROW["long"])]
        arrays += [
            _array(each, kind) for each, (_, _, _, kind) in zip(values, columns, strict=True)
        ]
        schema = Schema(
            [
                Field(TIME, _ARROW["long"]),
                *(Field(name, _ARROW[kind]) for name, _, _, kind in columns),
            ]
        )
        batch = RecordBatch.from_arrays(arrays, schema=schema)
        found = _Columns(batch, frozenset(name for name, *_ in columns), batch.nbytes)
        self._kept[asked["program"], asked["topic"], group] = found
        self._bytes += found.size

    def _run(self, head: dict[str, Any]) -> dict[str, Any]:
        registered = []
        try:
            for number, table in enumerate(head["tables"]):
                name = f"rows {number}"
                self._connection.register(name, self._table(table))
                registered.append(name)
                self._connection.execute(_view(table, name))
            return cells.read(self._connection.execute(head["text"]))
        except (duckdb.Error, cells.TooLargeError) as fault:
            return {"error": cells.sentence(fault)}
        finally:
            for table in head["tables"][: len(registered)]:
                self._connection.execute(f'DROP VIEW IF EXISTS "{table["name"]}"')
            for name in registered:
                self._connection.unregister(name)
            self._forget()

    def _table(self, wanted: dict[str, Any]) -> Table:
        names = [TIME, *(name for name, *_ in wanted["columns"])]
        kinds = ["long", *(kind for *_, kind in wanted["columns"])]
        fields = [Field(name, _ARROW[kind]) for name, kind in zip(names, kinds, strict=True)]
        key = (wanted["program"], wanted["topic"])
        kept = (self._kept.get((*key, group)) for group in wanted["groups"])
        batches = [each.batch.select(names) for each in kept if each is not None]
        return Table.from_batches(batches, schema=Schema(fields))

    def _forget(self) -> None:
        while self._bytes > CACHE_BYTES and self._kept:
            oldest = next(iter(self._kept))
            self._bytes -= self._kept.pop(oldest).size


def _array(values: list[Any], kind: str) -> Array:
    if kind == "text":
        return Array(values, type=DataType.string()).cast(_ARROW["text"])
    return Array(values, type=_ARROW[kind])


def _view(table: dict[str, Any], rows: str) -> str:
    # Names come from `dialect.check`, which allows Logstores' only, and are quoted.
    text = f'CREATE OR REPLACE TEMP VIEW "{table["name"]}" AS SELECT * FROM "{rows}"'  # noqa: S608
    if table["whole"]:
        return text
    return f"{text} WHERE __time__ >= {int(table['begin'])} AND __time__ < {int(table['end'])}"


def _check(head: dict[str, Any]) -> dict[str, Any]:
    try:
        found = dialect.check(head["sql"], head["tables"])
    except dialect.QueryError as fault:
        return {"error": str(fault)}
    return {
        "text": found.text,
        "sources": [dataclasses.asdict(each) for each in found.sources],
        "columns": None if found.columns is None else sorted(found.columns),
    }


if __name__ == "__main__":
    sys.exit(main())
