"""What the agent costs: MB of container log per second of its CPU, memory, latency, idling.

python bench/agent.py [--megabytes N]; `make bench` calls it. A real `loghub-agent` reads files as
the runtime writes them and delivers to a real `loghub-ingest`, which acknowledges what is on disk:
joined, LZ4, signed, with checkpoints and metrics. The agent has one CPU, the service and this
program the other; where only one is there, all share it. The peer is Debian's rsyslog (imfile to
plain TCP: no parsing, no compression, no answers), run in turn with the agent where it is
installed. Ratios are within one run; figures of other machines do not compare.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

import corpus
import ingest as measuring
from reporting import report

from harness import ingest

ROOT: Final = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "agent" / "faults"))

from rig import agent, arrivals, stage  # noqa: E402 - found by the line above

PODS: Final = 4
STAMP: Final = "2026-11-25T09:07:{:02d}.{:09d}Z"
IDLE_SECONDS: Final = 20
STEADY_MB: Final = 12
STEADY_SECONDS: Final = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Logs:
    """A prepared pods directory."""

    path: pathlib.Path
    bytes: int
    lines: int


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """One catch-up."""

    megabytes: float
    cpu: float
    seconds: float
    peak_mb: float

    @property
    def mb_per_core_second(self) -> float:
        """Raw megabytes per second of CPU."""
        return self.megabytes / self.cpu


def prepare(path: pathlib.Path, megabytes: int) -> Logs:
    """`PODS` containers with their lines, as containerd writes them."""
    files = []
    for pod in range(PODS):
        folder = path / f"shop_web-{pod}_uid-{pod}" / "app"
        folder.mkdir(parents=True)
        files.append((folder / "0.log").open("w"))
    number = 0
    for content, _ in corpus.lines(megabytes * 1_000_000):
        files[number % PODS].write(f"{STAMP.format(number % 60, number)} stdout F {content}\n")
        number += 1
    for file in files:
        file.close()
    size = sum(each.stat().st_size for each in path.rglob("*.log"))
    return Logs(path, size, number)


class Bench:
    """A service with one Logstore per agent, and a directory for all of it."""

    def __init__(self, home: pathlib.Path) -> None:
        self.home = home
        self.service = ingest.Service(home / "ingest" / "data")
        self.service.data.parent.mkdir()
        self.service.start()
        stage.arrivals.create_project(self.service)
        self._made = 0

    @contextlib.contextmanager
    def agent(self, *flags: str) -> Iterator[agent.Agent]:
        """A running agent on an empty directory, on the first CPU."""
        self._made += 1
        name = f"bench-{self._made}"
        arrivals.Arrivals(self.service, name).create()
        found = agent.Agent(self.home / name, self.service.url, name)
        found.start("--batch-seconds", "1", *flags)
        assert found.process is not None
        agent.until("the agent answers", lambda: found.metric("loghub_agent") >= 0, seconds=30)
        time.sleep(1)
        measuring.pin(found.process.pid, 0)
        yield found
        found.stop()
        shutil.rmtree(found.home)

    def catch_up(self, logs: Logs, *flags: str) -> Cost:
        """All files appear at once; until everything is acknowledged."""
        with self.agent(*flags) as running:
            assert running.process is not None
            pid = running.process.pid
            before, started = measuring.cpu_seconds(pid), time.perf_counter()
            for each in sorted(logs.path.iterdir()):
                shutil.copytree(each, running.pods / each.name, copy_function=os.link)
            sent = "loghub_agent_sent_lines_total{"
            agent.until(
                "everything is sent", lambda: running.metric(sent) >= logs.lines, seconds=300
            )
            return Cost(
                megabytes=logs.bytes / 1e6,
                cpu=measuring.cpu_seconds(pid) - before,
                seconds=time.perf_counter() - started,
                peak_mb=measuring.memory_mb(pid),
            )

    def idle(self, files: int) -> tuple[float, float]:
        """Percent of a core and MB with that many quiet files."""
        with self.agent() as running:
            assert running.process is not None
            for number in range(files):
                folder = running.pods / f"shop_idle-{number}_uid-{number}" / "app"
                folder.mkdir(parents=True)
                (folder / "0.log").write_text(f"{STAMP.format(0, 0)} stdout F quiet\n")
            sent = "loghub_agent_sent_lines_total{"
            agent.until("all are known", lambda: running.metric(sent) >= files, seconds=120)
            time.sleep(2)
            used = _used(running.process.pid, lambda: time.sleep(IDLE_SECONDS))
            return used, measuring.memory_mb(running.process.pid, "VmRSS")

    def steady(self) -> float:
        """Percent of a core at `STEADY_MB` a second."""
        lines = [content for content, _ in corpus.lines(1_000_000)]
        text = "".join(f"{STAMP.format(0, 0)} stdout F {each}\n" for each in lines).encode()
        piece = text[: text.rindex(b"\n", 0, len(text) // 10) + 1]
        with self.agent() as running:
            assert running.process is not None
            folder = running.pods / "shop_steady_uid-steady" / "app"
            folder.mkdir(parents=True)
            with (folder / "0.log").open("ab", buffering=0) as file:
                file.write(piece)
                time.sleep(2)
                return _used(running.process.pid, lambda: _write_steadily(file.write, piece))

    def first_byte(self, rounds: int = 20) -> float:
        """Median milliseconds from a file's appearance to its line being read."""
        with self.agent() as running:
            folder = running.pods / "shop_new_uid-new" / "app"
            folder.mkdir(parents=True)
            (folder / "0.log").write_text(f"{STAMP.format(0, 0)} stdout F first\n")
            read = "loghub_agent_read_lines_total{"
            agent.until("the directory is known", lambda: running.metric(read) >= 1)
            spans = []
            for number in range(1, rounds + 1):
                time.sleep(0.5)
                started = time.perf_counter()
                path = folder / f"{number}.log"
                path.write_text(f"{STAMP.format(0, number)} stdout F next\n")
                while running.metric(read) < number + 1:
                    pass
                spans.append(1000 * (time.perf_counter() - started))
            return statistics.median(spans)


def _used(pid: int, work: Callable[[], object]) -> float:
    before, started = measuring.cpu_seconds(pid), time.perf_counter()
    work()
    return 100 * (measuring.cpu_seconds(pid) - before) / (time.perf_counter() - started)


def _write_steadily(write: Callable[[bytes], object], piece: bytes) -> None:
    started, sent = time.perf_counter(), 0
    while (now := time.perf_counter() - started) < STEADY_SECONDS:
        if sent < now * STEADY_MB * 1e6:
            write(piece)
            sent += len(piece)
        else:
            time.sleep(0.01)


class Sink:
    """Counts the lines that a peer sends over TCP."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.lines = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            while data := connection.recv(1 << 20):
                self.lines += data.count(b"\n")


def rsyslog(home: pathlib.Path, logs: Logs) -> Cost:
    """The peer on the same files."""
    work = home / "rsyslog"
    work.mkdir()
    sink = Sink()
    (work / "rsyslog.conf").write_text(f"""
global(workDirectory="{work}" maxMessageSize="512k")
module(load="imfile" mode="inotify")
template(name="raw" type="string" string="%msg%\\n")
input(type="imfile" File="{logs.path}/*/*/*.log" Tag="pods" Severity="info" ruleset="out")
ruleset(name="out" queue.type="LinkedList" queue.size="50000") {{
  action(type="omfwd" target="127.0.0.1" port="{sink.port}" protocol="tcp" template="raw"
         action.resumeRetryCount="-1")
}}
""")
    command = ["rsyslogd", "-n", "-f", str(work / "rsyslog.conf"), "-i", str(work / "pid")]
    started = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        measuring.pin(process.pid, 0)
        agent.until("rsyslog sent all", lambda: sink.lines >= logs.lines, seconds=300)
        cpu = measuring.cpu_seconds(process.pid)
        peak = measuring.memory_mb(process.pid)
        seconds = time.perf_counter() - started
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(work)
    return Cost(logs.bytes / 1e6, cpu, seconds, peak)


def _middle(costs: list[Cost]) -> Cost:
    return sorted(costs, key=lambda each: each.mb_per_core_second)[len(costs) // 2]


def measure(home: pathlib.Path, megabytes: int, rounds: int) -> list[tuple[str, str, float]]:
    """Rows of the table: figure, unit, value."""
    logs = prepare(home / "logs", megabytes)
    bench = Bench(home)
    peer = shutil.which("rsyslogd") is not None
    ours, theirs = [], []
    try:
        for _ in range(rounds):
            ours.append(bench.catch_up(logs))
            if peer:
                theirs.append(rsyslog(home, logs))
        one = _middle(ours)
        rows = [
            ("catch-up to acknowledged PutLogs", "MB/core-s", one.mb_per_core_second),
            ("  the same, wall", "MB/s", one.megabytes / one.seconds),
            ("memory, peak of it", "MB", one.peak_mb),
        ]
        if peer:
            other = _middle(theirs)
            rows += [
                ("rsyslog, raw lines to TCP", "MB/core-s", other.mb_per_core_second),
                ("  ours / rsyslog", "x", one.mb_per_core_second / other.mb_per_core_second),
            ]
        used, memory = bench.idle(1000)
        rows += [
            ("1,000 idle files", "% of a core", used),
            ("memory with them", "MB", memory),
            (f"steady {STEADY_MB} MB/s", "% of a core", bench.steady()),
            ("file appears to line read, with a scrape", "ms", bench.first_byte()),
        ]
    finally:
        bench.service.stop()
    if not peer:
        print("rsyslogd is not installed (Debian package rsyslog): no peer in this run\n")
    return rows


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200, help="of log, default 200")
    parser.add_argument("--rounds", type=int, default=3, help="medians of so many, default 3")
    options = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    measuring.pin(0, 1)
    home = pathlib.Path(tempfile.mkdtemp(prefix="loghub-bench-", dir=ROOT / "build"))
    try:
        rows = measure(home, options.megabytes, options.rounds)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    report("loghub-agent", f"{options.megabytes} MB of log, one CPU", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
