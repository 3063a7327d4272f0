"""One service for the suite, a Logstore and an agent for each test, and the table at the end."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import ingest
from rig import agent, arrivals, kubelet, stage

SOAK = int(os.environ.get("LOGHUB_SOAK", "0"))
"""How many times the short suite's rounds the long one makes; 0 is the short one."""

_table: list[str] = []
_numbers = itertools.count(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long suite's tests out of the short one."""
    if not SOAK:
        long = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ingest.Service]:
    running = ingest.Service(tmp_path_factory.mktemp("service") / "data")
    running.start()
    arrivals.create_project(running)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def rounds() -> int:
    """Times more than once that a random fault is repeated."""
    return SOAK


@pytest.fixture
def scene(
    service: ingest.Service, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[stage.Scene]:
    logstore = arrivals.Arrivals(service, f"lines-{next(_numbers)}")
    logstore.create()
    collector = agent.Agent(tmp_path, service.url, logstore.logstore)
    playing = stage.Scene(service, collector, logstore)
    yield playing
    if collector.process is not None:
        if collector.process.poll() is None:
            collector.kill()
        if playing.last is not None:
            name = request.node.name.removeprefix("test_")
            _table.append(playing.row(name))


@pytest.fixture
def container(scene: stage.Scene) -> kubelet.Container:
    return kubelet.Container(scene.agent.pods)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _table:
        terminalreporter.section("agent faults")
        terminalreporter.write_line(stage.HEAD)
        for line in _table:
            terminalreporter.write_line(line)
