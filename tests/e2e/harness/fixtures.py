"""What the harness offers to pytest: `from harness.fixtures import control_plane` in a conftest.

Mark the tests `apiserver`. Each test makes a namespace of its own: the control plane is shared.
"""

import shutil
import uuid
from collections.abc import Callable, Iterator

import pytest

from harness.control_plane import ControlPlane
from harness.kafka import Kafka
from harness.postgres import Postgres


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A real API server without nodes, one per session."""
    if shutil.which("go") is None:
        pytest.skip("a real API server is built from source, and there is no `go` on PATH")
    with ControlPlane() as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, one per session; a test takes a database of its own."""
    server = Postgres()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Three real brokers, the same for a session. Mark the tests `brokers`."""
    brokers = Kafka(tmp_path_factory.mktemp("kafka"))
    brokers.start()
    yield brokers
    brokers.stop()


@pytest.fixture(scope="session")
def where(kafka: Kafka, postgres: Postgres) -> Callable[[], str]:
    """The address of a storage of replicas that nothing is in yet."""
    return lambda: (
        f"kafka://{kafka.addresses}?catalogue={postgres.database()}&prefix={uuid.uuid4().hex}"
    )
