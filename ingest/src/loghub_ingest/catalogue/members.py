"""Who of a consumer group reads which shard, where many replicas decide it: one row per group.

Whoever decides holds the row's lock, so heartbeats that reach different replicas come one after the
other, by the database's clock. What the state means is the business of `consumers`.
"""

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from loghub_ingest.catalogue import database, tables

_T = TypeVar("_T")


class Members(database.Database):
    """The states of one catalogue."""

    def change_members(
        self, store: int, group: str, change: Callable[[str, float], tuple[str, _T]]
    ) -> _T:
        """Replace a group's state by what `change` makes of it; nobody comes in between.

        Args:
            store: the Logstore's ident.
            group: the consumer group's name.
            change: gets the state, empty at first, and the time in seconds; what it raises leaves
                the state as it was.
        """
        table = tables.MEMBERS
        row = {"store": store, "consumer_group": group, "state": ""}
        own = (table.c.store == store, table.c.consumer_group == group)
        with self._transaction() as base:
            base.execute(self._insert(table).values(row).on_conflict_do_nothing())
            held = sa.select(table.c.state).where(*own).with_for_update()
            state = str(base.execute(held).scalar_one())
            now = base.execute(sa.select(sa.extract("epoch", sa.func.clock_timestamp())))
            state, result = change(state, float(now.scalar_one()))
            base.execute(sa.update(table).where(*own).values(state=state))
        return result
