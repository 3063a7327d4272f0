"""How much slower writes get while somebody asks the service for something heavy.

python bench/beside.py [--megabytes N] [--rounds N]; `make bench` calls it. The server has one CPU,
which writes over 16 connections keep busy; beside them two clients repeat a search that reads every
group of another Logstore, or SQL over it, or nothing. The three take turns, each round gives two
ratios of throughput, the median is shown.
"""

import argparse
import asyncio
import pathlib
import shutil
import statistics
import sys
import tempfile
import threading
import time
from typing import Final

import corpus
import ingest
from reporting import report

from harness.ingest import Service
from slswire.model import Log, LogGroup

OLD: Final = "old"
OLD_BYTES: Final = 100_000_000
INDEX: Final = {
    "line": {"token": list(", '\";=()[]{}?@&<>/:\n\t\r"), "caseSensitive": False, "chn": False},
    "keys": {"level": {"type": "text", "token": [" "], "doc_value": True}},
}
SCAN: Final = "x*y"
SQL: Final = "x*y or not x*y | select approx_distinct(level), count(*)"
CLIENTS: Final = 2
HEAD_START_SECONDS: Final = 2.0


class Asking:
    """Clients that repeat a query as long as the block lasts."""

    def __init__(self, service: Service, query: str) -> None:
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(service, query))
            for _ in range(CLIENTS if query else 0)
        ]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()
        time.sleep(HEAD_START_SECONDS if self._threads else 0)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, service: Service, query: str) -> None:
        asyncio.run(self._ask(service, query))

    async def _ask(self, service: Service, query: str) -> None:
        async with service.client() as client:
            while not self._stop.is_set():
                now = int(time.time())
                await client.get_logs(ingest.PROJECT, OLD, query, within=(now - 86_400, now + 60))


async def fill(service: Service) -> None:
    """An indexed Logstore of `OLD_BYTES` of lines."""
    async with service.client() as client:
        await client.create_logstore(ingest.PROJECT, {"logstoreName": OLD, "shardCount": 2})
        await client.create_index(ingest.PROJECT, OLD, INDEX)
        logs, size, now = [], 0, int(time.time())
        for content, level in corpus.lines(OLD_BYTES):
            logs.append(Log(now, (("content", content), ("level", level))))
            size += len(content) + 45
            if size > ingest.LARGE:
                await client.put_logs(ingest.PROJECT, OLD, LogGroup(tuple(logs)))
                logs, size = [], 0


def measure(megabytes: int, rounds: int) -> list[tuple[str, str, float]]:
    """Rows of the table."""
    wanted = ingest.bodies(megabytes * 1_000_000, ingest.LARGE)
    ratios: dict[str, list[float]] = {"a full scan": [], "SQL": []}
    disk = pathlib.Path(tempfile.mkdtemp(prefix="loghub-bench-", dir=ingest.ROOT / "build"))
    with ingest.Server(disk / "beside") as service:
        asyncio.run(fill(service))
        for _ in range(rounds):
            alone = ingest.write(service, wanted, 16).seconds
            for name, query in (("a full scan", SCAN), ("SQL", SQL)):
                with Asking(service, query):
                    ratios[name].append(alone / ingest.write(service, wanted, 16).seconds)
    shutil.rmtree(disk, ignore_errors=True)
    return [
        (f"PutLogs beside {name} / alone", "", statistics.median(found))
        for name, found in ratios.items()
    ]


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=400, help="a run's lines, default 400")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    (ingest.ROOT / "build").mkdir(exist_ok=True)
    ingest.pin(0, 1)
    rows = measure(options.megabytes, options.rounds)
    report("loghub-beside", f"{options.rounds} rounds of {options.megabytes} MB, one CPU", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
