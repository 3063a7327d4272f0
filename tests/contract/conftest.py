"""Every backend behind one fixture: what `storage.contract` says is held against each of them.

`catalogue` is whatever keeps names (embedded on SQLite, replicas on PostgreSQL), `logs` whatever
keeps log groups as well. `replica` opens a second view where a backend can have one.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loghub_ingest.catalogue import database, replicas
from loghub_ingest.kafka import address, storage
from loghub_ingest.storage import contract, embedded


@pytest.fixture
def replica(postgres, tmp_path) -> Iterator[Callable[[], replicas.Replica]]:
    """Opens one replica more of the test's own catalogue."""
    url, opened = postgres.database(), []

    def open_one() -> replicas.Replica:
        made = replicas.Replica(database.postgresql_engine(url), tmp_path / "secrets.key")
        opened.append(made)
        return made

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture(params=["embedded", "postgresql"])
def catalogue(request, tmp_path) -> Iterator[contract.Catalogue]:
    if request.param == "postgresql":
        yield request.getfixturevalue("replica")()
        return
    storage = embedded.Embedded(tmp_path / "data")
    yield storage
    storage.close()
    shutil.rmtree(tmp_path / "data")


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.brokers)])
def reopened(request, tmp_path) -> Iterator[Callable[[], contract.LogStorage]]:
    """Opens the test's own storage, ending the process that had it before."""
    opened: list[contract.LogStorage] = []
    where = request.getfixturevalue("where")() if request.param == "kafka" else ""

    def again() -> contract.LogStorage:
        for before in opened:
            before.close()
        opened[:] = [_open(where, tmp_path)]
        return opened[0]

    yield again
    for each in opened:
        each.close()


@pytest.fixture
def logs(reopened) -> contract.LogStorage:
    return reopened()


def _open(where: str, directory: Path) -> contract.LogStorage:
    if where:
        return storage.KafkaStorage(address.read(where), directory / "secrets.key")
    return embedded.Embedded(directory / "data")
