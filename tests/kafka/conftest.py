"""Replicas of the service on three real brokers and a real PostgreSQL, both started once."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.ingest import Replica


@pytest.fixture
def replicas(where, tmp_path) -> Iterator[Callable[[int], list[Replica]]]:
    """Starts some on one new storage."""
    started: list[Replica] = []

    def start(count: int, *options: str) -> list[Replica]:
        address = where()
        made = [Replica(tmp_path / "replicas", address, *options) for _ in range(count)]
        for each in made:
            started.append(each)
            each.start()
        return made

    yield start
    for each in started:
        if each.process is not None and each.process.poll() is None:
            assert each.stop() == 0, each.log.read_text()[-2000:]


@pytest.fixture(scope="module")
def lasting(where, tmp_path_factory) -> Iterator[Replica]:
    """One for all tests of a file."""
    made = Replica(Path(tmp_path_factory.mktemp("lasting")), where())
    made.start()
    yield made
    assert made.stop() == 0


@dataclasses.dataclass
class Row:
    """One kind of fault, in records: what was sent, acknowledged, read back, lost, there twice."""

    written: int = 0
    acknowledged: int = 0
    read: int = 0
    lost: int = 0
    repeated: int = 0


_table: dict[str, Row] = {}


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Row:
    """The row of this test."""
    name = request.node.name.removeprefix("test_").replace("_", " ")
    return _table.setdefault(name, Row())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _table:
        terminalreporter.section("faults on Kafka, in records")
        form = "{:<50} {:>8} {:>13} {:>6} {:>5} {:>9}"
        heads = ("written", "acknowledged", "read", "lost", "repeated")
        terminalreporter.write_line(form.format("fault", *heads))
        for name, each in _table.items():
            terminalreporter.write_line(form.format(name, *dataclasses.astuple(each)))
