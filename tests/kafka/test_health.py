"""What readiness, metrics and `/status` say of brokers, and of consumers that are behind."""

import asyncio
import time

import lz4.block
import pytest

from harness import waiting
from loghub_ingest import cursors
from loghub_ingest.kafka import address, health, storage
from loghub_ingest.storage import contract

pytestmark = pytest.mark.brokers

DOCUMENT = {"ttl": 7, "shardCount": 2, "maxSplitShard": 64}


@pytest.fixture
def watched(where, tmp_path):
    at = address.read(where())
    made = storage.KafkaStorage(at, tmp_path / "secrets.key")
    made.create_project("shop-project", "")
    made.create_logstore("shop-project", "web", DOCUMENT)
    yield made, health.Health(made, at)
    made.close()


def values(of: health.Health) -> dict[str, float]:
    samples = [sample for family in of.gauges() for sample in family.samples]
    return {",".join([each.name, *each.labels.values()]): each.value for each in samples}


async def test_lag_is_what_a_group_has_not_read_of_the_shards_that_it_reads(watched):
    opened, of = watched
    store = opened.logstore("shop-project", "web")
    block = lz4.block.compress(b"text", store_size=False)
    for number in range(10):
        group = contract.NewGroup(store.ident, number % 2, block, 4, 1, 5, 5)
        await opened.append(group)
    for shard, read in ((store.shards[0], 2), (store.shards[1], 5)):
        cursor = cursors.encode(opened.span(store, shard)[0] + read)
        opened.set_checkpoint(store.ident, "readers", shard.number, cursor, consumer="c")
    opened.set_checkpoint(store.ident, "strange", 0, "bm8gY3Vyc29y", consumer="c")
    opened.set_checkpoint(store.ident, "strange", 9, "MQ==", consumer="c")
    opened.set_checkpoint(999, "strange", 0, "MQ==", consumer="c")
    found = {name: value for name, value in values(of).items() if "lag," in name}
    assert found == {"loghub_ingest_consumer_lag,shop-project,web,readers": 3}


async def test_broker_that_is_down_shows_until_it_is_back(watched, kafka):
    _, of = watched
    assert of.problem() == ""
    seen = await asyncio.to_thread(values, of)
    assert (seen["loghub_ingest_kafka_up"], seen["loghub_ingest_kafka_brokers"]) == (1, 3)
    assert (seen["loghub_ingest_kafka_partitions"], seen["loghub_ingest_kafka_waiting"]) == (2, 0)
    victim = kafka.brokers[0]
    kafka.kill(victim)
    try:
        waiting.until(
            "the copies of a dead broker are lagging",
            lambda: values(of)["loghub_ingest_kafka_lagging_partitions"] == 2,
        )
        assert of.problem() == ""
        assert of.status()["kafka"]["offline"] == 0
    finally:
        kafka.start_one(victim)
        kafka.wait_for(victim)
    waiting.until(
        "all copies are in sync again",
        lambda: values(of).get("loghub_ingest_kafka_lagging_partitions") == 0,
    )


def test_brokers_that_cannot_be_reached_are_a_problem(watched, postgres):
    opened, _ = watched
    nowhere = address.read(f"kafka://127.0.0.1:1?catalogue={postgres.database()}")
    of = health.Health(opened, nowhere)
    assert "Kafka" in of.problem()
    assert "fault" in of.status()["kafka"]
    started = time.monotonic()
    assert values(of)["loghub_ingest_kafka_up"] == 0
    assert time.monotonic() - started < 60
