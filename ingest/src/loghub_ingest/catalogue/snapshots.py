"""Rows of the catalogue as values: those that a change touched, or all. Used by `names`."""

import dataclasses
import json
from collections.abc import Collection, Mapping
from typing import Any, Final

import sqlalchemy as sa

from loghub_ingest.catalogue import tables
from loghub_ingest.storage import contract, sealing

Item = tuple[str, str]
"""What can be touched: `project`, `logstore` (named PROJECT/NAME) or `key`, and its name."""

_MANY: Final = 500
"""Items of one statement: databases bound the parameters of one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """What of `touched` exists, by name."""

    touched: frozenset[Item]
    projects: Mapping[str, contract.Project]
    stores: Mapping[str, contract.Logstore]
    keys: Mapping[str, contract.AccessKey]


def read(base: sa.Connection, seal: sealing.Sealing, touched: Collection[Item]) -> Snapshot:
    """These items as they are in the transaction."""
    by_kind: dict[str, list[str]] = {"project": [], "logstore": [], "key": []}
    for kind, name in sorted(touched):
        by_kind[kind].append(name)
    projects: dict[str, contract.Project] = {}
    stores: dict[str, contract.Logstore] = {}
    keys: dict[str, contract.AccessKey] = {}
    for names in _chunks(by_kind["project"]):
        projects |= _projects(base, tables.PROJECT.c.name.in_(names))
    for names in _chunks(by_kind["logstore"]):
        table = tables.LOGSTORE.c
        pairs = [name.split("/", 1) for name in names]
        stores |= _stores(base, sa.tuple_(table.project, table.name).in_(pairs))
    for names in _chunks(by_kind["key"]):
        keys |= _keys(base, seal, tables.ACCESS_KEY.c.ident.in_(names))
    return Snapshot(frozenset(touched), projects, stores, keys)


def read_all(base: sa.Connection, seal: sealing.Sealing, known: Collection[Item]) -> Snapshot:
    """Everything; `known` is what was there before, and may be gone."""
    every = sa.true()
    projects, stores, keys = _projects(base, every), _stores(base, every), _keys(base, seal, every)
    touched = {("project", name) for name in projects} | {("logstore", name) for name in stores}
    touched |= {("key", ident) for ident in keys}
    return Snapshot(frozenset(touched | set(known)), projects, stores, keys)


def _chunks(names: list[str]) -> list[list[str]]:
    return [names[at : at + _MANY] for at in range(0, len(names), _MANY)]


def _projects(base: sa.Connection, where: sa.ColumnElement[bool]) -> dict[str, contract.Project]:
    rows = base.execute(sa.select(tables.PROJECT).where(where))
    return {row.name: contract.Project(*row) for row in rows}


def _stores(base: sa.Connection, where: sa.ColumnElement[bool]) -> dict[str, contract.Logstore]:
    table = tables.LOGSTORE.c
    shards: dict[int, list[contract.Shard]] = {}
    own = tables.SHARD.c.store.in_(sa.select(table.ident).where(where))
    order = (tables.SHARD.c.store, tables.SHARD.c.number)
    for row in base.execute(sa.select(tables.SHARD).where(own).order_by(*order)):
        shards.setdefault(row.store, []).append(_shard(row))
    found = {}
    for row in base.execute(sa.select(tables.LOGSTORE).where(where)):
        found[f"{row.project}/{row.name}"] = contract.Logstore(
            row.ident,
            row.project,
            row.name,
            json.loads(row.document),
            None if row.search is None else json.loads(row.search),
            tuple(shards.get(row.ident, ())),
            created=row.created,
            modified=row.modified,
        )
    return found


def _shard(row: sa.Row[Any]) -> contract.Shard:
    return contract.Shard(
        number=row.number,
        begin=int(row.begin_key, 16),
        end=int(row.end_key, 16),
        created=row.created,
        first_sequence=row.first_sequence,
        sealed=row.sealed,
        parents=tuple(map(int, row.parents.split())),
        end_sequence=row.end_sequence,
    )


def _keys(
    base: sa.Connection, seal: sealing.Sealing, where: sa.ColumnElement[bool]
) -> dict[str, contract.AccessKey]:
    found = {}
    for row in base.execute(sa.select(tables.ACCESS_KEY).where(where)):
        sealed = sealing.is_sealed(row.secret)
        secret = seal.open(row.ident, row.secret) if sealed else row.secret
        rights = frozenset(row.rights.split(","))
        found[row.ident] = contract.AccessKey(row.ident, secret, row.project, rights, row.created)
    return found
