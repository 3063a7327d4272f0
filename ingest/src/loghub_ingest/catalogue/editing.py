"""Holds off every other replica while a document is read to be written back changed.

What an `asyncio.Lock` is to one process: a lock of the database beside it, which the end of its
connection lets go. `service.Service.editing` is one of the two.
"""

import asyncio
from typing import Final

import sqlalchemy as sa

from loghub_ingest.catalogue import database, replicas

_NUMBER: Final = 7_114_210_336
"""The advisory lock: any number that nobody else uses."""


class Editing:
    """An asynchronous context manager, used by one task at a time and by one replica at a time."""

    def __init__(self, catalogue: replicas.Replica) -> None:
        """Of the replicas of `catalogue`."""
        self._catalogue = catalogue
        self._here = asyncio.Lock()
        self._held: sa.Connection | None = None

    async def __aenter__(self) -> None:
        """Wait for it.

        Raises:
            contract.UnavailableError: the database does not answer.
        """
        await self._here.acquire()
        try:
            self._held = await asyncio.to_thread(self._take)
        except BaseException:
            self._here.release()
            raise

    async def __aexit__(self, *_exception: object) -> None:
        """Let it go."""
        held, self._held = self._held, None
        try:
            if held is not None:
                await asyncio.to_thread(_let_go, held)
        finally:
            self._here.release()

    def _take(self) -> sa.Connection:
        with database.translated():
            connection = self._catalogue.line()
            try:
                connection.execute(sa.select(sa.func.pg_advisory_lock(_NUMBER)))
            except BaseException:
                _let_go(connection)
                raise
            return connection


def _let_go(connection: sa.Connection) -> None:
    # The end of the connection is the end of the lock, whatever state it is in.
    connection.invalidate()
    connection.close()
