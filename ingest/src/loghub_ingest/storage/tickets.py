"""What exactly-once writing needs: the last sequence id of each hash key, safe before its write.

A ticket is made durable first and says what is about to be appended: where, from which sequence on,
how long and with which digest. After a crash the shard itself tells whether the write happened, so
no ticket has to be marked as done. The API's `exactlyonce` decides by them.
"""

from collections.abc import Sequence

from loghub_ingest.storage import contract, database


class Tickets(database.Database):
    """The tickets of one data directory."""

    def ticket(self, store: int, hash_key: str) -> contract.Ticket | None:
        """The last one of a hash key."""
        with self._lock:
            row = self._base.execute(
                "SELECT store, hash_key, number, shard, after, raw_size, digest FROM ticket"
                " WHERE store = ? AND hash_key = ?",
                (store, hash_key),
            ).fetchone()
        return None if row is None else contract.Ticket(*row)

    def count_tickets(self, store: int) -> int:
        """How many hash keys have one."""
        with self._lock:
            (count,) = self._base.execute(
                "SELECT count(*) FROM ticket WHERE store = ?", (store,)
            ).fetchone()
        return int(count)

    def set_tickets(self, tickets: Sequence[contract.Ticket]) -> None:
        """Replace those of their hash keys, in one transaction."""
        rows = [
            (
                each.store,
                each.hash_key,
                each.number,
                each.shard,
                each.after,
                each.raw_size,
                each.digest,
            )
            for each in tickets
        ]
        with self._transaction() as base:
            base.executemany("INSERT OR REPLACE INTO ticket VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
