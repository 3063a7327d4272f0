"""The catalogue of many replicas, on PostgreSQL: each sees what every other one has committed.

A replica reads names from memory as on one machine. Before a request is answered by them,
`catch_up` asks for the number of the last change; all requests that wait share one question, and
where the answer is what was known, nothing else is read. So a change that one replica acknowledged
is seen by the next request to any other, without a clock and without a time-out to wait for.
"""

import asyncio
import pathlib
import threading

import sqlalchemy as sa

from loghub_ingest.catalogue import announcements, database, members, names, tables
from loghub_ingest.storage import contract


class Replica(names.Names, members.Members, announcements.Announcements):
    """One replica's view of the catalogue."""

    def __init__(self, engine: sa.Engine, key_file: pathlib.Path) -> None:
        """Read everything; secrets are sealed under the key file, which is the same everywhere.

        Raises:
            sealing.KeyFileError: it does not open the secrets.
            contract.UnavailableError: the database does not answer.
        """
        super().__init__(engine, key_file)
        self._asking = threading.Lock()
        self._line: sa.Connection | None = None
        self._begun: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Close every connection."""
        with self._asking:
            self._hang_up()
        super().close()

    def line(self) -> sa.Connection:
        """A connection of its own for one statement after the other; close it.

        Raises:
            contract.UnavailableError: the database does not answer.
        """
        with database.translated():
            return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    async def catch_up(self) -> None:
        """See everything that any replica had committed when this was called.

        Raises:
            contract.UnavailableError: the database does not answer.
        """
        # A question on its way may have been answered before this call: the next one is waited for.
        if self._next is None:
            self._next = asyncio.create_task(self._ask_after(self._begun))
        await asyncio.shield(self._next)

    async def _ask_after(self, before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            await asyncio.wait([before])
        self._begun, self._next = self._next, None
        await asyncio.to_thread(self.catch_up_now)

    def catch_up_now(self) -> None:
        """The same, for whoever is in a thread already.

        Raises:
            contract.UnavailableError: the database does not answer.
        """
        if self._ask() == self._revision:
            return
        reading = self._engine.execution_options(isolation_level="REPEATABLE READ")
        with self._lock, database.translated(), reading.begin() as base:
            value = int(base.execute(sa.select(tables.REVISION.c.value)).scalar_one())
            self._follow(base, value)

    def _ask(self) -> int:
        with self._asking, database.translated():
            try:
                return self._answer()
            except (
                sa.exc.DBAPIError,
                contract.UnavailableError,
            ):  # a restart of the database: once more on a new line
                self._hang_up()
                return self._answer()

    def _answer(self) -> int:
        if self._line is None:
            self._line = self.line()
        return int(self._line.execute(sa.select(tables.REVISION.c.value)).scalar_one())

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.invalidate()
            self._line.close()
            self._line = None
