"""One service process per test, on a data directory of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.ingest import Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = Service(tmp_path / "data")
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        assert running.stop() == 0
