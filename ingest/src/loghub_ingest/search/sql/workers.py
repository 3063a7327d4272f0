"""The service's side of SQL: workers are started, fed with log groups, timed and killed.

`api.analysing` calls `Workers.run` in a thread. A worker that takes too long is killed and another
one is started when it is needed: nothing a query does inside can stop that.
"""

import dataclasses
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final

from loghub_ingest.search.sql import framing
from loghub_ingest.storage import contract

WORKERS: Final = 2
"""SQL queries at once; each may use a core and a bounded half a gigabyte."""

TIMEOUT_SECONDS: Final = 30.0
"""From the query to its answer; then its worker is killed."""

LOAD_SECONDS: Final = 15.0
LOAD_BYTES: Final = 1024 * 1024 * 1024
"""Of log groups that one query reads; beyond, it answers over the newest and says Incomplete."""

START_SECONDS: Final = 30.0
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1"}
"""Nothing of the service's own, which holds the root key."""

TAG: Final = "__tag__:"

Column = tuple[str, str, list[str], str]
"""The name SQL uses, the record's key, a path in its JSON, and text, long or double."""


class SqlError(Exception):
    """The query cannot be answered; the sentence is for the client."""


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """A Logstore as a query sees it: which records, which columns there are, how to read it."""

    program: str
    topic: str
    columns: Sequence[Column]
    begin: int
    end: int
    ident: int
    entries: Callable[[int, int], Iterator[contract.Entry]]
    """Its log groups with a record in a half-open span of seconds."""


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """An answer: all cells are text. Incomplete when not all records could be read."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[list[str]]
    complete: bool
    scanned_rows: int
    scanned_bytes: int


class _Worker:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loghub_ingest.search.sql.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_ENVIRONMENT | {"PYTHONPATH": ":".join(filter(None, sys.path))},
            cwd="/",
        )

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """Kill it, and take it off the process table."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, head: dict[str, Any], body: bytes = b"") -> None:
        if self._process.stdin is None:
            raise EOFError
        framing.write(self._process.stdin, head, body)

    def receive(self) -> dict[str, Any]:
        if self._process.stdout is None:
            raise EOFError
        found, _ = framing.read(self._process.stdout)
        if "error" in found:
            raise SqlError(str(found["error"]))
        return found

    def ask(self, head: dict[str, Any]) -> dict[str, Any]:
        self.send(head)
        return self.receive()


class Workers:
    """Up to WORKERS processes, started when they are needed; callers are at most as many."""

    def __init__(self, timeout: float = TIMEOUT_SECONDS) -> None:
        self._timeout = timeout
        # The last one used comes first: it holds what the next query is likely to need.
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()

    def run(
        self,
        storage: contract.LogStorage,
        sql: str,
        tables: Collection[str],
        table: Callable[[str], Table],
    ) -> Result:
        """The answer to `sql` over `tables`; `table` gives one that the query reads.

        Raises:
            SqlError: it has none, and why.
        """
        worker = self._take()
        late = threading.Timer(self._timeout, worker.kill)
        late.start()
        try:
            found = _Query(worker, storage, table).run(sql, tables)
        except (OSError, EOFError) as fault:
            worker.close()
            raise SqlError(
                f"the query needed more than {self._timeout:.0f} s or more memory than it may use: "
                "narrow the time, or the records before the |"
            ) from fault
        except SqlError:
            self._idle.put(worker)
            raise
        except BaseException:
            worker.close()
            raise
        finally:
            late.cancel()
        self._idle.put(worker)
        return found

    def close(self) -> None:
        """End every worker that is idle."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    def _take(self) -> _Worker:
        while True:
            try:
                worker = self._idle.get_nowait()
            except queue.Empty:
                return self._start()
            if worker.alive:
                return worker
            worker.close()  # it was idle for long and ended

    def _start(self) -> _Worker:
        worker = _Worker()
        late = threading.Timer(START_SECONDS, worker.kill)
        late.start()
        try:
            worker.receive()
        except (OSError, EOFError) as fault:
            worker.close()
            raise SqlError("the process that runs SQL does not start; see the log") from fault
        finally:
            late.cancel()
        return worker


class _Query:
    """One query on one worker."""

    def __init__(
        self, worker: _Worker, storage: contract.LogStorage, table: Callable[[str], Table]
    ) -> None:
        self._worker, self._storage, self._table = worker, storage, table
        self._deadline = time.monotonic() + LOAD_SECONDS
        self._complete = True
        self._rows = self._bytes = 0

    def run(self, sql: str, tables: Collection[str]) -> Result:
        checked = self._worker.ask({"op": "check", "sql": sql, "tables": sorted(tables)})
        loaded = [self._load(source, checked["columns"]) for source in checked["sources"]]
        found = self._worker.ask({"op": "run", "text": checked["text"], "tables": loaded})
        return Result(
            columns=tuple(found["columns"]),
            types=tuple(found["types"]),
            rows=found["rows"],
            complete=self._complete,
            scanned_rows=self._rows,
            scanned_bytes=self._bytes,
        )

    def _load(self, source: dict[str, Any], names: list[str] | None) -> dict[str, Any]:
        table = self._table(source["name"])
        begin, end = max(table.begin, source["begin"]), min(table.end, source["end"])
        wanted = None if names is None else {name.lower() for name in names}
        columns = [each for each in table.columns if wanted is None or each[0].lower() in wanted]
        # Tags are always there, but nothing lists them.
        columns += [(name, name, [], "text") for name in names or () if name.startswith(TAG)]
        entries = sorted(table.entries(begin, end), key=lambda each: each.max_time, reverse=True)
        groups = [f"{table.ident}/{each.sequence}/{each.segment}/{each.offset}" for each in entries]
        asked: dict[str, Any] = {"program": table.program, "topic": table.topic, "columns": columns}
        asked["groups"] = groups
        answer = self._worker.ask({"op": "have"} | asked)
        missing = set(answer["missing"])
        for position, entry in enumerate(entries):
            if position in missing and not self._send(entry, groups[position]):
                self._complete = False
                break
            self._rows += entry.logs
        return asked | {"name": source["name"], "begin": begin, "end": end}

    def _send(self, entry: contract.Entry, group: str) -> bool:
        self._bytes += entry.raw_size
        if self._bytes > LOAD_BYTES or time.monotonic() > self._deadline:
            return False
        raw = self._storage.read(entry)
        if raw is not None:
            self._worker.send({"op": "group", "group": group}, raw)
        return True
