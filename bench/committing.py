"""PutLogs against the real service: bytes and requests per second of the server's CPU.

Two baselines run interleaved with it, so that a noisy machine disturbs all alike: the same service
without any sync (what durability costs), and with one sync per request (what group commit gives).
Prints medians of the rounds and the ratios. `make bench`; LOGHUB_BENCH_ROUNDS sets the rounds.
"""

import asyncio
import dataclasses
import datetime as dt
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import uvloop

from harness.ingest import DOMAIN, ROOT_KEY, Service
from slswire import compress, headers, protobuf, signature
from slswire.model import Log, LogGroup

ROUNDS: Final = int(os.environ.get("LOGHUB_BENCH_ROUNDS", "3"))
PATH: Final = "/logstores/web/shards/lb"
_NO_SYNC: Final = "import os; os.fdatasync = lambda file: None\n"
_SYNC_EACH: Final = "from loghub_ingest.storage import committer; committer.MAX_BATCH_BYTES = 1\n"
SERVERS: Final = {"group commit": "", "no sync": _NO_SYNC, "sync per request": _SYNC_EACH}


@dataclasses.dataclass(frozen=True)
class Load:
    """Requests of one kind: how many lines each, over how many connections, how many in all."""

    name: str
    lines: int
    connections: int
    requests: int


LOADS: Final = (
    Load("140 KB, 16 connections", 3000, 16, 300),
    Load("140 KB, 1 connection", 3000, 1, 100),
    Load("1 KB, 16 connections", 14, 16, 4000),
    Load("1 KB, 256 connections", 14, 256, 4000),
)


@dataclasses.dataclass(frozen=True)
class Body:
    """A signed request, and the bytes of container lines that it carries."""

    request: bytes
    wire_bytes: int
    line_bytes: int


class Server(Service):
    """The service, with a line of Python before it that changes one thing."""

    def __init__(self, data: Path, before: str) -> None:
        super().__init__(data)
        self.program = f"{before}import sys\nfrom loghub_ingest.cli import main\nsys.exit(main())"

    def command(self) -> list[str]:
        return [sys.executable, "-c", self.program]

    def cpu_seconds(self) -> float:
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def make_body(lines: int) -> Body:
    """A PutLogs of that many access-log lines, each distinct."""
    dice = random.Random(lines)
    logs, size, now = [], 0, int(time.time())
    for number in range(lines):
        text = (
            f'10.{dice.randrange(255)}.{dice.randrange(255)}.7 - - "GET /api/v1/items?id='
            f'{dice.randrange(10**9)} HTTP/1.1" {dice.choice((200, 200, 304, 404, 500))} '
            f'{dice.randrange(10**5)} "https://shop.example/{dice.randrange(10**6)}" "Mozilla/5.0 '
            f'(X11; Linux x86_64) AppleWebKit/537.36" {dice.random():.6f}'
        )
        size += len("2026-01-01T00:00:00.000000000Z stdout F ") + len(text) + 1
        contents = (("content", text), ("stream", "stdout"), ("status", "200"))
        logs.append(Log(now + number % 7, contents, dice.randrange(10**9)))
    tags = tuple((f"__pod_{name}__", "web-7d4b9c-x2x4z") for name in ("name", "uid", "namespace"))
    raw = protobuf.encode_log_group(LogGroup(tuple(logs), source="10.0.0.1", tags=tags))
    body = compress.compress("lz4", raw)
    sent = {
        "host": DOMAIN,
        "content-length": str(len(body)),
        "content-type": "application/x-protobuf",
        headers.PROJECT: "bench-project",
        headers.BODY_RAW_SIZE: str(len(raw)),
        headers.COMPRESS_TYPE: "lz4",
    }
    request = signature.Request("POST", PATH, [], sent, body)
    signed = signature.sign_v1(ROOT_KEY, request, dt.datetime.now(dt.UTC))
    head = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    return Body(f"POST {PATH} HTTP/1.1\r\n{head}\r\n".encode() + body, len(body), size)


async def send(port: int, body: Body, load: Load) -> list[float]:
    """Seconds of each request."""
    left, took = [load.requests], []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while left[0] > 0:
            left[0] -= 1
            started = time.perf_counter()
            writer.write(body.request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if not head.startswith(b"http/1.1 200"):
                raise RuntimeError(head.decode())
            length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            took.append(time.perf_counter() - started)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(load.connections)))
    return took


async def measure(before: str, load: Load) -> dict[str, float]:
    """Figures by their names, of a fresh server on a fresh directory."""
    with tempfile.TemporaryDirectory() as root:
        server = Server(Path(root) / "data", before)
        await asyncio.to_thread(server.start)
        try:
            async with server.client() as client:
                await client.create_project("bench-project")
                store = {"logstoreName": "web", "shardCount": 2}
                await client.create_logstore("bench-project", store)
            body = make_body(load.lines)
            await send(server.port, body, dataclasses.replace(load, requests=load.connections))
            cpu, started = server.cpu_seconds(), time.perf_counter()
            took = await send(server.port, body, load)
            wall, cpu = time.perf_counter() - started, server.cpu_seconds() - cpu
            return {
                "MB/core-s": load.requests * body.line_bytes / cpu / 1e6,
                "req/core-s": load.requests / cpu,
                "req/s": load.requests / wall,
                "p50 ms": statistics.median(took) * 1000,
                "RSS MB": server.resident_mb(),
            }
        finally:
            await asyncio.to_thread(server.stop)


async def main() -> None:
    """Every load against every server, round by round."""
    for load in LOADS:
        body = make_body(load.lines)
        print(f"{load.name}: {body.wire_bytes} B on the wire, {body.line_bytes} B of lines")
        found: dict[str, list[dict[str, float]]] = {name: [] for name in SERVERS}
        for _ in range(ROUNDS):
            for name, before in SERVERS.items():
                found[name].append(await measure(before, load))
        best = {
            name: {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
            for name, rounds in found.items()
        }
        for name, figures in best.items():
            shown = "  ".join(f"{key} {value:9.1f}" for key, value in figures.items())
            ratio = best["group commit"]["req/s"] / figures["req/s"]
            print(f"  {name:17} {shown}  group commit's req/s is x{ratio:.2f}")


if __name__ == "__main__":
    uvloop.run(main())
