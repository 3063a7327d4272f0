"""Names, shards, keys, documents, checkpoints, tickets: the second format of a data directory."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_IDENT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=key)


def _number(name: str, *, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), primary_key=key, autoincrement=False)


def upgrade() -> None:
    """Make them."""
    times = ("created", "modified")
    op.create_table("project", _text("name", key=True), _text("description"), *map(_number, times))
    op.create_table(
        "logstore",
        sa.Column("ident", _IDENT, primary_key=True, autoincrement=True),
        *map(_text, ("project", "name", "document", "search")),
        *map(_number, times),
        sa.Column("shards_made", sa.BigInteger(), nullable=False, server_default="0"),
        sa.UniqueConstraint("project", "name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "shard",
        _number("store", key=True),
        _number("number", key=True),
        *map(_text, ("begin_key", "end_key")),
        *map(_number, ("created", "first_sequence")),
        sa.Column("sealed", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("parents", sa.Text(), nullable=False, server_default=""),
    )
    op.create_table(
        "access_key",
        _text("ident", key=True),
        *map(_text, ("secret", "project", "rights")),
        _number("created"),
    )
    op.create_table(
        "document",
        *(_text(name, key=True) for name in ("project", "kind", "name")),
        _text("body"),
        *map(_number, times),
    )
    op.create_table(
        "checkpoint",
        _number("store", key=True),
        _text("consumer_group", key=True),
        _number("shard", key=True),
        _text("checkpoint"),
        _number("updated"),
        _text("consumer"),
    )
    op.create_table(
        "ticket",
        _number("store", key=True),
        _text("hash_key", key=True),
        *map(_number, ("number", "shard", "after", "raw_size")),
        _text("digest"),
    )
