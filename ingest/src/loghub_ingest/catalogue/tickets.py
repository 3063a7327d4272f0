"""What exactly-once writing needs: the last sequence id of each hash key, safe before its write.

A ticket is made durable first and says what is about to be appended: where, from which sequence on,
how long and with which digest. After a crash the shard itself tells whether the write happened, so
no ticket has to be marked as done. The API's `exactlyonce` decides by them.
"""

import dataclasses
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from loghub_ingest.catalogue import database, tables
from loghub_ingest.storage import contract

_TABLE = tables.TICKET.c

COLUMNS: Final = tuple(_TABLE[each.name] for each in dataclasses.fields(contract.Ticket))
"""Those of a `contract.Ticket`, in its order."""


class Tickets(database.Database):
    """The tickets of one catalogue."""

    def ticket(self, store: int, hash_key: str) -> contract.Ticket | None:
        """The last one of a hash key."""
        own = (_TABLE.store == store, _TABLE.hash_key == hash_key)
        rows = self._rows(sa.select(*COLUMNS).where(*own))
        return contract.Ticket(*rows[0]) if rows else None

    def count_tickets(self, store: int) -> int:
        """How many hash keys have one."""
        count = sa.select(sa.func.count()).select_from(tables.TICKET)
        return int(self._rows(count.where(_TABLE.store == store))[0][0])

    def set_tickets(self, tickets: Sequence[contract.Ticket]) -> None:
        """Replace those of their hash keys, in one transaction."""
        rows = [dataclasses.asdict(each) for each in tickets]
        with self._transaction() as base:
            base.execute(self._replacing(tables.TICKET), rows)
