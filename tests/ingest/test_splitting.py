"""A shard that is busy for a while is split in two; nothing else is."""

import asyncio

import lz4.block
import pytest

from loghub_ingest import metering, splitting, writes
from loghub_ingest.storage import contract, embedded

SECONDS = 1.0
RAW = bytes(2000)


@pytest.fixture
def storage(tmp_path, monkeypatch):
    monkeypatch.setattr(splitting, "BYTES_PER_SECOND", 10 * len(RAW))
    found = embedded.Embedded(tmp_path / "data")
    found.create_project("shop-project", "")
    yield found
    found.close()


def store(storage, **settings) -> contract.Logstore:
    if storage.logstore("shop-project", "web") is None:
        document = {"ttl": 30, "shardCount": 2, "autoSplit": True, "maxSplitShard": 3}
        storage.create_logstore("shop-project", "web", document | settings)
    return storage.logstore("shop-project", "web")


async def send(storage, ongoing: writes.Writes, shard: int, count: int) -> None:
    found = store(storage)
    block = lz4.block.compress(RAW, store_size=False)
    group = contract.NewGroup(found.ident, 0, block, len(RAW), 1, 10, 10)
    await asyncio.gather(*(ongoing.append([group], found.shards[shard]) for _ in range(count)))


def writable(storage) -> list[int]:
    return [shard.number for shard in store(storage).writable]


async def test_shard_that_is_busy_for_a_minute_is_split_until_the_logstore_has_enough(storage):
    store(storage)
    usages = metering.Usages()
    ongoing = writes.Writes(storage, usages)
    splitter = splitting.Splitter(storage, usages)
    for tick in range(splitting.TICKS):
        assert writable(storage) == [0, 1], f"after {tick} ticks"
        await send(storage, ongoing, 0, 11)
        await send(storage, ongoing, 1, 10)
        await splitter.look(SECONDS)
    assert writable(storage) == [1, 2, 3]
    assert [store(storage).shards[at].parents for at in (2, 3)] == [(0,), (0,)]
    for _ in range(2 * splitting.TICKS):
        await send(storage, ongoing, 1, 20)
        await splitter.look(SECONDS)
    assert writable(storage) == [1, 2, 3], "maxSplitShard is 3"


async def test_burst_splits_nothing(storage):
    store(storage)
    usages = metering.Usages()
    ongoing = writes.Writes(storage, usages)
    splitter = splitting.Splitter(storage, usages)
    for tick in range(3 * splitting.TICKS):
        await send(storage, ongoing, 0, 1 if tick % splitting.TICKS == 0 else 20)
        await splitter.look(SECONDS)
    assert writable(storage) == [0, 1]


async def test_many_small_writes_count_too(storage, monkeypatch):
    monkeypatch.setattr(splitting, "BYTES_PER_SECOND", 1 << 40)
    monkeypatch.setattr(splitting, "WRITES_PER_SECOND", 5)
    store(storage)
    usages = metering.Usages()
    ongoing = writes.Writes(storage, usages)
    splitter = splitting.Splitter(storage, usages)
    for _ in range(splitting.TICKS):
        await send(storage, ongoing, 1, 6)
        await splitter.look(SECONDS)
    assert writable(storage) == [0, 2, 3]


async def test_logstore_without_auto_split_stays_as_it_is(storage):
    store(storage, autoSplit=False)
    usages = metering.Usages()
    ongoing = writes.Writes(storage, usages)
    splitter = splitting.Splitter(storage, usages)
    for _ in range(2 * splitting.TICKS):
        await send(storage, ongoing, 0, 20)
        await splitter.look(SECONDS)
    assert writable(storage) == [0, 1]
