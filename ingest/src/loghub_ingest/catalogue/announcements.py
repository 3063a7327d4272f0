"""Tickets of replicas: who announced the last write of a hash key, and whether it is known done.

Two replicas may be asked for the same write. Each replaces only the very ticket that it has seen,
so one of them announces it and the other looks again. `kafka.once` decides by them.
"""

import dataclasses
from collections.abc import Sequence

import sqlalchemy as sa

from loghub_ingest.catalogue import tables, tickets
from loghub_ingest.storage import contract

_TABLE = tables.TICKET.c


@dataclasses.dataclass(frozen=True, slots=True)
class Announced:
    """A ticket; `writer` is the transactional id under which its write is sent.

    Attributes:
        ticket: what is written.
        writer: by whom.
        done: whether it is known to be in its shard.
        version: counts the tickets of the hash key; 0 is none.
    """

    ticket: contract.Ticket
    writer: str
    done: bool
    version: int


class Announcements(tickets.Tickets):
    """The tickets of a catalogue with many replicas."""

    def announced(self, store: int, hash_key: str) -> Announced | None:
        """The last one of a hash key."""
        own = (_TABLE.store == store, _TABLE.hash_key == hash_key)
        columns = (*tickets.COLUMNS, _TABLE.writer, _TABLE.done, _TABLE.version)
        rows = self._rows(sa.select(*columns).where(*own))
        if not rows:
            return None
        *ticket, writer, done, version = rows[0]
        return Announced(contract.Ticket(*ticket), writer, bool(done), version)

    def announce(self, wanted: Sequence[Announced]) -> list[bool]:
        """Write tickets, each of the version after the one that is there; whether each was."""
        with self._transaction() as base:
            done = {each: self._announce(base, each) for each in sorted(wanted, key=_place)}
        return [done[each] for each in wanted]

    def settle(self, done: Sequence[Announced]) -> None:
        """Remember that these writes are in their shards."""
        with self._transaction() as base:
            for each in sorted(done, key=_place):
                ticket = each.ticket
                own = (_TABLE.store == ticket.store, _TABLE.hash_key == ticket.hash_key)
                this = sa.update(tables.TICKET).where(*own, _TABLE.version == each.version)
                base.execute(this.values(done=1))

    def _announce(self, base: sa.Connection, wanted: Announced) -> bool:
        row = dataclasses.asdict(wanted.ticket)
        row |= {"writer": wanted.writer, "done": 0, "version": wanted.version}
        if wanted.version == 1:
            added = self._insert(tables.TICKET).values(row).on_conflict_do_nothing()
            return base.execute(added.returning(_TABLE.store)).first() is not None
        own = (_TABLE.store == wanted.ticket.store, _TABLE.hash_key == wanted.ticket.hash_key)
        before = sa.update(tables.TICKET).where(*own, _TABLE.version == wanted.version - 1)
        return base.execute(before.values(row)).rowcount > 0


def _place(each: Announced) -> tuple[int, str]:
    return each.ticket.store, each.ticket.hash_key
