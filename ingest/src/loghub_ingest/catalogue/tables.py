"""The tables, the same in SQLite and PostgreSQL. `migrations` makes them; `database` opens them.

Times of `shard.sealed` and `shard.first_sequence` are nanoseconds, of `checkpoint.updated`
microseconds, all others unix seconds. Hash keys are hexadecimal of equal length.
"""

from typing import Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData()

_IDENT: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite numbers rows by themselves only where the type is INTEGER."""


def _number(name: str, *, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), primary_key=key, autoincrement=False)


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=key)


PROJECT: Final = sa.Table(
    "project",
    METADATA,
    _text("name", key=True),
    _text("description"),
    _number("created"),
    _number("modified"),
)

LOGSTORE: Final = sa.Table(
    "logstore",
    METADATA,
    sa.Column("ident", _IDENT, primary_key=True, autoincrement=True),
    _text("project"),
    _text("name"),
    _text("document"),
    _text("search"),
    _number("created"),
    _number("modified"),
    sa.Column("shards_made", sa.BigInteger(), nullable=False, server_default="0"),
    sa.UniqueConstraint("project", "name"),
    sqlite_autoincrement=True,
)

SHARD: Final = sa.Table(
    "shard",
    METADATA,
    _number("store", key=True),
    _number("number", key=True),
    _text("begin_key"),
    _text("end_key"),
    _number("created"),
    _number("first_sequence"),
    sa.Column("sealed", sa.BigInteger(), nullable=False, server_default="0"),
    sa.Column("parents", sa.Text(), nullable=False, server_default=""),
    _number("end_sequence"),
)

ACCESS_KEY: Final = sa.Table(
    "access_key",
    METADATA,
    _text("ident", key=True),
    _text("secret"),
    _text("project"),
    _text("rights"),
    _number("created"),
)

DOCUMENT: Final = sa.Table(
    "document",
    METADATA,
    _text("project", key=True),
    _text("kind", key=True),
    _text("name", key=True),
    _text("body"),
    _number("created"),
    _number("modified"),
)

CHECKPOINT: Final = sa.Table(
    "checkpoint",
    METADATA,
    _number("store", key=True),
    _text("consumer_group", key=True),
    _number("shard", key=True),
    _text("checkpoint"),
    _number("updated"),
    _text("consumer"),
)

TICKET: Final = sa.Table(
    "ticket",
    METADATA,
    _number("store", key=True),
    _text("hash_key", key=True),
    _number("number"),
    _number("shard"),
    _number("after"),
    _number("raw_size"),
    _text("digest"),
    sa.Column("writer", sa.Text(), nullable=False, server_default=""),
    sa.Column("done", sa.BigInteger(), nullable=False, server_default="0"),
    sa.Column("version", sa.BigInteger(), nullable=False, server_default="0"),
)

MEMBERS: Final = sa.Table(
    "members",
    METADATA,
    _number("store", key=True),
    _text("consumer_group", key=True),
    _text("state"),
)
"""Who of a consumer group reads which shard; empty on one machine, which keeps it in memory."""

REVISION: Final = sa.Table("revision", METADATA, _number("ident", key=True), _number("value"))
"""One row: the number of the last change of projects, Logstores, shards and keys. Its lock puts
changes in one order."""

CHANGE: Final = sa.Table(
    "change",
    METADATA,
    _number("revision", key=True),
    _text("kind", key=True),
    _text("name", key=True),
)
"""What each of the newest changes touched, so that other replicas read that alone."""
