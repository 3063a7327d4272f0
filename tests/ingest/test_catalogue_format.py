"""A catalogue is the same whether it was made anew or brought up by every step there was."""

import sqlite3

import sqlalchemy as sa

from loghub_ingest.catalogue import database, legacy, names


def shape(engine: sa.Engine) -> dict:
    """Tables, columns, keys and what is unique, as the database tells it."""
    seen = sa.inspect(engine)
    return {
        table: (
            [
                (each["name"], str(each["type"]), each["nullable"], each["default"])
                for each in seen.get_columns(table)
            ],
            seen.get_pk_constraint(table)["constrained_columns"],
            [each["column_names"] for each in seen.get_unique_constraints(table)],
        )
        for table in seen.get_table_names()
    }


def rows(engine: sa.Engine, table: str) -> list:
    with engine.begin() as base:
        return [tuple(each) for each in base.exec_driver_sql(f"SELECT * FROM {table}")]  # noqa: S608


def test_new_directory_has_the_tables_that_all_migrations_make(tmp_path):
    made = database.sqlite_engine(tmp_path / "made.sqlite")
    migrated = sa.create_engine(f"sqlite:///{tmp_path / 'migrated.sqlite'}")
    with migrated.begin() as base:
        database.upgrade(base)
    assert shape(made) == shape(migrated)
    for table in ("alembic_version", "revision"):
        assert rows(made, table) == rows(migrated, table)
    made.dispose()
    migrated.dispose()


def test_directory_of_the_second_format_is_brought_up_with_what_it_holds(tmp_path):
    path = tmp_path / "metadata.sqlite"
    base = sqlite3.connect(path, isolation_level=None)
    for statement in (*legacy.STEPS[0], *legacy.STEPS[1], "PRAGMA user_version = 2"):
        base.execute(statement)
    base.execute("INSERT INTO project VALUES ('shop-project', 'd', 1, 2)")
    base.close()
    opened = names.Names(database.sqlite_engine(path), tmp_path / "key")
    assert opened.project("shop-project").description == "d"
    assert opened.create_logstore("shop-project", "web", {"shardCount": 2})
    opened.close()
    again = database.sqlite_engine(path)
    assert rows(again, "alembic_version") == [(database.HEAD,)]
    again.dispose()
