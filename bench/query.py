"""How fast the ingestion service answers queries, over HTTP, on one machine.

    python bench/query.py [--mb 200] [--rounds 15]

Starts a service on a directory of its own, writes a corpus of container lines (40 % nginx access,
40 % JSON application, 20 % Java with stack traces; times over two hours that end now), asks, and
prints a table: median, least and most, in milliseconds, and the service's CPU time of each query.
"""

import argparse
import asyncio
import json
import os
import pathlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "e2e"))

from harness.ingest import Service
from slswire import client
from slswire.model import Log, LogGroup

PROJECT, STORE = "bench-project", "web"
GROUP_BYTES = 500_000
SPAN_SECONDS = 7200
PODS = 10
SETTLE_SECONDS = 5
"""After the first asking: what the service makes of it in the background is then there."""

RARE = "zq7rareneedle"
COMMON = "checkout"
INDEX = {
    "line": {"token": list(", '\";=()[]{}?@&<>/:\n\t\r"), "caseSensitive": False, "chn": False},
    "keys": {
        "level": {"type": "text", "token": [" "], "doc_value": True},
        "stream": {"type": "text", "token": [" "], "doc_value": True},
    },
}

SLOW_SQL = "x*y or not x*y | select approx_distinct(level), count(*)"

_PATHS = ("/cart", "/checkout", "/item/%d", "/login", "/static/app.js", "/search?q=%d")
_EVENTS = ("order placed", "payment declined", "cart updated", "session opened")
_CLASSES = ("OrderService", "PaymentGateway", "Inventory", "SessionStore")


def lines(seed: random.Random) -> Iterator[tuple[str, str]]:
    """(level, line) without end."""
    while True:
        kind = seed.random()
        if kind < 0.4:
            status = seed.choice(("200", "200", "200", "304", "404", "500"))
            path = seed.choice(_PATHS)
            path = path % seed.randrange(10_000) if "%" in path else path
            address = f"10.{seed.randrange(256)}.{seed.randrange(256)}.{seed.randrange(256)}"
            yield (
                status,
                (
                    f"{address} - - [25/Nov/2026:08:{seed.randrange(60):02d}:"
                    f"{seed.randrange(60):02d} "
                    f'+0000] "GET {path} HTTP/1.1" {status} {seed.randrange(90_000)} "-" '
                    f'"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 '
                    f"(KHTML, like Gecko) "
                    f'Chrome/{seed.randrange(130)}.0.0.0 Safari/537.36" rt={seed.random():.3f}'
                ),
            )
        elif kind < 0.8:
            level = seed.choice(("info", "info", "info", "warn", "error"))
            found = {
                "ts": seed.randrange(10**12),
                "level": level,
                "msg": seed.choice(_EVENTS),
                "trace": f"{seed.getrandbits(128):032x}",
                "user": seed.randrange(100_000),
                "ms": round(seed.random() * 900, 2),
                "service": "storefront-api",
                "span": f"{seed.getrandbits(64):016x}",
                "thread": f"http-nio-8080-exec-{seed.randrange(40)}",
                "path": "/checkout" if seed.random() < 0.1 else "/cart",
            }
            yield level, json.dumps(found)
        else:
            name = seed.choice(_CLASSES)
            yield "ERROR", f"ERROR [{name}] java.lang.IllegalStateException: no stock of {name}"
            for _ in range(seed.randrange(1, 5)):
                other = seed.choice(_CLASSES)
                yield (
                    "ERROR",
                    (
                        f"\tat com.example.storefront.{other.lower()}.internal.{other}Impl.call"
                        f"({other}Impl.java:{seed.randrange(900)}) ~[storefront-1.4.2.jar:1.4.2]"
                    ),
                )


def groups(total: int, now: int) -> Iterator[LogGroup]:
    """Log groups of `total` bytes of lines, one pod after the other."""
    seed = random.Random(7)
    source = lines(seed)
    begin, written, number = now - SPAN_SECONDS, 0, 0
    while written < total:
        logs, size, pod = [], 0, number % PODS
        while size < GROUP_BYTES:
            level, line = next(source)
            size += len(line) + 40  # with the prefix that the runtime writes
            when = begin + int(SPAN_SECONDS * min(0.9999, (written + size) / total))
            content = (("content", line), ("stream", "stdout"), ("level", level))
            logs.append(Log(when, content, 0))
        if number == 3:
            logs[0] = Log(logs[0].time, (("content", f"once {RARE}"), *logs[0].contents[1:]), 0)
        tags = (("_pod_name_", f"shop-{pod}"), ("_namespace_", "shop"), ("_image_name_", "shop:1"))
        yield LogGroup(tuple(logs), "", f"10.1.0.{pod}", tags, "")
        written, number = written + size, number + 1


async def fill(api: client.Client, total: int, now: int) -> tuple[int, int]:
    """Write the corpus; (lines, bytes)."""
    await api.create_project(PROJECT)
    await api.create_logstore(PROJECT, {"logstoreName": STORE, "ttl": 7, "shardCount": 2})
    await api.create_index(PROJECT, STORE, INDEX)
    count = 0
    for group in groups(total, now):
        await api.put_logs(PROJECT, STORE, group)
        count += len(group.logs)
    return count, total


def cpu_seconds(pid: int) -> float:
    """Of the process and its children, user and system."""
    total = 0.0
    for path in [pathlib.Path(f"/proc/{pid}/stat"), *_children(pid)]:
        fields = path.read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def _children(pid: int) -> list[pathlib.Path]:
    found = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found += [
        child
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
        if child not in found
    ]
    return [pathlib.Path(f"/proc/{child}/stat") for child in found]


def rss_megabytes(pid: int) -> float:
    """Of the process without its children."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def measure(name: str, ask: Callable[[], Awaitable[int]], pid: int, rounds: int) -> None:
    """One row of the table."""
    started = time.perf_counter()
    found = await ask()
    cold = (time.perf_counter() - started) * 1000
    await asyncio.sleep(SETTLE_SECONDS)
    took, before = [], cpu_seconds(pid)
    for _ in range(rounds):
        started = time.perf_counter()
        assert await ask() == found
        took.append((time.perf_counter() - started) * 1000)
    cpu = (cpu_seconds(pid) - before) / rounds * 1000
    middle = statistics.median(took)
    spread = f"{min(took):.1f}-{max(took):.1f}"
    print(f"| {name} | {found} | {cold:.1f} | {middle:.1f} | {spread} | {cpu:.1f} |")


async def write_latency(api: client.Client, now: int, heavy: str | None) -> list[float]:
    """Milliseconds of each of some small writes, with or without a query running all the time."""
    logs = tuple(Log(now, (("content", f"line {number}"),), 0) for number in range(10))
    group = LogGroup(logs, "", "", (), "")
    stop = asyncio.Event()

    async def asking() -> None:
        while heavy is not None and not stop.is_set():
            await api.get_logs(PROJECT, STORE, heavy, within=(now - SPAN_SECONDS, now))

    task = asyncio.create_task(asking())
    took = []
    for _ in range(200):
        started = time.perf_counter()
        await api.put_logs(PROJECT, "other", group)
        took.append((time.perf_counter() - started) * 1000)
    stop.set()
    await task
    return took


async def run(megabytes: int, rounds: int) -> None:
    """Fill, ask, print."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        service = Service(pathlib.Path(directory) / "data")
        service.start()
        assert service.process is not None
        pid = service.process.pid
        try:
            async with service.client() as api:
                await report(api, pid, megabytes, rounds)
        finally:
            service.stop()


async def report(api: client.Client, pid: int, megabytes: int, rounds: int) -> None:
    """Print every table."""
    now = int(time.time())
    started = time.perf_counter()
    count, size = await fill(api, megabytes * 1_000_000, now)
    print(f"{size / 1e6:.0f} MB, {count} lines, written in {time.perf_counter() - started:.0f} s")
    within = (now - SPAN_SECONDS, now + 1)

    def logs(query: str) -> Callable[[], Awaitable[int]]:
        async def ask() -> int:
            page = await api.get_logs(PROJECT, STORE, query, within=within, reverse=True)
            assert page.complete, query
            return len(page.logs)

        return ask

    print(f"idle: {rss_megabytes(pid):.0f} MB resident\n")
    print("| query | rows | first ms | median ms | least-most | CPU ms |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, query in (
        ("last 100", "*"),
        ("last 100, common word", COMMON),
        ("rare word", RARE),
        ("absent word", "nosuchword"),
        ("absent phrase in a field", 'content:"no such words"'),
        ("count by level", "* | select level, count(*) as n group by level order by n desc"),
        ("count by minute", "* | select __time__ - __time__ % 60 as t, count(*) group by t"),
        ("count by level of a word", f"{COMMON} | select level, count(*) as n group by level"),
    ):
        await measure(name, logs(query), pid, rounds)
    print(f"\nafter: {rss_megabytes(pid):.0f} MB resident without the SQL process")
    await api.create_logstore(PROJECT, {"logstoreName": "other", "ttl": 7, "shardCount": 2})
    print("\n| 200 small writes, one client | p50 ms | p99 ms |")
    print("|---|---:|---:|")
    for name, heavy in (("alone", None), ("beside a full scan", "x*y"), ("beside SQL", SLOW_SQL)):
        took = sorted(await write_latency(api, now, heavy))
        print(f"| {name} | {statistics.median(took):.1f} | {took[198]:.1f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mb", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    asyncio.run(run(given.mb, given.rounds))
