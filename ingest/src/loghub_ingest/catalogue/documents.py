"""JSON documents of a project that no hot path reads: consumer groups, Logtail configs, tags.

A document is found by project, kind and name. What it means is the business of the API's modules.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from loghub_ingest.catalogue import database, tables
from loghub_ingest.storage import contract

_TABLE = tables.DOCUMENT.c
_COLUMNS = (_TABLE.name, _TABLE.body, _TABLE.created, _TABLE.modified)


class Documents(database.Database):
    """The documents of one catalogue."""

    def document(self, project: str, kind: str, name: str) -> contract.Document | None:
        """One document."""
        rows = self._rows(sa.select(*_COLUMNS).where(*_is(project, kind), _TABLE.name == name))
        return _document(rows[0]) if rows else None

    def documents(self, project: str, kind: str) -> Sequence[contract.Document]:
        """All of a kind, by name."""
        rows = self._rows(sa.select(*_COLUMNS).where(*_is(project, kind)))
        # Sorted here: a database may have an order of its own for letters.
        return sorted((_document(row) for row in rows), key=lambda each: each.name)

    def add_document(self, project: str, kind: str, name: str, body: dict[str, Any]) -> bool:
        """Add one; False where the name is taken."""
        now = int(time.time())
        row = {"project": project, "kind": kind, "name": name, "body": json.dumps(body)} | {
            "created": now,
            "modified": now,
        }
        added = self._insert(tables.DOCUMENT).values(row).on_conflict_do_nothing()
        with self._transaction() as base:
            return base.execute(added.returning(_TABLE.name)).first() is not None

    def set_document(self, project: str, kind: str, name: str, body: dict[str, Any]) -> bool:
        """Replace one; False where there is none."""
        changed = sa.update(tables.DOCUMENT).where(*_is(project, kind), _TABLE.name == name)
        return self._run(changed.values(body=json.dumps(body), modified=int(time.time()))) > 0

    def delete_document(self, project: str, kind: str, name: str) -> bool:
        """Remove one; False where there is none."""
        gone = sa.delete(tables.DOCUMENT).where(*_is(project, kind), _TABLE.name == name)
        return self._run(gone) > 0


def _is(project: str, kind: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _TABLE.project == project, _TABLE.kind == kind


def _document(row: Sequence[Any]) -> contract.Document:
    name, body, created, modified = row
    return contract.Document(name, json.loads(body), created, modified)
