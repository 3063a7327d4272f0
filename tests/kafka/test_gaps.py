"""Offsets without a log group, as transactions leave them: cursors stay consecutive over them."""

import time

import lz4.block
import pytest
from confluent_kafka import Producer

from loghub_ingest.kafka import address, frames, storage, transacting
from loghub_ingest.storage import contract

pytestmark = pytest.mark.brokers

DOCUMENT = {"ttl": 7, "shardCount": 1, "maxSplitShard": 64}


@pytest.fixture
def opened(where, tmp_path):
    made = storage.KafkaStorage(address.read(where()), tmp_path / "secrets.key")
    made.create_project("shop-project", "")
    made.create_logstore("shop-project", "web", DOCUMENT)
    yield made
    made.close()


def group(store: contract.Logstore, text: str) -> contract.NewGroup:
    now, raw = int(time.time()), text.encode()
    block = lz4.block.compress(raw, store_size=False)
    return contract.NewGroup(store.ident, 0, block, len(raw), 1, now, now)


def abort(kafka, topic: str, unwanted: contract.NewGroup) -> None:
    settings = {"bootstrap.servers": kafka.addresses, "transactional.id": f"abort-{time.time_ns()}"}
    producer = Producer(settings)
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(topic, unwanted.block, partition=0, headers=frames.headers(unwanted))
    producer.flush(60)
    producer.abort_transaction(60)


async def test_markers_and_aborted_records_are_passed_over_and_counted(opened, kafka):
    store = opened.logstore("shop-project", "web")
    [shard] = store.shards
    topic, _, _ = opened.record(group(store, ""))
    for number in range(3):
        await opened.append(group(store, f"plain {number}"))
        opened.transactor.prepare()
        opened.transactor.write([opened.record(group(store, f"numbered {number}"))])
        abort(kafka, topic, group(store, f"aborted {number}"))
    opened.settle_shard(store, shard)
    first, end = opened.span(store, shard)
    assert end - first == 3 * (1 + 2 + 2), "a record, one with its marker, an aborted one with its"
    found: list[contract.Entry] = []
    while part := opened.entries(store, shard, first + len(found), 4):
        found += part
    assert [each.sequence for each in found] == list(range(first, end))
    texts = [raw.decode() for each in found if (raw := opened.read(each)) is not None]
    assert texts == [
        text for number in range(3) for text in (f"plain {number}", f"numbered {number}")
    ]
    now = int(time.time())
    hits = [opened.read(each) for each in opened.overlapping(store, now - 60, now + 60)]
    assert sorted(hits) == sorted(text.encode() for text in texts)


async def test_foreign_record_in_the_topic_is_a_gap(opened, kafka):
    store = opened.logstore("shop-project", "web")
    [shard] = store.shards
    await opened.append(group(store, "before"))
    producer = Producer({"bootstrap.servers": kafka.addresses})
    topic, _, _ = opened.record(group(store, ""))
    for value in (b"somebody's", None):
        producer.produce(topic, value, partition=0)
    producer.flush(60)
    await opened.append(group(store, "after"))
    found = opened.entries(store, shard, opened.span(store, shard)[0], 10)
    assert [opened.read(each) for each in found] == [b"before", None, None, b"after"]


async def test_id_that_another_replica_took_away_writes_nothing_any_more(opened, where):
    store = opened.logstore("shop-project", "web")
    [shard] = store.shards
    paused = opened.transactor
    ident = paused.prepare()
    transacting.Transactor(address.read(where())).fence(ident)
    with pytest.raises(contract.StorageFullError):
        paused.write([opened.record(group(store, "too late"))])
    opened.settle_shard(store, shard)
    first, end = opened.span(store, shard)
    assert all(opened.read(each) is None for each in opened.entries(store, shard, first, 100))
    assert paused.prepare() != ident
    [offset] = paused.write([opened.record(group(store, "under a new id"))])
    opened.settle_shard(store, shard)
    [entry, *_] = opened.entries(store, shard, shard.first_sequence + offset, 1)
    assert opened.read(entry) == b"under a new id"
    assert offset >= end - shard.first_sequence
