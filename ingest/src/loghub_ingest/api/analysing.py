"""`search | SQL` over one Logstore, and SQL over a project: requests to `search.sql` and back."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Final

from loghub_ingest.api import admission, asking
from loghub_ingest.requests import Call
from loghub_ingest.search import document, grammar, planning, scanning
from loghub_ingest.search.sql import dialect, workers
from loghub_ingest.storage import contract

_WAITING: Final = 16
_RUNNING: Final = admission.Admission(workers.WORKERS, _WAITING)
_WORKERS: Final = workers.Workers()
_ALWAYS: Final = ("__source__", "__topic__")


async def logstore(call: Call, store: contract.Logstore, query: asking.Query) -> workers.Result:
    """The answer to a query of one Logstore.

    Raises:
        SlsError: ServerBusy, or ParameterInvalid with what is wrong.
    """
    program = planning.program(query.node, query.index)
    begin, end = query.window.seconds
    table = _table(call.storage, store, query.index, program)
    table = dataclasses.replace(table, begin=begin, end=end, topic=query.window.topic)
    return await _run(call.storage, query.sql, {dialect.LOG: table, store.name: table})


async def project(call: Call, sql: str) -> workers.Result:
    """The answer to a query over the indexed Logstores of a project, each a table.

    Raises:
        SlsError: as `logstore`.
    """
    program = functools.partial(planning.program, grammar.Everything())
    tables = {}
    for store in call.storage.logstores(call.project):
        if store.index is not None:
            index = document.read(store.index)
            tables[store.name] = _table(call.storage, store, index, program(index))
    return await _run(call.storage, sql, tables)


async def _run(
    storage: contract.LogStorage, sql: str, tables: dict[str, workers.Table]
) -> workers.Result:
    try:
        return await _RUNNING.run(_WORKERS.run, storage, sql, list(tables), tables.__getitem__)
    except workers.SqlError as fault:
        raise grammar.invalid(str(fault)) from fault


def _table(
    storage: contract.LogStorage, store: contract.Logstore, index: document.Index, program: str
) -> workers.Table:
    def entries(begin: int, end: int) -> Iterator[contract.Entry]:
        return storage.overlapping(store, begin, end)

    return workers.Table(
        program=program,
        topic="",
        columns=_columns(index),
        begin=0,
        end=scanning.MAX_TIME,
        ident=store.ident,
        entries=entries,
    )


def _columns(index: document.Index) -> list[workers.Column]:
    """What SQL may name: indexed fields that allow analysis, typed paths in JSON, reserved ones."""
    found: dict[str, workers.Column] = {}

    def add(name: str, key: str, path: list[str], kind: str) -> None:
        # SQL's names know no case: of two that differ in case only, the first is there.
        if name and name.lower() not in found and name != "__time__":
            found[name.lower()] = (name, key, path, "text" if kind == "json" else kind)

    for name in _ALWAYS:
        add(name, name, [], "text")
    for key in index.keys.values():
        if key.doc_value:
            add(key.name, key.name, [], key.kind)
            add(key.alias, key.name, [], key.kind)
        for path, inner in key.json_keys.items():
            add(f"{key.name}.{path}", key.name, path.split("."), inner.kind)
            add(inner.alias, key.name, path.split("."), inner.kind)
    return list(found.values())
