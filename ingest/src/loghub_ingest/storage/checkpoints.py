"""How far each consumer group has read each shard. Used by the API's consumer groups."""

import time
from collections.abc import Mapping

from loghub_ingest.storage import contract, database


class Checkpoints(database.Database):
    """The checkpoints of one data directory."""

    def checkpoints(self, store: int, group: str) -> Mapping[int, contract.Checkpoint]:
        """Those of a group by shard number."""
        with self._lock:
            rows = self._base.execute(
                "SELECT shard, checkpoint, updated, consumer FROM checkpoint"
                " WHERE store = ? AND consumer_group = ?",
                (store, group),
            ).fetchall()
        return {row[0]: contract.Checkpoint(*row[1:]) for row in rows}

    def set_checkpoint(
        self, store: int, group: str, shard: int, checkpoint: str, *, consumer: str
    ) -> None:
        """Durable on return."""
        with self._lock:
            self._base.execute(
                "INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?, ?, ?)",
                (store, group, shard, checkpoint, time.time_ns() // 1000, consumer),
            )

    def delete_checkpoints(self, store: int, group: str) -> None:
        """Forget those of a group."""
        with self._lock:
            self._base.execute(
                "DELETE FROM checkpoint WHERE store = ? AND consumer_group = ?", (store, group)
            )
