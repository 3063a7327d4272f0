"""PutLogs on Kafka against what Kafka's own client does with the same bytes, in the same run.

Three brokers and a PostgreSQL on this machine, one replica of the service; the client is librdkafka
with the same guarantees (idempotent, all in-sync replicas), in a process of its own. Rounds of both
are interleaved; medians are printed. MB are those on the wire: compressed log groups.

    python bench/kafka.py [--megabytes N]
"""

import argparse
import asyncio
import dataclasses
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from typing import Any, Final

import ingest
import reporting
from confluent_kafka import Message, Producer

from harness.ingest import Replica
from harness.kafka import Kafka
from harness.postgres import Postgres
from loghub_ingest.kafka import address, topics

ROUNDS: Final = 3
CONNECTIONS: Final = 16
MEGABYTE: Final = 3_600_000
"""Bytes of lines that are a log group of about 1 MB on the wire."""

_HEAD_END: Final = b"\r\n\r\n"
_TOPIC: Final = 1_000_000_000
"""An ident that no Logstore of the bench has."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rate:
    """Of one round."""

    seconds: float
    cpu: float
    latency: float
    """Median, in milliseconds."""


def block(body: ingest.Body) -> bytes:
    """The log group of a request, as it is stored."""
    return body.request.partition(_HEAD_END)[2]


def client(brokers: str, topic: str, folder: pathlib.Path) -> None:
    """Send the files of a folder, `CONNECTIONS` at a time; prints what it took as JSON."""
    blocks = [path.read_bytes() for path in sorted(folder.iterdir())]
    producer = Producer(
        {
            "bootstrap.servers": brokers,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 1,
            "message.max.bytes": topics.MAX_MESSAGE_BYTES,
            "batch.size": 1024 * 1024,
        }
    )
    producer.list_topics(topic, timeout=30)  # as a service that runs knows it already
    left, latencies, open_ones = list(range(len(blocks))), [], 0

    def sent(since: float) -> Any:
        def report(fault: object, _message: Message) -> None:
            nonlocal open_ones
            assert fault is None, fault
            latencies.append(time.perf_counter() - since)
            open_ones -= 1

        return report

    started, before = time.perf_counter(), _cpu()
    while left or open_ones:
        while left and open_ones < CONNECTIONS:
            at = left.pop()
            open_ones += 1
            since = time.perf_counter()
            producer.produce(topic, blocks[at], partition=at % 2, on_delivery=sent(since))
        producer.poll(1.0)
    taken = (time.perf_counter() - started, _cpu() - before)
    print(json.dumps([*taken, 1000 * statistics.median(latencies)]))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def kafkas(brokers: str, prefix: str, folder: pathlib.Path) -> Rate:
    """One round of Kafka's own client."""
    words = [sys.executable, __file__, "--client", brokers, f"{prefix}.{_TOPIC}", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return Rate(*json.loads(done.stdout))


def services(replica: Replica, wanted: Sequence[ingest.Body]) -> Rate:
    """One round of the service."""
    found = ingest.write(replica, wanted, CONNECTIONS)
    return Rate(found.seconds, found.cpu, found.quantile(0.5))


def compare(replica: Replica, where: address.Address, size: int, total: int) -> list[reporting.Row]:
    """Rows for bodies made of `size` bytes of lines."""
    wanted = ingest.bodies(total, size)
    megabytes = sum(len(block(each)) for each in wanted) / 1e6
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        for number, body in enumerate(wanted):
            (folder / f"{number:06}").write_bytes(block(body))
        services(replica, wanted)  # brokers compile what is run often
        rounds = [
            (services(replica, wanted), kafkas(where.brokers, where.prefix, folder))
            for _ in range(ROUNDS)
        ]
    name = f"{megabytes / len(wanted):.2f} MB"
    rows: list[reporting.Row] = []
    for who, at in (("PutLogs", 0), ("Kafka's client", 1)):
        own = [each[at] for each in rounds]
        rows += [
            (f"{name} {who}", "MB/s", statistics.median(megabytes / each.seconds for each in own)),
            ("  per core", "MB/core-s", statistics.median(megabytes / each.cpu for each in own)),
            ("  p50", "ms", statistics.median(each.latency for each in own)),
        ]
    for what, of in (
        ("  ratio", lambda each: each.seconds),
        ("  ratio per core", lambda each: each.cpu),
    ):
        rows.append((what, "", statistics.median(of(each[1]) / of(each[0]) for each in rounds)))
    return rows


async def prepare(replica: Replica) -> None:
    """The Logstore that requests go to."""
    async with replica.client() as made:
        await made.create_project(ingest.PROJECT)
        await made.create_logstore(ingest.PROJECT, {"logstoreName": "web", "shardCount": 2})


def measure(scratch: pathlib.Path, megabytes: int) -> list[reporting.Row]:
    """Start everything, and measure."""
    brokers, database = Kafka(scratch / "kafka"), Postgres()
    try:
        brokers.start()
        database.start()
        url = f"kafka://{brokers.addresses}?catalogue={database.database()}"
        where = address.read(f"{url}&prefix={uuid.uuid4().hex}")
        replica = Replica(scratch / "replica", f"{url}&prefix={where.prefix}")
        replica.start()
        try:
            asyncio.run(prepare(replica))
            topics.Topics(where).make(_TOPIC, 2, 7)
            total = megabytes * 1_000_000
            sizes = (MEGABYTE, ingest.LARGE)
            return [row for size in sizes for row in compare(replica, where, size, total)]
        finally:
            replica.stop()
    finally:
        brokers.stop()
        database.stop()


def main() -> int:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200, help="raw lines, default 200")
    parser.add_argument("--client", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        client(options.client[0], options.client[1], pathlib.Path(options.client[2]))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        rows = measure(pathlib.Path(scratch), options.megabytes)
    reporting.report("loghub-kafka", f"{options.megabytes} MB of lines, three brokers", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
