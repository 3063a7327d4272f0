"""The page about machines without Kubernetes, followed: its agent runs, and says what it shows."""

import asyncio
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

from harness.ingest import ROOT_KEY, Service
from harness.ports import free_port
from stage import pages, waiting

EXAMPLES = pages.ROOT / "examples" / "standalone"
PROGRAMS = pathlib.Path(sys.executable).parent
POD = "pods/shop_corner-1_6f1a"
STAMP = "2026-11-25T10:00:00.000000Z"


@pytest.fixture
def service(tmp_path):
    running = Service(tmp_path / "data")
    running.start()

    async def provision():
        async with running.client() as client:
            await client.create_project("shop")
            for name in ("access", "orders", "payments"):
                document = {"logstoreName": name, "ttl": 1, "shardCount": 1}
                await client.create_logstore("shop", document)

    asyncio.run(provision())
    yield running
    assert running.stop() == 0


def prepare(place: pathlib.Path, service: Service) -> None:
    """The pipelines, keys and containers that the page speaks of."""
    (place / "pipelines").mkdir()
    for path in (EXAMPLES / "pipelines").glob("*.yaml"):
        document = yaml.safe_load(path.read_text())
        document["spec"]["destination"]["endpoint"] = service.url
        (place / "pipelines" / path.name).write_text(yaml.safe_dump(document))
    key = {"accessKeyId": ROOT_KEY.access_key_id, "accessKeySecret": ROOT_KEY.access_key_secret}
    (place / "credentials.yaml").write_text(yaml.safe_dump({"shop": key}))
    for path in (EXAMPLES / "samples").glob("*.log"):
        log = place / POD / path.stem / "0.log"
        log.parent.mkdir(parents=True)
        lines = path.read_text().splitlines()
        log.write_text("".join(f"{STAMP} stdout F {line}\n" for line in lines))


def here(words: str, place: pathlib.Path, port: int) -> list[str]:
    """A command of the page with a reader's own folders and a free port."""
    for stands, means in (
        ("/etc/loghub", str(place)),
        ("/var/lib/loghub-agent", str(place / "state")),
        ("/var/log/pods", str(place / "pods")),
        ("127.0.0.1:8081", f"127.0.0.1:{port}"),
    ):
        words = words.replace(stands, means)
    command = shlex.split(words.removeprefix("$ "))
    return [str(PROGRAMS / command[0]), *command[1:]]


def test_the_agent_of_the_page_runs_and_explains_itself(tmp_path, service):
    start, explain = pages.blocks("machine")
    port = free_port()
    prepare(tmp_path, service)
    [words] = start.commands
    with (tmp_path / "agent.log").open("wb") as log:
        agent = subprocess.Popen(here(words, tmp_path, port), stderr=log)
    try:
        asking, _, shown = explain.text.partition("\n")
        command = here(asking, tmp_path, port)

        def said() -> str:
            assert agent.poll() is None, (tmp_path / "agent.log").read_text()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.stdout if "2 records acknowledged" in done.stdout else ""

        told = waiting.until("both lines are acknowledged", said, seconds=60, every=0.3)
    finally:
        agent.terminate()
        assert agent.wait(timeout=60) == 0
    assert plain(told, tmp_path) == plain(shown, pathlib.Path("/var/log"))


def plain(text: str, folder: pathlib.Path) -> list[str]:
    """What must be the same: not where the folders are, nor how long a record waited."""
    text = text.replace(f"{folder}{os.sep}", "/").strip()
    return re.sub(r"waiting for [\d.]+ s", "waiting", text).splitlines()


def test_the_unit_of_the_page_starts_the_program_with_flags_that_it_has():
    [unit] = [each for each in pages.blocks("shown") if each.language == "ini"]
    joined = unit.text.replace("\\\n", " ")
    [line] = re.findall(r"(?m)^ExecStart=(.*)$", joined)
    program, *words = shlex.split(line)
    help_ = subprocess.run(
        [str(PROGRAMS / pathlib.Path(program).name), words[0], "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for word in words[1:]:
        assert not word.startswith("--") or word in help_.stdout


def test_systemd_reads_the_unit_of_the_page(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on PATH")
    [unit] = [each for each in pages.blocks("shown") if each.language == "ini"]
    path = tmp_path / "loghub-agent.service"
    path.write_text(unit.text.replace("/usr/local/bin/loghub-agent", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
