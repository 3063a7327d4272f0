"""A producer that cannot go on, which real brokers do not bring about at will."""

import asyncio
import time

import lz4.block
import pytest
from confluent_kafka import KafkaError, KafkaException

from loghub_ingest.kafka import address, storage
from loghub_ingest.storage import contract

pytestmark = pytest.mark.brokers


async def test_producer_that_failed_for_good_is_replaced_once(where, tmp_path):
    opened = storage.KafkaStorage(address.read(where()), tmp_path / "secrets.key")
    try:
        opened.create_project("shop-project", "")
        opened.create_logstore(
            "shop-project", "web", {"ttl": 7, "shardCount": 1, "maxSplitShard": 64}
        )
        store = opened.logstore("shop-project", "web")
        appender = opened._appender
        send, broken = appender._send, appender._producer

        async def fail(producer, *rest):
            await asyncio.sleep(0)  # all that wait have the one that is broken
            if producer is broken:
                error = KafkaError(KafkaError._FATAL, "out of order", True)
                raise KafkaException(error)
            return await send(producer, *rest)

        appender._send = fail
        block = lz4.block.compress(b"text", store_size=False)
        group = contract.NewGroup(store.ident, 0, block, 4, 1, 5, 5)
        calls = [opened.append(group) for _ in range(5)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(each) for each in answers} == {contract.StorageFullError}
        mended = appender._producer
        assert mended is not broken
        await opened.append(group)
        assert appender._producer is mended
        deadline = time.monotonic() + 60
        while appender._replaced:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
    finally:
        opened.close()
