"""The service beside VictoriaLogs: what a write costs, what kill -9 takes, how queries go.

python bench/peers.py [--megabytes N] [--rounds N]; `make bench` calls it, which builds the peer
from its Go module (a minute, once; skipped where there is no Go). Both get the same lines over 16
connections, each on one CPU, in turns; ours as signed LZ4 PutLogs that are on disk when they are
answered, the peer's as JSON lines, which it keeps in memory for some seconds. Medians.
"""

import argparse
import asyncio
import datetime as dt
import functools
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from typing import Final

import ingest
from reporting import report

from harness import binaries
from harness.ingest import Service
from harness.ports import free_port
from slswire import client

PATH: Final = "/insert/jsonline?_stream_fields=pod&_time_field=_time&_msg_field=_msg"
SETTLED_SECONDS: Final = 15.0


class Peer:
    """VictoriaLogs on a directory, on the first CPU."""

    def __init__(self, program: pathlib.Path, data: pathlib.Path) -> None:
        self._program, self.data = program, data
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Peer":
        """Start it and wait until it answers."""
        self.process = subprocess.Popen(
            [
                str(self._program),
                f"-storageDataPath={self.data}",
                f"-httpListenAddr=127.0.0.1:{self.port}",
                "-loggerLevel=ERROR",
            ]
        )
        while True:
            try:
                self.ask("/health")
            except OSError:
                time.sleep(0.05)
            else:
                break
        ingest.pin(self.process.pid, 0)
        return self

    def ask(self, path: str, **form: str) -> str:
        """The text of an answer."""
        body = urllib.parse.urlencode(form).encode() if form else None
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(url, body, timeout=60) as answer:
            return str(answer.read().decode())

    def records(self) -> int:
        """How many it can find."""
        found = self.ask("/select/logsql/query", query="_time:1d | count() n")
        return int(json.loads(found)["n"]) if found.strip() else 0

    def end(self, *, kill: bool = False) -> None:
        """Stop it."""
        assert self.process is not None
        (self.process.kill if kill else self.process.terminate)()
        self.process.wait()


def json_lines(total: int) -> list[ingest.Body]:
    """Requests with the lines of `ingest.bodies`, as JSON lines."""
    found: list[ingest.Body] = []
    lines: list[str] = []
    raw = 0
    for content, level, moment in ingest.dated(total):
        stamp = dt.datetime.fromtimestamp(moment, dt.UTC).isoformat()
        record = {"_time": stamp, "_msg": content, "level": level, "_source_": "stdout"}
        lines.append(json.dumps(record | {"pod": "web-0", "namespace": "shop"}))
        raw += len(content) + 45
        if raw >= ingest.LARGE:
            body = "\n".join(lines).encode()
            head = f"POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n"
            found.append(ingest.Body(head.encode() + body, raw))
            lines, raw = [], 0
    return found


def ours_written(disk: pathlib.Path, wanted: Sequence[ingest.Body]) -> ingest.Outcome:
    """The service's cost."""
    with ingest.Server(disk / "ours") as service:
        return ingest.write(service, wanted, 16)


def peer_written(
    program: pathlib.Path, disk: pathlib.Path, wanted: Sequence[ingest.Body]
) -> tuple[ingest.Outcome, float]:
    """The peer's cost up to its flush, and its bytes on disk."""
    peer = Peer(program, disk / "peer").start()
    assert peer.process is not None
    before = ingest.cpu_seconds(peer.process.pid)
    service = Service(peer.data, port=peer.port)
    service.process = peer.process
    found = ingest.write(service, wanted, 16)
    peer.ask("/internal/force_flush")
    cpu = ingest.cpu_seconds(peer.process.pid) - before
    peak = ingest.memory_mb(peer.process.pid)
    time.sleep(SETTLED_SECONDS)
    size = sum(path.stat().st_size for path in peer.data.rglob("*") if path.is_file())
    peer.end()
    shutil.rmtree(peer.data)
    whole = ingest.Outcome(found.requests, found.raw, found.seconds, cpu, found.latencies, peak)
    return whole, size


def lost_after_kill(program: pathlib.Path, disk: pathlib.Path) -> tuple[float, float]:
    """Shares of the acknowledged records that are gone: ours, the peer's."""
    mine, theirs = ingest.bodies(20_000_000, ingest.LARGE), json_lines(20_000_000)
    sent = sum(each.request.count(b"\n") - 3 for each in theirs)
    peer = Peer(program, disk / "killed-peer").start()
    service = Service(peer.data, port=peer.port)
    service.process = peer.process
    ingest.write(service, theirs, 16)
    peer.end(kill=True)
    peer = Peer(program, disk / "killed-peer").start()
    found = peer.records()
    peer.end()
    with ingest.Server(disk / "killed-ours") as ours:
        ingest.write(ours, mine, 16)
        ours.kill()
        ours.start()
        groups = ingest.stored_groups(ours)
    return 1 - groups / len(mine), 1 - min(1, found / sent)


QUERIES: Final = (
    # What is asked, ours, the peer's.
    ("last 100 with a common word", "accepted", "accepted | sort by (_time) desc limit 100"),
    ("an order number, once", "000012345", "000012345"),
    (
        "count by a field",
        "* | select level, count(*) as n group by level",
        "* | stats by (level) count() n",
    ),
)
ASKED: Final = 15


def median_ms(ask: Callable[[], object]) -> float:
    """Of some askings, after one and what it starts in the background."""
    ask()
    time.sleep(5)
    took = []
    for _ in range(ASKED):
        started = time.perf_counter()
        ask()
        took.append(1000 * (time.perf_counter() - started))
    return statistics.median(took)


def asked(program: pathlib.Path, disk: pathlib.Path, megabytes: int) -> dict[str, list[float]]:
    """Milliseconds of each query over HTTP: ours, the peer's."""
    found: dict[str, list[float]] = {name: [] for name, _, _ in QUERIES}
    now = int(time.time())
    with ingest.Server(disk / "asked-ours") as service, asyncio.Runner() as runner:
        api = runner.run(_indexed(service))
        ingest.write(service, ingest.bodies(megabytes * 1_000_000, ingest.LARGE), 16)
        for name, query, _ in QUERIES:

            def ask(query: str = query) -> object:
                within = (now - 7200, now + 60)
                return runner.run(
                    api.get_logs(ingest.PROJECT, "web", query, within=within, reverse=True)
                )

            found[name].append(median_ms(ask))
        runner.run(api.__aexit__(None, None, None))
    peer = Peer(program, disk / "asked-peer").start()
    service = Service(peer.data, port=peer.port)
    service.process = peer.process
    ingest.write(service, json_lines(megabytes * 1_000_000), 16)
    peer.ask("/internal/force_flush")
    for name, _, query in QUERIES:
        wanted = functools.partial(peer.ask, "/select/logsql/query", query=f"_time:1d {query}")
        found[name].append(median_ms(wanted))
    peer.end()
    return found


async def _indexed(service: Service) -> client.Client:
    api = await service.client().__aenter__()
    index = {
        "line": {"token": list(", '\";=()[]{}?@&<>/:\n\t\r"), "caseSensitive": False},
        "keys": {"level": {"type": "text", "token": [" "], "doc_value": True}},
    }
    await api.create_index(ingest.PROJECT, "web", index)
    return api


def measure(program: pathlib.Path, megabytes: int, rounds: int) -> list[tuple[str, str, float]]:
    """Rows of the table."""
    mine = ingest.bodies(megabytes * 1_000_000, ingest.LARGE)
    theirs = json_lines(megabytes * 1_000_000)
    disk = pathlib.Path(tempfile.mkdtemp(prefix="loghub-bench-", dir=ingest.ROOT / "build"))
    ours: list[ingest.Outcome] = []
    peer: list[tuple[ingest.Outcome, float]] = []
    for _ in range(rounds):
        ours.append(ours_written(disk, mine))
        peer.append(peer_written(program, disk, theirs))
    rate = statistics.median(each.mb_per_core_second for each in ours)
    other = statistics.median(each.mb_per_core_second for each, _ in peer)
    lost = lost_after_kill(program, disk)
    queries: list[tuple[str, str, float]] = []
    for name, (here, there) in asked(program, disk, megabytes).items():
        queries += [(name, "ms", here), ("VictoriaLogs, the same", "ms", there)]
    shutil.rmtree(disk, ignore_errors=True)
    return [
        ("PutLogs, on disk when answered", "MB/core-s", rate),
        ("VictoriaLogs, JSON lines", "MB/core-s", other),
        ("  ratio", "x", rate / other),
        ("memory at its peak", "MB", max(each.peak_mb for each in ours)),
        ("VictoriaLogs, the same", "MB", max(each.peak_mb for each, _ in peer)),
        ("VictoriaLogs, on disk, of the lines", "", peer[-1][1] / peer[-1][0].raw),
        ("acknowledged and gone after kill -9", "%", 100 * lost[0]),
        ("VictoriaLogs, the same", "%", 100 * lost[1]),
        *queries,
    ]


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200, help="raw lines, default 200")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if shutil.which("go") is None:
        print("no go on PATH: VictoriaLogs cannot be built, its rows are left out", file=sys.stderr)
        return 0
    program = binaries.path("victoria-logs")
    (ingest.ROOT / "build").mkdir(exist_ok=True)
    ingest.pin(0, 1)
    rows = measure(program, options.megabytes, options.rounds)
    report("loghub-peers", f"{options.rounds} rounds of {options.megabytes} MB, one CPU", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
