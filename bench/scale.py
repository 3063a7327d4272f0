"""How the service's costs grow with the number of Logstores and with the bytes that it keeps.

    python bench/scale.py stores [--counts 1,100,1000,10000] [--megabytes 400]
    python bench/scale.py bytes [--gigabytes 1,10,100]
    python bench/scale.py retention [--counts 100,1000,10000] [--segments 100]

`stores` spreads the same lines over more and more Logstores; `bytes` keeps more and more lines of
one Logstore, packed, as they are an hour after they came. The directory is filled in process, with
the same 200 MB of lines again and again, their times spread over a day, and one word that comes
once; what is measured then is a
service of its own that starts on it. `retention` times a pass over segments that every shard has
written to. Prints tables for docs/scale.md. 100 GB take 25 GB of disk.
"""

import argparse
import asyncio
import math
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import corpus
import ingest
import lz4.block

from harness.ingest import Service
from loghub_ingest.storage import contract, embedded, indexes, records
from slswire import client, protobuf
from slswire.model import Log, LogGroup

PROJECT: Final = "scale-project"
RARE: Final = "zq7rareneedle"
INDEX: Final = {
    "line": {"token": list(", '\";=()[]{}?@&<>/:\n\t\r"), "caseSensitive": False, "chn": False},
    "keys": {"level": {"type": "text", "token": [" "], "doc_value": True}},
}
DISTINCT_BYTES: Final = 200_000_000
AT_ONCE: Final = 32
SPAN_SECONDS: Final = 86_400
STAMP: Final = int(time.time()) - 2 * SPAN_SECONDS
"""The time of every log as it is made; `moved` gives it another of as many bytes."""

Group = tuple[bytes, int]
"""Raw bytes, and how many logs."""


def groups(total: int, size: int) -> list[Group]:
    """Log groups of `total` bytes of lines, `size` bytes each."""
    found, logs, raw = [], [], 0
    for content, level in corpus.lines(total):
        logs.append(Log(STAMP, (("content", content), ("level", level))))
        raw += len(content) + 45
        if raw >= size:
            found.append(_group(logs))
            logs, raw = [], 0
    return found


def _group(logs: Sequence[Log]) -> Group:
    return protobuf.encode_log_group(LogGroup(tuple(logs), tags=(("_pod", "web-0"),))), len(logs)


def moved(raw: bytes, moment: int) -> bytes:
    """The log group with all its logs at `moment`."""
    return raw.replace(_varint(STAMP), _varint(moment))


def _varint(moment: int) -> bytes:
    # Five bytes for every time from 1978 to 2106.
    return bytes(moment >> 7 * at & 0x7F | (0x80 if at < 4 else 0) for at in range(5))


async def append(
    storage: embedded.Embedded,
    wanted: Iterator[tuple[contract.Logstore, int, Group]],
    times: tuple[float, float],
) -> None:
    """Append to (Logstore, shard) what is given, several at once, over a part of the last day.

    Args:
        storage: where to.
        wanted: Logstore, shard, log group.
        times: the part, as shares of the day.
    """
    every = list(wanted)
    begin, end = (int(time.time()) - SPAN_SECONDS * (1 - share) for share in times)
    turn = iter(enumerate(every))

    async def work() -> None:
        for at, (store, shard, (raw, logs)) in turn:
            moment = int(begin + (end - begin) * at / len(every))
            now = moved(raw, moment)
            block = bytes(lz4.block.compress(now, store_size=False))
            group = contract.NewGroup(store.ident, shard, block, len(now), logs, moment, moment)
            await storage.append(group)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def stores(storage: embedded.Embedded, count: int) -> list[contract.Logstore]:
    """New Logstores of two shards each."""
    storage.create_project(PROJECT, "")
    for number in range(count):
        document = {"ttl": 30, "shardCount": 2, "autoSplit": False, "maxSplitShard": 64}
        storage.create_logstore(PROJECT, f"store-{number}", document)
    found = [storage.logstore(PROJECT, f"store-{number}") for number in range(count)]
    kept = [each for each in found if each is not None]
    storage.set_index(kept[0], INDEX)
    return kept


def fill_stores(directory: pathlib.Path, count: int, megabytes: int) -> None:
    """Small log groups, to every Logstore in turn."""
    storage = embedded.Embedded(directory)
    every = stores(storage, count)
    small = groups(20_000_000, 4000)
    number = megabytes * 1_000_000 // 4000
    turn = ((every[at % count], at // count % 2, small[at % len(small)]) for at in range(number))
    asyncio.run(append(storage, turn, (0, 1)))
    storage.close()


def fill_bytes(directory: pathlib.Path, gigabytes: int) -> None:
    """Large log groups to one Logstore, packed; the rare word in the middle."""
    embedded.LOG_KEPT_SECONDS = 0  # type: ignore[misc] - nobody reads meanwhile
    storage = embedded.Embedded(directory)
    [store] = stores(storage, 1)
    some = groups(DISTINCT_BYTES, ingest.LARGE)
    rounds = gigabytes * 1_000_000_000 // DISTINCT_BYTES
    rare = _group([Log(STAMP, (("content", f"once {RARE}"), ("level", "info")))])
    for number in range(rounds):
        times = (number / rounds, (number + 1) / rounds)
        wanted = [(store, at % 2, each) for at, each in enumerate(some)]
        if number == rounds // 2:
            wanted.append((store, 0, rare))
        asyncio.run(append(storage, iter(wanted), times))
        storage.pack(math.inf, most_bytes=0)
    storage.pack(math.inf, most_bytes=0)
    storage.close()


async def timed(ask: Callable[[], Any]) -> float:
    """Milliseconds of the second asking."""
    await ask()
    started = time.perf_counter()
    await ask()
    return 1000 * (time.perf_counter() - started)


async def asked(service: Service) -> dict[str, float]:
    """What people and clients ask of `store-0`, in milliseconds."""
    now = int(time.time())
    within = (now - SPAN_SECONDS - 3600, now + 60)
    async with service.client() as api:

        def logs(query: str, window: tuple[int, int]) -> Callable[[], Any]:
            async def ask() -> client.Page:
                return await api.get_logs(PROJECT, "store-0", query, within=window, reverse=True)

            return ask

        cursor = await api.get_cursor(PROJECT, "store-0", 0, "begin")
        return {
            "list Logstores, ms": await timed(lambda: api.list_logstores(PROJECT)),
            "last 100, ms": await timed(logs("*", within)),
            "rare word, first, ms": await _first(logs(RARE, within)),
            "rare word, again, ms": await timed(logs(RARE, within)),
            "PullLogs from the start, ms": await timed(
                lambda: api.pull_logs(PROJECT, "store-0", 0, cursor, count=5)
            ),
        }


async def _first(ask: Callable[[], Any]) -> float:
    started, rounds = time.perf_counter(), 0
    while not (await ask()).complete:
        rounds += 1
    print(f"    rare word: {rounds} answers said Incomplete", file=sys.stderr)
    return 1000 * (time.perf_counter() - started)


def row(directory: pathlib.Path) -> dict[str, float]:
    """One row: a service that starts on what lies there."""
    service = Service(directory, "--pack-after", "off")
    started = time.perf_counter()
    service.start()
    assert service.process is not None
    found = {
        "start, s": time.perf_counter() - started,
        "memory, idle, MB": ingest.memory_mb(service.process.pid, "VmRSS"),
    }
    before = ingest.cpu_seconds(service.process.pid)
    time.sleep(5)
    found["CPU, idle, %"] = (ingest.cpu_seconds(service.process.pid) - before) / 5 * 100
    found |= asyncio.run(asked(service))
    found["memory, after, MB"] = ingest.memory_mb(service.process.pid, "VmRSS")
    service.stop()
    files = sum(path.stat().st_size for path in (directory / "segments").iterdir())
    return found | {"disk, GB": files / 1e9}


def fill_indexes(directory: pathlib.Path, count: int, segments_made: int) -> int:
    """Closed segments with a log group of every shard each, by their indexes; when they came."""
    storage = embedded.Embedded(directory)
    every = stores(storage, count)
    storage.close()
    received = time.time_ns()
    for number in range(1, segments_made + 1):
        log = directory / "segments" / f"{number:012d}.log"
        log.write_bytes(records.MAGIC)
        listed = [
            (store.ident, shard.number, [_entry(shard.first_sequence + number, received, number)])
            for store in every
            for shard in store.shards
        ]
        indexes.write(log.with_suffix(".idx"), log.stat().st_size, listed)
    return received


def _entry(sequence: int, received: int, segment: int) -> contract.Entry:
    moment = received // 1_000_000_000
    return contract.Entry(sequence, received, 4000, 10, moment, moment, segment, 8, 1000)


def retention(counts: Sequence[int], segments_made: int) -> None:
    """What a pass of retention takes, before, when and after everything expires."""
    print(f"| Logstores | a pass, ms | the one in which {segments_made} segments expire, s |")
    print("|---:|---:|---:|")
    for count in counts:
        root = pathlib.Path(tempfile.mkdtemp(prefix="loghub-bench-", dir=ingest.ROOT / "build"))
        received = fill_indexes(root / "data", count, segments_made)
        storage = embedded.Embedded(root / "data")
        storage.trim(received)  # what was just closed is looked at once
        usual, expiring = (_cpu(storage, received + days * contract.DAY) for days in (1, 31))
        storage.close()
        shutil.rmtree(root)
        print(f"| {count:,} | {usual * 1000:,.2f} | {expiring:,.1f} |", flush=True)


def _cpu(storage: embedded.Embedded, now: int) -> float:
    started = time.process_time()
    storage.trim(now)
    return time.process_time() - started


def table(kind: str, counts: Sequence[int], fill: Callable[[pathlib.Path, int], None]) -> None:
    """Fill, measure and print, one size after the other."""
    rows: dict[int, dict[str, float]] = {}
    for count in counts:
        root = pathlib.Path(tempfile.mkdtemp(prefix="loghub-bench-", dir=ingest.ROOT / "build"))
        started = time.monotonic()
        fill(root / "data", count)
        print(f"    {count} {kind}: filled in {time.monotonic() - started:.0f} s", file=sys.stderr)
        rows[count] = row(root / "data")
        shutil.rmtree(root)
    print(f"| | {' | '.join(f'{count:,} {kind}' for count in counts)} |")
    print("|---|" + "---:|" * len(counts))
    for name in rows[counts[0]]:
        print(f"| {name} | {' | '.join(f'{each[name]:,.2f}' for each in rows.values())} |")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["stores", "bytes", "retention"])
    parser.add_argument("--counts", default="1,100,1000,10000")
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--segments", type=int, default=100)
    parser.add_argument("--gigabytes", default="1,10")
    options = parser.parse_args()
    (ingest.ROOT / "build").mkdir(exist_ok=True)
    counts = [int(each) for each in options.counts.split(",")]
    if options.what == "retention":
        retention(counts, options.segments)
    elif options.what == "stores":
        table("stores", counts, lambda path, count: fill_stores(path, count, options.megabytes))
    else:
        table("GB", [int(each) for each in options.gigabytes.split(",")], fill_bytes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
