"""Scans over very many cursors, and analyses of more than may be read: bounded, and honest."""

import asyncio
import base64
import math
import os
import random
import resource

import lz4.block
import pytest

from harness.ingest import Service
from loghub_ingest.api import analysing
from loghub_ingest.search import document, grammar, planning
from loghub_ingest.search.sql import workers
from loghub_ingest.storage import contract, embedded, segments
from slswire import errors, protobuf
from slswire.model import Log, LogGroup

CURSORS = 100_000 if os.environ.get("LOGHUB_SOAK") else 2_000
AT_ONCE = 16
GROWTH_MB = 40
"""Of the service's memory: nothing is kept of a cursor that was asked for."""


def memory_mb(service: Service) -> float:
    assert service.process is not None
    with open(f"/proc/{service.process.pid}/statm") as file:  # noqa: PTH123 - no file of ours
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


async def test_scan_over_very_many_cursors_is_answered_and_keeps_no_memory(service, row):
    dice = random.Random(7)  # noqa: S311 - repeatable
    async with service.client() as client:
        await client.create_project("shop-project")
        await client.create_logstore("shop-project", {"logstoreName": "web", "shardCount": 8})
        group = LogGroup((Log(1_764_000_000, (("k", "v"),)),))
        for _ in range(20):
            await client.put_logs("shop-project", "web", group)
        begin = await client.get_cursor("shop-project", "web", 0, "begin")
        first = int(base64.b64decode(begin))
        left, statuses = iter(range(CURSORS)), set()

        async def scan() -> None:
            for number in left:
                row.tried += 1
                offset = dice.choice([0, 1, dice.randrange(100), dice.randrange(-(10**18), 10**18)])
                cursor = base64.b64encode(str(first + offset).encode()).decode()
                try:
                    if number % 2:
                        await client.pull_logs("shop-project", "web", number % 8, cursor)
                    else:
                        moment = str(dice.randrange(2**40))
                        await client.get_cursor("shop-project", "web", number % 8, moment)
                except errors.SlsError as fault:
                    row.refused += 1
                    statuses.add(fault.status)

        await asyncio.gather(*(client.list_shards("shop-project", "web") for _ in range(AT_ONCE)))
        before = memory_mb(service)
        await asyncio.gather(*(scan() for _ in range(AT_ONCE)))
        assert statuses == {400}
        assert memory_mb(service) - before < GROWTH_MB
        await client.put_logs("shop-project", "web", group)


@pytest.fixture(params=["as they came", "packed"])
def filled(tmp_path, monkeypatch, request):
    """Fifty log groups of some 4 KB, one second each."""
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 600)
    storage = embedded.Embedded(tmp_path / "data")
    storage.create_project("shop-project", "")
    storage.create_logstore("shop-project", "web", {"ttl": 30, "shardCount": 1})
    store = storage.logstore("shop-project", "web")
    assert store is not None
    for second in range(50):
        logs = tuple(Log(1000 + second, (("n", str(second)), ("c", "x" * 390))) for _ in range(10))
        raw = protobuf.encode_log_group(LogGroup(logs))
        block = lz4.block.compress(raw, store_size=False)
        moment = 1000 + second
        group = contract.NewGroup(store.ident, 0, block, len(raw), 10, moment, moment)
        asyncio.run(storage.append(group))
    if request.param == "packed":
        assert storage.pack(math.inf, most_bytes=0) > 5
    yield storage, store
    storage.close()


def test_analysis_of_more_than_may_be_read_answers_over_the_newest_and_says_so(
    filled, monkeypatch, row
):
    storage, store = filled
    index = document.read({"keys": {"n": {"type": "long", "doc_value": True}}})
    program = planning.program(grammar.Everything(), index)
    table = analysing._table(storage, store, index, program)
    running = workers.Workers()
    sql = "select count(*) as c, min(n) as low, max(n) as high from log"

    def asked() -> workers.Result:
        row.tried += 1
        return running.run(storage, sql, ["log"], lambda _: table)

    try:
        monkeypatch.setattr(workers, "LOAD_BYTES", 50_000)
        cut = asked()
        assert not cut.complete
        [[count, low, high]] = cut.rows
        assert high == "49"
        assert 100 <= int(count) <= 130
        assert int(low) == 50 - int(count) // 10
        assert cut.scanned_bytes < 50_000 + 5000
        monkeypatch.setattr(workers, "LOAD_BYTES", 1_000_000)
        whole = asked()
        assert whole.complete
        assert whole.rows == [["500", "0", "49"]]
    finally:
        running.close()
