"""The program of `helm test`, against the real service and the real agent."""

import os
import pathlib
import subprocess
import sys

import pytest
import yaml

from harness.ingest import ROOT_KEY
from harness.ports import free_port

PROGRAM = pathlib.Path(__file__).parents[2] / "charts" / "loghub" / "test" / "round_trip.py"


def run(
    endpoint: str, stdout: pathlib.Path, **more: str
) -> tuple[subprocess.CompletedProcess[str], str]:
    environment = os.environ | {
        "ENDPOINT": endpoint,
        "ACCESS_KEY_ID": ROOT_KEY.access_key_id,
        "ACCESS_KEY_SECRET": ROOT_KEY.access_key_secret,
        **more,
    }
    with stdout.open("ab") as out:
        done = subprocess.run(
            [sys.executable, str(PROGRAM)],
            env=environment,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    return done, done.stderr


async def test_a_line_printed_in_a_pod_comes_back_through_agent_and_service(chain):
    async with chain.service.client() as client:
        await client.create_project(chain.project)
        document = {"logstoreName": chain.logstore, "ttl": 1, "shardCount": 2}
        await client.create_logstore(chain.project, document)
    done, said = run(
        chain.service.url,
        chain.container_log,
        PROJECT=chain.project,
        LOGSTORE=chain.logstore,
        TIMEOUT_SECONDS="90",
    )
    assert done.returncode == 0, said
    assert f"the line came back from {chain.project}/{chain.logstore}" in said


def test_without_an_agent_the_line_is_written_by_the_api(chain, tmp_path):
    for _ in range(2):
        done, said = run(chain.service.url, tmp_path / "out", TIMEOUT_SECONDS="60")
        assert done.returncode == 0, said
    assert (tmp_path / "out").read_text() == ""


@pytest.mark.parametrize("wrong", ["nobody listens", "nothing collects"])
def test_a_line_that_does_not_come_back_fails_and_says_where_to_look(chain, tmp_path, wrong):
    endpoint = (
        chain.service.url if wrong == "nothing collects" else f"http://127.0.0.1:{free_port()}"
    )
    done, said = run(
        endpoint, tmp_path / "out", PROJECT="nowhere", LOGSTORE="none", TIMEOUT_SECONDS="2"
    )
    assert done.returncode == 1
    assert "kubectl loghub status" in said
    if wrong == "nothing collects":
        assert "ProjectNotExist" in said


def test_the_pod_is_opted_in_where_agents_collect(render):
    def pod(*settings: str) -> dict:
        text = render(*(f"--set={each}" for each in settings))
        [found] = [each for each in yaml.safe_load_all(text) if each and each["kind"] == "Pod"]
        return found

    assert pod()["metadata"]["annotations"]["loghub.dev/logstore"] == "loghub-helm-test"
    without = pod("agent.enabled=false")
    assert "loghub.dev/logstore" not in without["metadata"]["annotations"]
    assert "PROJECT" not in [each["name"] for each in without["spec"]["containers"][0]["env"]]
