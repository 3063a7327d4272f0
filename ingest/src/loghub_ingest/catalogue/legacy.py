"""Formats 1 and 2 of a data directory's metadata.sqlite, from before `migrations`.

`database` finishes the step that an old directory lacks; what comes out is migration 0001.
"""

from typing import Final

import sqlalchemy as sa

STEPS: Final = (
    (
        "CREATE TABLE project (name TEXT PRIMARY KEY, description TEXT, created INT, modified INT)",
        "CREATE TABLE logstore (ident INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT, name TEXT,"
        " document TEXT, search TEXT, created INT, modified INT, UNIQUE (project, name))",
        "CREATE TABLE shard (store INT, number INT, begin_key TEXT, end_key TEXT, created INT,"
        " first_sequence INT, PRIMARY KEY (store, number))",
        "CREATE TABLE access_key (ident TEXT PRIMARY KEY, secret TEXT, project TEXT, rights TEXT,"
        " created INT)",
    ),
    (
        "ALTER TABLE logstore ADD COLUMN shards_made INT NOT NULL DEFAULT 0",
        "UPDATE logstore SET shards_made ="
        " (SELECT coalesce(max(number) + 1, 0) FROM shard WHERE store = logstore.ident)",
        "ALTER TABLE shard ADD COLUMN sealed INT NOT NULL DEFAULT 0",
        "ALTER TABLE shard ADD COLUMN parents TEXT NOT NULL DEFAULT ''",
        "CREATE TABLE document (project TEXT, kind TEXT, name TEXT, body TEXT, created INT,"
        " modified INT, PRIMARY KEY (project, kind, name))",
        "CREATE TABLE checkpoint (store INT, consumer_group TEXT, shard INT, checkpoint TEXT,"
        " updated INT, consumer TEXT, PRIMARY KEY (store, consumer_group, shard))",
        "CREATE TABLE ticket (store INT, hash_key TEXT, number INT, shard INT, after INT,"
        " raw_size INT, digest TEXT, PRIMARY KEY (store, hash_key))",
    ),
)
"""The statements of each step."""


def finish(base: sa.Connection, version: int) -> None:
    """Run the steps that come after `version`."""
    for step in STEPS[version:]:
        for statement in step:
            base.exec_driver_sql(statement)
