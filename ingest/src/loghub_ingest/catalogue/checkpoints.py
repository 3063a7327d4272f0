"""How far each consumer group has read each shard. Used by the API's consumer groups."""

import time
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from loghub_ingest.catalogue import database, tables
from loghub_ingest.storage import contract

_TABLE = tables.CHECKPOINT.c


class Checkpoints(database.Database):
    """The checkpoints of one catalogue."""

    def checkpoints(self, store: int, group: str) -> Mapping[int, contract.Checkpoint]:
        """Those of a group by shard number."""
        columns = (_TABLE.shard, _TABLE.checkpoint, _TABLE.updated, _TABLE.consumer)
        own = (_TABLE.store == store, _TABLE.consumer_group == group)
        rows = self._rows(sa.select(*columns).where(*own))
        return {row[0]: contract.Checkpoint(*row[1:]) for row in rows}

    def all_checkpoints(self, most: int) -> Sequence[tuple[int, str, int, str]]:
        """Logstore, group, shard and cursor of those of every group, up to `most`."""
        columns = (_TABLE.store, _TABLE.consumer_group, _TABLE.shard, _TABLE.checkpoint)
        return [tuple(row) for row in self._rows(sa.select(*columns).limit(most))]

    def set_checkpoint(
        self, store: int, group: str, shard: int, checkpoint: str, *, consumer: str
    ) -> None:
        """Durable on return."""
        row = {
            "store": store,
            "consumer_group": group,
            "shard": shard,
            "checkpoint": checkpoint,
            "updated": time.time_ns() // 1000,
            "consumer": consumer,
        }
        self._run(self._replacing(tables.CHECKPOINT).values(row))

    def delete_checkpoints(self, store: int, group: str) -> None:
        """Forget those of a group, and who reads what in it."""
        for table in (tables.CHECKPOINT, tables.MEMBERS):
            own = (table.c.store == store, table.c.consumer_group == group)
            self._run(sa.delete(table).where(*own))
