"""The official Go SDK, unmodified: client, producer and two consumers, in both signatures."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.ingest import DOMAIN, ROOT_KEY

SOURCES = Path(__file__).parent / "gosdk"
TOTAL = 2000


@pytest.fixture(scope="session")
def program(tmp_path_factory) -> Path:
    """Built from the module proxy's sources, as go.sum holds them; Go's cache makes it quick."""
    if shutil.which("go") is None:
        pytest.skip("no go on PATH: the official Go SDK is not tried")
    built = tmp_path_factory.mktemp("gosdk") / "gosdk"
    command = ["go", "build", "-mod=readonly", "-o", str(built), "."]
    done = subprocess.run(command, check=False, cwd=SOURCES, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return built


@pytest.mark.timeout(400)  # the first build compiles the SDK
@pytest.mark.parametrize("version", ["v1", "v4"])
def test_go_producer_and_consumers_lose_nothing_over_a_split(program, service, version):
    environment = os.environ | {
        "ENDPOINT": f"http://{DOMAIN}",
        "HTTP_PROXY": service.url,  # `PROJECT.sls.test` as any resolver would let it be reached
        "NO_PROXY": "",
        "KEY_ID": ROOT_KEY.access_key_id,
        "KEY_SECRET": ROOT_KEY.access_key_secret,
        "AUTH_VERSION": version,
    }
    done = subprocess.run(
        [str(program)], check=False, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["unknownError"] == (
        "404 ProjectNotExist The Project does not exist : no-such-project"
    )
    assert found["failed"] is None
    assert found["acknowledged"] == TOTAL
    assert found["shards"] == 4
    seen = {int(number): times for number, times in found["seen"].items()}
    assert sorted(seen) == list(range(TOTAL))
    assert set(seen.values()) == {1}
