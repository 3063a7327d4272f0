"""What several replicas need: where a sealed shard ends, who reads what, the order of changes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add it."""
    op.add_column("shard", sa.Column("end_sequence", sa.BigInteger()))
    op.add_column("ticket", sa.Column("writer", sa.Text(), nullable=False, server_default=""))
    for name in ("done", "version"):
        number = sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
        op.add_column("ticket", number)
    op.create_table(
        "members",
        sa.Column("store", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("consumer_group", sa.Text(), primary_key=True),
        sa.Column("state", sa.Text()),
    )
    revision_table = op.create_table(
        "revision",
        sa.Column("ident", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("value", sa.BigInteger()),
    )
    op.bulk_insert(revision_table, [{"ident": 1, "value": 1}])
    op.create_table(
        "change",
        sa.Column("revision", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
    )
