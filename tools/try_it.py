"""`make try`: the service and an agent as two local processes, no cluster and no root.

Sample lines of three containers (examples/standalone) go through the agent's parsers into a
service on loopback, and come out as records. On a terminal it then stays, and prints what arrives
until Ctrl-C; elsewhere it ends.
"""

import argparse
import asyncio
import collections
import contextlib
import datetime as dt
import pathlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator

import yaml

from slswire.client import Client, Endpoint
from slswire.model import Log
from slswire.signature import Credentials

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples" / "standalone"
HOME = ROOT / "build" / "try"
KEY = Credentials("try", "only-on-this-machine")
PROJECT = "shop"
READY_SECONDS = 75
"""For the service's start and the first record; a healthy run needs two, a busy machine more."""
EXPECTED = {"access": 2, "orders": 3, "payments": 2}
"""Records that come of the samples, by Logstore."""
SEARCHED = {"line": {"token": list(", '\";=()[]{}?@&<>/:\n\t\r"), "caseSensitive": False}}
"""The index of each: every field, cut into words as the service does by itself."""
_AWAY = frozenset(("_time_", "_source_"))


class FailedError(Exception):
    """A step did not work; the sentence says which and where to look."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(name: str, *command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program of .venv/bin until the end of the block; its log is build/try/NAME.log."""
    program = pathlib.Path(sys.executable).parent / name
    log = HOME / f"{name}.log"
    with log.open("wb") as file:
        started = subprocess.Popen([program, *command], env=environment, stderr=file)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(timeout=READY_SECONDS)


def prepare(endpoint: str) -> None:
    """Make build/try afresh: documents for this endpoint, keys, and empty containers."""
    shutil.rmtree(HOME, ignore_errors=True)
    (HOME / "pipelines").mkdir(parents=True)
    for path in sorted((EXAMPLES / "pipelines").glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        document["spec"]["destination"]["endpoint"] = endpoint
        (HOME / "pipelines" / path.name).write_text(yaml.safe_dump(document), encoding="utf-8")
    keys = {PROJECT: {"accessKeyId": KEY.access_key_id, "accessKeySecret": KEY.access_key_secret}}
    (HOME / "credentials.yaml").write_text(yaml.safe_dump(keys), encoding="utf-8")


def container(name: str) -> pathlib.Path:
    """A container's log file, where a kubelet would put it."""
    return HOME / "pods" / "shop_corner-1_6f1a" / name / "0.log"


def write_samples() -> None:
    """Write every sample as its container would have, in the format of container runtimes."""
    for sample in sorted((EXAMPLES / "samples").glob("*.log")):
        file = container(sample.stem)
        file.parent.mkdir(parents=True)
        now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
        stamp = now.replace("+00:00", "Z")
        lines = sample.read_text(encoding="utf-8").splitlines()
        text = "".join(f"{stamp} stdout F {line}\n" for line in lines)
        file.write_text(text, encoding="utf-8")


async def make_stores(client: Client) -> None:
    """Wait for the service; make the project and its Logstores."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            await client.create_project(PROJECT)
            break
        except OSError as fault:
            if time.monotonic() > deadline:
                log = (HOME / "loghub-ingest.log").relative_to(ROOT)
                raise FailedError(f"the service does not answer ({fault}): see {log}") from fault
            await asyncio.sleep(0.1)
    for logstore in EXPECTED:
        document = {"logstoreName": logstore, "ttl": 1, "shardCount": 1}
        await client.create_logstore(PROJECT, document)
        await client.create_index(PROJECT, logstore, SEARCHED)


async def follow(client: Client) -> AsyncIterator[tuple[str, Log] | None]:
    """Every record of every Logstore as it arrives; None after each look."""
    cursors = {
        logstore: await client.get_cursor(PROJECT, logstore, 0, "begin") for logstore in EXPECTED
    }
    while True:
        for logstore, cursor in cursors.items():
            pulled = await client.pull_logs(PROJECT, logstore, 0, cursor)
            cursors[logstore] = pulled.next_cursor
            for group in pulled.groups:
                for log in group.logs:
                    yield logstore, log
        yield None
        await asyncio.sleep(0.2)


def show(logstore: str, log: Log) -> None:
    """Print one record."""
    when = dt.datetime.fromtimestamp(log.time, dt.UTC)
    print(f"\n  \033[1m{logstore}\033[0m  {when:%Y-%m-%d %H:%M:%S} UTC")
    for key, value in log.contents:
        if key not in _AWAY:
            print(f"    {key}: " + value.replace("\n", "\n" + " " * (6 + len(key))))


def say_what_next(endpoint: str, admin: str) -> None:
    """Print what can be tried while both run."""
    shown = HOME.relative_to(ROOT)
    line = '{"level": "warn", "order": 9}'
    print(
        f"""
The console      {endpoint}/console/    key {KEY.access_key_id} / {KEY.access_key_secret}

What to try next, in another terminal, while this one shows what arrives (Ctrl-C ends it):

  a new line      echo "$(date -u +%FT%T.%NZ) stdout F {line.replace('"', chr(92) + '"')}" \\
                    >> {container("payments").relative_to(ROOT)}
  a rule          edit {shown}/pipelines/payments.yaml; the agent takes it up within a second
  a parse error   the line "payment gateway restarted" above is no JSON: it arrived whole, counted
                    curl -s {admin}/metrics | grep parse_errors
  why, why not    .venv/bin/loghub-agent explain shop/corner-1/payments --admin {admin}
  your own code   any official SDK: endpoint {endpoint}, project {PROJECT},
                    key {KEY.access_key_id} / {KEY.access_key_secret}
  the logs        {shown}/loghub-agent.log, {shown}/loghub-ingest.log
  a real cluster  make demo
""",
        flush=True,
    )


async def play(*, stay: bool) -> None:
    """Run both programs, show what comes out.

    Raises:
        FailedError: something did not arrive.
    """
    port, admin_port = free_port(), free_port()
    endpoint, admin = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin_port}"
    prepare(endpoint)
    write_samples()
    service = running(
        "loghub-ingest", "serve", "--listen", f"127.0.0.1:{port}", "--data", str(HOME / "data"),
        "--service-name", "127.0.0.1", "--admin-listen", f"127.0.0.1:{free_port()}",
        LOGHUB_ROOT_ACCESS_KEY_ID=KEY.access_key_id,
        LOGHUB_ROOT_ACCESS_KEY_SECRET=KEY.access_key_secret,
    )  # fmt: skip
    agent = running(
        "loghub-agent", "run", "--pipelines", str(HOME / "pipelines"), "--state",
        str(HOME / "state"), "--credentials", str(HOME / "credentials.yaml"), "--pods-dir",
        str(HOME / "pods"), "--node-name", "this-machine", "--admin-listen",
        f"127.0.0.1:{admin_port}",
    )  # fmt: skip
    print(f"\033[1m==> The service listens on {endpoint}\033[0m", flush=True)
    started = time.monotonic()
    with service:
        async with Client(Endpoint(endpoint), KEY) as client:
            await make_stores(client)
            print("\033[1m==> An agent reads the logs of three containers\033[0m", flush=True)
            with agent:
                await watch(client, started, stay=stay, next_steps=(endpoint, admin))


async def watch(client: Client, started: float, *, stay: bool, next_steps: tuple[str, str]) -> None:
    """Show records until all samples have arrived, and go on where `stay` says so."""
    missing = collections.Counter(EXPECTED)
    async for found in follow(client):
        if found is not None:
            show(*found)
            missing[found[0]] -= 1
        elif not +missing:
            if started:
                took = time.monotonic() - started
                print(f"\n\033[1m==> All of it within {took:.1f} s, acknowledged on disk\033[0m")
                say_what_next(*next_steps)
                started = 0.0
            if not stay:
                return
        elif started and time.monotonic() > started + READY_SECONDS:
            log = (HOME / "loghub-agent.log").relative_to(ROOT)
            raise FailedError(f"records have not arrived: {dict(+missing)}; see {log}")


def main() -> int:
    """Play it; 1 when something did not work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when all has arrived")
    options = parser.parse_args()
    try:
        asyncio.run(play(stay=sys.stdout.isatty() and not options.once))
    except KeyboardInterrupt:
        print("\nEnded.")
    except FailedError as fault:
        print(f"make try: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
