"""What the service costs: MB of raw container lines per second of its CPU, latency, memory.

python bench/ingest.py [--megabytes N]; `make bench` calls it. The server runs as a process of its
own on one CPU, this client on another; bodies are made and signed beforehand and sent over plain
keep-alive sockets. Every write is authenticated, validated and on disk when it is answered. The
row "no sync" is the same server on a directory in memory, where a sync costs nothing. Ratios are
within one run; figures of other machines do not compare.
"""

import argparse
import asyncio
import dataclasses
import datetime as dt
import math
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Final

import corpus
import lz4.block
from reporting import report

from harness.ingest import ROOT_KEY, Service
from loghub_ingest import _core
from slswire import compress, headers, protobuf, signature
from slswire.model import Log, LogGroup

ROOT: Final = pathlib.Path(__file__).resolve().parent.parent
PROJECT: Final = "bench-project"
LARGE: Final = 500_000
"""Raw bytes of container lines per request: about 140 KB as a compressed log group."""
SMALL: Final = 1_100
PACKED_BYTES: Final = 600_000_000
"""Of lines that are sent to be packed, the same ones again where there are fewer."""
SPAN_SECONDS: Final = 3600
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True, slots=True)
class Body:
    """One request as bytes, and how many raw bytes of lines it stands for."""

    request: bytes
    raw: int


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """One measured run."""

    requests: int
    raw: int
    seconds: float
    cpu: float
    latencies: list[float]
    peak_mb: float

    @property
    def mb_per_core_second(self) -> float:
        """Raw megabytes per second of the server's CPU."""
        return self.raw / 1e6 / self.cpu

    @property
    def requests_per_core_second(self) -> float:
        """Requests per second of the server's CPU."""
        return self.requests / self.cpu

    def quantile(self, share: float) -> float:
        """A latency in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def bodies(total: int, size: int) -> list[Body]:
    """Signed PutLogs requests for `total` bytes of lines of the last hour, `size` bytes each."""
    found, logs, raw = [], [], 0
    for content, level, moment in dated(total):
        pairs = (("content", content), ("level", level), ("_source_", "stdout"))
        logs.append(Log(int(moment), pairs, time_ns=len(logs)))
        raw += len(content) + 45
        if raw >= size:
            found.append(_request(logs, raw))
            logs, raw = [], 0
    return found


def dated(total: int) -> Iterator[tuple[str, str, float]]:
    """(content, level, unix time) of `total` bytes of lines over the hour that ends now."""
    begin, done = time.time() - SPAN_SECONDS, 0
    for content, level in corpus.lines(total):
        yield content, level, begin + SPAN_SECONDS * done / total
        done += len(content) + 45


def _request(logs: Sequence[Log], raw: int) -> Body:
    tags = (("_namespace_", "shop"), ("_pod_name_", "web-0"), ("_container_name_", "app"))
    group = protobuf.encode_log_group(LogGroup(tuple(logs), source="10.0.0.1", tags=tags))
    body = compress.compress("lz4", group)
    stated = {
        "host": "127.0.0.1",
        headers.PROJECT: PROJECT,
        "content-type": "application/x-protobuf",
        headers.COMPRESS_TYPE: "lz4",
        headers.BODY_RAW_SIZE: str(len(group)),
        "content-length": str(len(body)),
    }
    path = "/logstores/web/shards/lb"
    request = signature.Request("POST", path, [], stated, body)
    sent = signature.sign_v1(ROOT_KEY, request, dt.datetime.now(dt.UTC))
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return Body(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body, raw)


class _Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last one is there."""

    def __init__(self, run: "_Run") -> None:
        self._run = run
        self._since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(data[:300].decode(errors="replace"))
        self._run.latencies.append(time.perf_counter() - self._since)
        self._next()

    def _next(self) -> None:
        if self._run.left:
            self._since = time.perf_counter()
            self._transport.write(self._run.left.pop().request)  # type: ignore[attr-defined]
        else:
            self._transport.close()
            self._run.open -= 1
            if not self._run.open:
                self._run.done.set()


class _Run:
    def __init__(self, wanted: Sequence[Body], connections: int) -> None:
        self.left = list(wanted)
        self.open = connections
        self.latencies: list[float] = []
        self.done = asyncio.Event()


async def _send(port: int, wanted: Sequence[Body], connections: int) -> list[float]:
    run = _Run(wanted, connections)
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(run), "127.0.0.1", port)
    await run.done.wait()
    return run.latencies


def cpu_seconds(pid: int) -> float:
    """CPU that a process and its threads have used."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int, line: str = "VmHWM") -> float:
    """Resident memory of a process, the highest it has been."""
    for text in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if text.startswith(line):
            return int(text.split()[1]) / 1024
    return 0.0


class Server:
    """The service on a fresh directory, on the first CPU."""

    def __init__(self, directory: pathlib.Path) -> None:
        directory.mkdir()
        self.service = Service(directory / "data")

    def __enter__(self) -> Service:
        self.service.start()
        assert self.service.process is not None
        pin(self.service.process.pid, 0)
        asyncio.run(self._prepare())
        return self.service

    def __exit__(self, *_: object) -> None:
        self.service.stop()
        shutil.rmtree(self.service.data.parent)

    async def _prepare(self) -> None:
        async with self.service.client() as client:
            await client.create_project(PROJECT)
            await client.create_logstore(PROJECT, {"logstoreName": "web", "shardCount": 2})


def pin(pid: int, cpu: int) -> None:
    """Let a process (0: this one) and its threads run on one CPU only."""
    available = sorted(os.sched_getaffinity(0) if pid == 0 else range(os.cpu_count() or 1))
    for thread in pathlib.Path(f"/proc/{pid or os.getpid()}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {available[cpu % len(available)]})


def write(service: Service, wanted: Sequence[Body], connections: int) -> Outcome:
    """Send all bodies; what it cost."""
    assert service.process is not None
    pid = service.process.pid
    before, started = cpu_seconds(pid), time.perf_counter()
    latencies = asyncio.run(_send(service.port, wanted, connections))
    return Outcome(
        requests=len(wanted),
        raw=sum(body.raw for body in wanted),
        seconds=time.perf_counter() - started,
        cpu=max(cpu_seconds(pid) - before, 1 / TICKS),
        latencies=latencies,
        peak_mb=memory_mb(pid),
    )


async def _visible(service: Service) -> float:
    """Seconds from an answered write to its appearance in PullLogs."""
    async with service.client() as client:
        shards = [int(each["shardID"]) for each in await client.list_shards(PROJECT, "web")]
        spans = []
        for number in range(20):
            ends = {at: await client.get_cursor(PROJECT, "web", at, "end") for at in shards}
            group = LogGroup((Log(int(time.time()), (("n", str(number)),)),))
            await client.put_logs(PROJECT, "web", group)
            started = time.perf_counter()
            while not [
                at
                for at, end in ends.items()
                if (await client.pull_logs(PROJECT, "web", at, end)).count
            ]:
                pass
            spans.append(time.perf_counter() - started)
        return statistics.median(spans)


async def _pull(service: Service) -> tuple[float, float]:
    """Raw protobuf MB per second of wall and of the server's CPU, everything read once as LZ4."""
    assert service.process is not None
    total, before, started = 0, cpu_seconds(service.process.pid), time.perf_counter()
    async with service.client() as client:
        for shard in await client.list_shards(PROJECT, "web"):
            number = int(shard["shardID"])
            cursor = await client.get_cursor(PROJECT, "web", number, "begin")
            end = await client.get_cursor(PROJECT, "web", number, "end")
            while cursor != end:
                found = await client.pull_logs(PROJECT, "web", number, cursor, count=20)
                cursor = found.next_cursor
                total += sum(
                    len(value)
                    for group in found.groups
                    for log in group.logs
                    for _, value in log.contents
                )
    cpu = max(cpu_seconds(service.process.pid) - before, 1 / TICKS)
    return total / 1e6 / (time.perf_counter() - started), total / 1e6 / cpu


def stored_groups(service: Service) -> int:
    """How many log groups the service can give out."""

    async def count() -> int:
        async with service.client() as client:
            found = 0
            for shard in await client.list_shards(PROJECT, "web"):
                number = int(shard["shardID"])
                begin, end = [
                    await client.get_cursor(PROJECT, "web", number, where)
                    for where in ("begin", "end")
                ]
                while begin != end:
                    pulled = await client.pull_logs(PROJECT, "web", number, begin, count=10)
                    begin, found = pulled.next_cursor, found + pulled.count
            return found

    return asyncio.run(count())


def spliced(wanted: Sequence[bytes], rounds: int = 20) -> float:
    """How much less CPU a PullLogs body of ten stored blocks takes by splicing, in process."""
    blocks = [(block, len(lz4_raw(block))) for block in wanted[:10]]

    def decoded() -> bytes:
        groups = [lz4_raw(block) for block, _ in blocks]
        return compress.compress("lz4", protobuf.join_log_groups(groups))

    spans = []
    for work in (lambda: _core.splice(blocks), decoded):
        started = time.process_time()
        for _ in range(rounds):
            work()
        spans.append(time.process_time() - started)
    return spans[1] / spans[0]


def packed(service: Service, ingested: Outcome) -> list[tuple[str, str, float]]:
    """Rows for old segments packed under zstd with their filters, by a service that starts anew."""
    folder = service.data / "segments"
    logs = {path.stem: path.stat().st_size for path in folder.glob("*.log")}
    service.stop()
    service.options = (*service.options, "--pack-after", "0s")
    service.start()
    assert service.process is not None
    pin(service.process.pid, 0)
    before = cpu_seconds(service.process.pid)
    while len(done := list(folder.glob("*.pdx"))) < len(logs) - 1:
        time.sleep(0.2)
    cpu = cpu_seconds(service.process.pid) - before
    share = sum(logs[path.stem] for path in done) / sum(logs.values())
    disk = sum(path.with_suffix(".pack").stat().st_size for path in done)
    raw = ingested.raw * share
    carried = 1 / (ingested.cpu / ingested.raw + cpu / raw) / 1e6
    return [
        (
            "old segments packed, by field, with filters of their words",
            "MB/core-s",
            raw / 1e6 / cpu,
        ),
        ("  PutLogs and that together", "MB/core-s", carried),
        ("  on disk, of the lines", "", disk / raw),
    ]


def lz4_raw(block: bytes) -> bytes:
    """A stored block decoded; its size is not known, and bounded by the corpus."""
    return bytes(lz4.block.decompress(block, uncompressed_size=2 * LARGE))


def measure(megabytes: int) -> list[tuple[str, str, float]]:
    """Rows of the table: figure, unit, value."""
    large = bodies(megabytes * 1_000_000, LARGE)
    small = bodies(max(4_000_000, megabytes * 40_000), SMALL)
    stored = [each.request.partition(b"\r\n\r\n")[2] for each in large[:10]]
    disk = pathlib.Path(tempfile.mkdtemp(prefix="loghub-bench-", dir=ROOT / "build"))
    rows: list[tuple[str, str, float]] = []
    with Server(disk / "large") as service:
        assert service.process is not None
        rows.append(("memory, idle", "MB", memory_mb(service.process.pid)))
        found = write(service, large, 16)
        rows += [
            ("PutLogs lz4, 140 KB, 16 connections", "MB/core-s", found.mb_per_core_second),
            ("  the same, wall", "MB/s", found.raw / 1e6 / found.seconds),
            ("  the same, p99", "ms", found.quantile(0.99)),
            ("memory, peak at full ingest", "MB", found.peak_mb),
        ]
        one = write(service, large[:100], 1)
        rows.append(("answer to one client, 140 KB, p50", "ms", one.quantile(0.5)))
        rows.append(
            ("answered to visible in PullLogs", "ms", 1000 * asyncio.run(_visible(service)))
        )
        wall, core = asyncio.run(_pull(service))
        rows += [("PullLogs lz4, values", "MB/s", wall), ("  the same", "MB/core-s", core)]
        rows.append(("PullLogs body, spliced / decoded and compressed", "x", spliced(stored)))
        durable = found.raw / found.seconds
    with Server(disk / "packed") as service:
        again = math.ceil(PACKED_BYTES / sum(each.raw for each in large))
        rows += packed(service, write(service, large * again, 16))
    memory = pathlib.Path(tempfile.mkdtemp(prefix="loghub-bench-", dir="/dev/shm"))
    with Server(memory / "large") as service:
        free = write(service, large, 16)
        rows.append(
            ("throughput with group commit / no sync", "", durable / (free.raw / free.seconds))
        )
    for connections in (1, 16, 256):
        with Server(disk / "small") as service:
            few = small[: 1000 if connections == 1 else len(small)]
            found = write(service, few, connections)
            name = f"PutLogs 1 KiB, {connections} connections"
            rows.append((name, "requests/core-s", found.requests_per_core_second))
            rows.append(("  the same, wall", "requests/s", found.requests / found.seconds))
    for directory in (disk, memory):
        shutil.rmtree(directory, ignore_errors=True)
    return rows


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100, help="raw lines, default 100")
    options = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    pin(0, 1)
    rows = measure(options.megabytes)
    report("loghub-ingest", f"{options.megabytes} MB of lines, one CPU", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
