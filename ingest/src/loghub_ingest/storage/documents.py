"""JSON documents of a project that no hot path reads: consumer groups, Logtail configs, tags.

A document is found by project, kind and name. What it means is the business of the API's modules.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

from loghub_ingest.storage import contract, database


class Documents(database.Database):
    """The documents of one data directory."""

    def document(self, project: str, kind: str, name: str) -> contract.Document | None:
        """One document."""
        with self._lock:
            row = self._base.execute(
                "SELECT name, body, created, modified FROM document"
                " WHERE project = ? AND kind = ? AND name = ?",
                (project, kind, name),
            ).fetchone()
        return None if row is None else _document(row)

    def documents(self, project: str, kind: str) -> Sequence[contract.Document]:
        """All of a kind, by name."""
        with self._lock:
            rows = self._base.execute(
                "SELECT name, body, created, modified FROM document"
                " WHERE project = ? AND kind = ? ORDER BY name",
                (project, kind),
            ).fetchall()
        return [_document(row) for row in rows]

    def add_document(self, project: str, kind: str, name: str, body: dict[str, Any]) -> bool:
        """Add one; False where the name is taken."""
        now = int(time.time())
        with self._lock:
            done = self._base.execute(
                "INSERT OR IGNORE INTO document VALUES (?, ?, ?, ?, ?, ?)",
                (project, kind, name, json.dumps(body), now, now),
            )
            return done.rowcount > 0

    def set_document(self, project: str, kind: str, name: str, body: dict[str, Any]) -> bool:
        """Replace one; False where there is none."""
        with self._lock:
            done = self._base.execute(
                "UPDATE document SET body = ?, modified = ?"
                " WHERE project = ? AND kind = ? AND name = ?",
                (json.dumps(body), int(time.time()), project, kind, name),
            )
            return done.rowcount > 0

    def delete_document(self, project: str, kind: str, name: str) -> bool:
        """Remove one; False where there is none."""
        with self._lock:
            done = self._base.execute(
                "DELETE FROM document WHERE project = ? AND kind = ? AND name = ?",
                (project, kind, name),
            )
            return done.rowcount > 0


def _document(row: tuple[str, str, int, int]) -> contract.Document:
    name, body, created, modified = row
    return contract.Document(name, json.loads(body), created, modified)
