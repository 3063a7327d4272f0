"""The official SDK's tests of tests/ingest, every one of them, against a replica on Kafka."""

import importlib.util
from pathlib import Path

import pytest

pytestmark = pytest.mark.brokers

_PATH = Path(__file__).parents[1] / "ingest" / "test_official_sdk.py"
_SPEC = importlib.util.spec_from_file_location("official_sdk_on_kafka", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
_TESTS = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_TESTS)

sdk, store = _TESTS.sdk, _TESTS.store
globals().update({name: each for name, each in vars(_TESTS).items() if name.startswith("test_")})


@pytest.fixture
async def service(lasting):
    """The same for all tests, and empty for each."""
    yield lasting
    async with lasting.client() as client:
        for project in await client.list_projects():
            await client.delete_project(project["projectName"])
