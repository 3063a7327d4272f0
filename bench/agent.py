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
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import corpus
import ingest as measuring
import sinks
from reporting import Row, report

from harness import ingest

ROOT: Final = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "agent" / "faults"))

from rig import agent, arrivals, stage  # noqa: E402 - found by the line above

PODS: Final = 4
STAMP: Final = "2026-11-25T09:07:{:02d}.{:09d}Z"
IDLE_SECONDS: Final = 20
QUIET_SECONDS: Final = 22
"""Until files that were just written count as idle: two rounds of the looks behind the events."""
LARGE_MB: Final = 2000
"""What a node may have gathered while its agent was away."""
NGINX: Final = (
    r'(\S+) - (\S+) \[([^\]]+)\] "(\S+) (\S+) (\S+)" (\d+) (\d+) '
    r'"([^"]*)" "([^"]*)" (\S+) "([^"]*)"'
)
"""Twelve groups."""
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


def access(total: int) -> Iterator[tuple[str, str]]:
    """Lines of an access log with twelve fields, as `corpus.lines` gives its."""
    dice = random.Random(1)
    size = number = 0
    while size < total:
        number += 1
        line = (
            f"10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(256)} - - "
            f"[25/Nov/2026:09:07:{number % 60:02d} +0000] "
            f'"GET /api/v1/orders/{number}/items?page={number % 10} HTTP/1.1" '
            f'{dice.choice(corpus.STATUSES)} {dice.randrange(90000)} "https://shop.example.com/" '
            f'"{dice.choice(corpus.AGENTS)}" {dice.random():.3f} "-"'
        )
        size += len(line) + 45
        yield line, "info"


def prepare(path: pathlib.Path, lines: Iterable[tuple[str, str]]) -> Logs:
    """`PODS` containers with their lines, as containerd writes them."""
    files = []
    for pod in range(PODS):
        folder = path / f"shop_web-{pod}_uid-{pod}" / "app"
        folder.mkdir(parents=True)
        files.append((folder / "0.log").open("w"))
    number = 0
    for content, _ in lines:
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
    def agent(
        self, *flags: str, to: str = "", rest: str = "", cpus: int = 1
    ) -> Iterator[agent.Agent]:
        """A running agent on an empty directory, on the first CPU, or on all; `to` is a sink."""
        self._made += 1
        name = f"bench-{self._made}"
        arrivals.Arrivals(self.service, name).create()
        found = agent.Agent(self.home / name, to or self.service.url, name)
        found.pipeline("lines", rest=rest)
        found.start("--batch-seconds", "1", *flags)
        assert found.process is not None
        agent.until("the agent answers", lambda: found.metric("loghub_agent") >= 0, seconds=30)
        time.sleep(1)
        if cpus == 1:
            measuring.pin(found.process.pid, 0)
        else:
            for thread in pathlib.Path(f"/proc/{found.process.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), range(os.cpu_count() or 1))
        yield found
        found.stop()
        shutil.rmtree(found.home)

    def catch_up(
        self,
        logs: Logs,
        *flags: str,
        copies: int = 1,
        to: str = "",
        rest: str = "",
        cpus: int = 1,
    ) -> Cost:
        """All files appear at once, `copies` times; until everything is acknowledged."""
        with self.agent(*flags, to=to, rest=rest, cpus=cpus) as running:
            assert running.process is not None
            pid = running.process.pid
            before, started = measuring.cpu_seconds(pid), time.perf_counter()
            for copy in range(copies):
                for each in sorted(logs.path.iterdir()):
                    target = running.pods / f"{each.name}{copy}"
                    shutil.copytree(each, target, copy_function=os.link)
            sent = "loghub_agent_sent_lines_total{"
            agent.until(
                "everything is sent",
                lambda: running.metric(sent) >= logs.lines * copies,
                seconds=600,
            )
            return Cost(
                megabytes=logs.bytes * copies / 1e6,
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
            time.sleep(QUIET_SECONDS)
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

    def first_byte(self, rounds: int = 20) -> tuple[float, float]:
        """Median milliseconds until its line is read: of a file in a known directory, of a pod."""
        with self.agent() as running:
            folder = running.pods / "shop_new_uid-new" / "app"
            _appear(folder / "0.log")
            read = "loghub_agent_read_lines_total{"
            agent.until("the directory is known", lambda: running.metric(read) >= 1)
            spans: tuple[list[float], list[float]] = ([], [])
            for number in range(2 * rounds):
                time.sleep(1.2)
                pod = running.pods / f"shop_new-{number}_uid-{number}" / "app" / "0.log"
                path = pod if number % 2 else folder / f"{number + 1}.log"
                started = time.perf_counter()
                _appear(path)
                while running.metric(read) < number + 2:
                    pass
                spans[number % 2].append(1000 * (time.perf_counter() - started))
            return statistics.median(spans[0]), statistics.median(spans[1])


def _appear(path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{STAMP.format(0, 0)} stdout F first\n")


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


def rsyslog(home: pathlib.Path, logs: Logs) -> Cost:
    """The peer on the same files."""
    work = home / "rsyslog"
    work.mkdir()
    sink = sinks.Lines()
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


def _catching_up(bench: Bench, logs: Logs, rounds: int) -> list[Row]:
    """Ours and the peer in turn."""
    peer = shutil.which("rsyslogd") is not None
    sink = sinks.Answers()
    ours, light, theirs = [], [], []
    for _ in range(rounds):
        ours.append(bench.catch_up(logs))
        if peer:
            theirs.append(rsyslog(bench.home, logs))
        light.append(bench.catch_up(logs, to=sink.url))
    one, quick = _middle(ours), _middle(light)
    rows = [
        ("catch-up to acknowledged PutLogs", "MB/core-s", one.mb_per_core_second),
        ("  the same, wall", "MB/s", one.megabytes / one.seconds),
        ("  the same, a sink that answers at once", "MB/core-s", quick.mb_per_core_second),
        ("memory, peak of it", "MB", one.peak_mb),
    ]
    if not peer:
        print("rsyslogd is not installed (Debian package rsyslog): no peer in this run\n")
        return rows
    other = _middle(theirs)
    return [
        *rows,
        ("rsyslog, raw lines to TCP", "MB/core-s", other.mb_per_core_second),
        ("  ours / rsyslog", "x", one.mb_per_core_second / other.mb_per_core_second),
        ("  ours to the sink / rsyslog", "x", quick.mb_per_core_second / other.mb_per_core_second),
    ]


def _threads(bench: Bench, logs: Logs, rounds: int) -> list[Row]:
    """One data thread and two in turn, on all CPUs, to a sink: the service would be the limit."""
    sink = sinks.Answers()
    found: dict[str, list[Cost]] = {"1": [], "2": []}
    for _ in range(rounds):
        for threads, costs in found.items():
            flags = ("--data-threads", threads, "--queue-bytes-per-destination", "33554432")
            costs.append(bench.catch_up(logs, *flags, copies=4, to=sink.url, cpus=2))
    one, two = (
        sorted(costs, key=lambda each: each.seconds)[rounds // 2] for costs in found.values()
    )
    return [
        ("two data threads / one, wall", "x", one.seconds / two.seconds),
        ("  MB/core-s of two / of one", "x", two.mb_per_core_second / one.mb_per_core_second),
    ]


def measure(home: pathlib.Path, megabytes: int, rounds: int) -> list[Row]:
    """Rows of the table."""
    logs = prepare(home / "logs", corpus.lines(megabytes * 1_000_000))
    web = prepare(home / "web", access(megabytes * 1_000_000))
    keys = [f"k{number}" for number in range(12)]
    parser = f"  parser: {{regex: {{pattern: {json.dumps(NGINX)}, keys: {keys}}}}}\n"
    parser += "  input: {stdout: {}}\n"
    bench = Bench(home)
    try:
        rows = _catching_up(bench, logs, rounds)
        regex = _middle([bench.catch_up(web, rest=parser) for _ in range(rounds)])
        rows.append(("regex, nginx, 12 fields", "MB/core-s", regex.mb_per_core_second))
        rows += _threads(bench, logs, rounds)
        large = bench.catch_up(logs, copies=max(1, LARGE_MB // megabytes))
        rows.append((f"memory, peak of {LARGE_MB} MB", "MB", large.peak_mb))
        with bench.agent() as running:
            assert running.process is not None
            rows.append(
                ("memory, no files", "MB", measuring.memory_mb(running.process.pid, "VmRSS"))
            )
        used, memory = bench.idle(1000)
        known, fresh = bench.first_byte()
        rows += [
            ("1,000 idle files", "% of a core", used),
            ("memory with them", "MB", memory),
            (f"steady {STEADY_MB} MB/s", "% of a core", bench.steady()),
            ("file appears to line read, with a scrape", "ms", known),
            ("pod appears to line read, with a scrape", "ms", fresh),
        ]
    finally:
        bench.service.stop()
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
