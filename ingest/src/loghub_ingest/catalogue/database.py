"""Opens the catalogue's database, SQLite or PostgreSQL, brings it up to date, and runs statements.

`names`, `documents`, `checkpoints`, `tickets` and `members` each keep their tables in it. Every
change is one transaction that is durable when the call returns. SQLite has one connection and one
user at a time; PostgreSQL a pool, and any number of replicas.
"""

import contextlib
import pathlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from loghub_ingest.catalogue import legacy, tables
from loghub_ingest.storage import contract

HEAD: Final = "0002"
"""The newest of `migrations`."""

FORMAT: Final = 3
"""What SQLite's user_version says of it, by which earlier versions of the service keep away."""

POOL: Final = 8
"""Connections of one replica that stay open; half as many more come and go under load."""

_STEPS: Final = pathlib.Path(__file__).parent / "migrations"

_CONNECT_SECONDS: Final = 10
_STATEMENT_SECONDS: Final = 30
_UPGRADING: Final = 7_114_210_335
"""The advisory lock of whoever upgrades the tables: any number that nobody else uses."""


class NewerFormatError(Exception):
    """The database was written by a newer version."""


def sqlite_engine(path: pathlib.Path) -> sa.Engine:
    """One connection to a file, made or brought up to date.

    Raises:
        NewerFormatError: a newer version wrote it.
    """
    engine = sa.create_engine(
        f"sqlite:///{path}",
        poolclass=sa.StaticPool,
        connect_args={"check_same_thread": False},
    )

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where they are said to
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # a deleted key's secret leaves no copy

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.begin() as base:
        version = int(base.exec_driver_sql("PRAGMA user_version").scalar_one())
        if version > FORMAT:
            raise NewerFormatError(f"{path} has format {version}; this version knows {FORMAT}")
        if 0 < version < FORMAT:
            legacy.finish(base, version)
        if version == 0 and not sa.inspect(base).get_table_names():
            _make(base)
        elif version < FORMAT:
            upgrade(base, stamped="0001" if version else "")
        if version < FORMAT:
            base.exec_driver_sql(f"PRAGMA user_version = {FORMAT}")
    return engine


def postgresql_engine(url: str) -> sa.Engine:
    """A pool of connections to `postgresql://USER:PASSWORD@HOST:PORT/NAME`, tables up to date.

    Raises:
        NewerFormatError: a newer version made the tables.
        contract.UnavailableError: it does not answer.
    """
    engine = sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=POOL,
        max_overflow=POOL // 2,
        pool_pre_ping=True,  # a restart of the server costs no request an error
        pool_timeout=_STATEMENT_SECONDS,
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "application_name": "loghub-ingest",
            # A server that went silent is given up within half a minute.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 1000 * _STATEMENT_SECONDS,
            "options": f"-c statement_timeout={_STATEMENT_SECONDS}s -c lock_timeout=20s "
            "-c idle_in_transaction_session_timeout=60s",
        },
    )
    try:
        with translated(), engine.begin() as base:
            _bring_up_to_date(base)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _bring_up_to_date(base: sa.Connection) -> None:
    base.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADING)))
    there = sa.inspect(base).has_table("alembic_version")
    found = base.exec_driver_sql("SELECT version_num FROM alembic_version") if there else None
    version = found.scalar_one() if found is not None else ""
    if version > HEAD:
        raise NewerFormatError(f"the catalogue has version {version}; this one knows {HEAD}")
    if version != HEAD:
        upgrade(base)


def _make(base: sa.Connection) -> None:
    """Tables as the last of `migrations` leaves them, without Alembic's 13 MB and half a second."""
    tables.METADATA.create_all(base)
    base.execute(sa.insert(tables.REVISION).values(ident=1, value=1))
    base.exec_driver_sql(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
    )
    base.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (HEAD,))


def upgrade(base: sa.Connection, stamped: str = "") -> None:
    """Run the migrations that come after `stamped`; by itself every one that was not run yet."""
    # Imported here: it is half a second that only the first start of a version pays.
    from alembic import config, script  # noqa: PLC0415
    from alembic.runtime import environment  # noqa: PLC0415

    steps = script.ScriptDirectory(str(_STEPS))
    settings = config.Config()
    if stamped:
        with environment.EnvironmentContext(
            settings, steps, fn=lambda at, _: list(steps._stamp_revs(stamped, at))
        ) as stamping:
            stamping.configure(connection=base)
            stamping.run_migrations()
    with environment.EnvironmentContext(
        settings, steps, fn=lambda at, _: list(steps._upgrade_revs(HEAD, at))
    ) as upgrading:
        upgrading.configure(connection=base)
        upgrading.run_migrations()


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn a database that fails or does not answer into an error of the contract.

    Raises:
        contract.UnavailableError: whatever was to be done may not have been.
    """
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError) as fault:
        raise contract.UnavailableError(f"the catalogue does not answer: {fault.orig}") from fault
    except sa.exc.TimeoutError as fault:
        raise contract.UnavailableError("every connection to the catalogue is in use") from fault


class Database:
    """Statements on one engine."""

    def __init__(self, engine: sa.Engine) -> None:
        """Take over `engine`; `close` disposes of it."""
        self._engine = engine
        self._shared = engine.dialect.name == "postgresql"
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            self._engine.dispose()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        """All of it or nothing.

        Raises:
            contract.UnavailableError: it may have happened or not.
        """
        # SQLite's one connection belongs to one user at a time.
        with self._lock if not self._shared else contextlib.nullcontext():  # noqa: SIM117
            with translated(), self._engine.begin() as base:
                yield base

    def _rows(self, statement: sa.Select[Any]) -> Sequence[Any]:
        with self._transaction() as base:
            return base.execute(statement).all()

    def _run(self, statement: sa.Executable) -> int:
        """Run one change; how many rows it touched."""
        with self._transaction() as base:
            return int(base.execute(statement).rowcount)

    def _insert(self, table: sa.Table) -> "sqlite.Insert | postgresql.Insert":
        return postgresql.insert(table) if self._shared else sqlite.insert(table)

    def _replacing(self, table: sa.Table) -> sa.Insert:
        """An insert that replaces the row of the same primary key."""
        insert = self._insert(table)
        keys = [column.name for column in table.primary_key]
        others = {each.name: insert.excluded[each.name] for each in table.c if not each.primary_key}
        return insert.on_conflict_do_update(index_elements=keys, set_=others)
