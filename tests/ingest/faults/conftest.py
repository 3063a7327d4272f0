"""The table of faults that is printed at the end: tried, refused rightly, lost, crashed."""

import dataclasses
import re

import pytest


@dataclasses.dataclass
class Row:
    """One kind of fault; a test counts in it what it did and what it saw."""

    tried: int = 0
    refused: int = 0
    lost: int = 0
    """Acknowledged log groups or records that are gone, beyond those that the damage covers."""
    crashed: int = 0
    """Times that the service ended, or answered with an error of its own."""


_table: dict[str, Row] = {}


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Row:
    """The row of this test; its parameters share one."""
    name = re.sub(r"\[.*", "", request.node.name).removeprefix("test_").replace("_", " ")
    return _table.setdefault(name, Row())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _table:
        terminalreporter.section("ingest faults")
        form = "{:<78} {:>7} {:>8} {:>5} {:>8}"
        terminalreporter.write_line(form.format("fault", "tried", "refused", "lost", "crashed"))
        for name, each in _table.items():
            terminalreporter.write_line(form.format(name, *dataclasses.astuple(each)))
