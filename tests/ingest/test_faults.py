"""Kills, torn and damaged files: what was acknowledged is there, once, in order."""

import asyncio
import base64
import os
import random
import shutil
import time

import aiohttp
import lz4.block
import pytest

from harness.ingest import Service
from loghub_ingest.storage import contract, embedded
from slswire import errors
from slswire.client import Client
from slswire.model import Log, LogGroup

KILLS = int(os.environ.get("LOGHUB_SOAK_KILLS", "8"))
"""A soak run sets hundreds."""
WRITERS = 6


async def pulled(client: Client, project: str, logstore: str) -> list[list[str]]:
    """The texts of each shard, in order."""
    found = []
    for shard in await client.list_shards(project, logstore):
        number, texts = int(shard["shardID"]), []
        cursor = await client.get_cursor(project, logstore, number, "begin")
        end = await client.get_cursor(project, logstore, number, "end")
        # A write whose sender gave up may land now: a pull may go past what was the end.
        while position(cursor) < position(end):
            result = await client.pull_logs(project, logstore, number, cursor)
            assert result.next_cursor != cursor, "reading stands still before the end"
            texts += [log.contents[0][1] for group in result.groups for log in group.logs]
            cursor = result.next_cursor
        found.append(texts)
    return found


def position(cursor: str) -> int:
    """Cursors are consecutive integers in base64."""
    return int(base64.b64decode(cursor))


class Writer:
    """Writes numbered records one after the other; knows which were acknowledged."""

    def __init__(self, name: int) -> None:
        self.name = name
        self.sent = 0
        self.acknowledged: set[int] = set()

    async def run(self, client: Client) -> None:
        while True:
            self.sent += 1
            text = f"{self.name} {self.sent}"
            try:
                group = LogGroup((Log(int(time.time()), (("n", text),)),))
                await client.put_logs("shop-project", "web", group)
            except (aiohttp.ClientError, errors.SlsError, TimeoutError):
                # Unknown: it may have become durable before its answer was lost.
                await asyncio.sleep(0.01)
            else:
                self.acknowledged.add(self.sent)


@pytest.mark.slow
@pytest.mark.timeout(300)  # eight starts of the service, each with patience for a busy machine
async def test_killed_at_random_instants_keeps_every_acknowledged_record(service: Service):
    dice = random.Random(7)  # noqa: S311 - repeatable
    writers = [Writer(number) for number in range(WRITERS)]
    async with service.client() as client:
        await client.create_project("shop-project")
        await client.create_logstore("shop-project", {"logstoreName": "web", "shardCount": 2})
        for _ in range(KILLS):
            tasks = [asyncio.create_task(writer.run(client)) for writer in writers]
            await asyncio.sleep(dice.uniform(0.05, 0.5))
            await asyncio.to_thread(service.kill)
            await asyncio.to_thread(service.start)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        shards = await pulled(client, "shop-project", "web")
    everything = [text for shard in shards for text in shard]
    assert len(everything) == len(set(everything)), "a record is there twice"
    acknowledged = {f"{each.name} {number}" for each in writers for number in each.acknowledged}
    assert len(acknowledged) > 50
    assert acknowledged <= set(everything)
    for shard in shards:
        for writer in writers:
            own = [int(text.split()[1]) for text in shard if text.startswith(f"{writer.name} ")]
            assert own == sorted(own)


@pytest.fixture
def filled(tmp_path):
    """A directory with five log groups in one shard; gives it and the texts."""
    directory = tmp_path / "data"
    texts = [f"group {number} ".encode() * 3 for number in range(5)]

    async def fill() -> None:
        storage = embedded.Embedded(directory)
        storage.create_project("shop-project", "")
        storage.create_logstore("shop-project", "web", {"ttl": 30, "shardCount": 1})
        store = storage.logstore("shop-project", "web")
        for text in texts:
            await storage.append(group(store.ident, text))
        storage.close()

    asyncio.run(fill())
    return directory, texts


def group(store: int, text: bytes) -> contract.NewGroup:
    block = lz4.block.compress(text, store_size=False)
    return contract.NewGroup(store, 0, block, len(text), 1, 10, 10)


def stored(directory) -> list[bytes]:
    """What can be read, and that one more write works and follows it."""

    async def look() -> list[bytes]:
        storage = embedded.Embedded(directory)
        try:
            store = storage.logstore("shop-project", "web")
            shard = store.shards[0]
            first, end = storage.span(store, shard)
            entries = storage.entries(store, shard, first, 100)
            found = [storage.read(entry) for entry in entries]
            assert [entry.sequence for entry in entries] == sorted(
                {entry.sequence for entry in entries}
            )
            assert await storage.append(group(store.ident, b"one more")) >= end
            return [text for text in found if text is not None]
        finally:
            storage.close()

    return asyncio.run(look())


def test_file_cut_at_every_byte_keeps_every_whole_group(filled, tmp_path):
    directory, texts = filled
    [segment] = sorted((directory / "segments").iterdir())
    size = segment.stat().st_size
    copy = tmp_path / "copy"
    kept = []
    for length in range(size + 1):
        shutil.copytree(directory, copy)
        with (copy / "segments" / segment.name).open("r+b") as file:
            file.truncate(length)
        found = stored(copy)
        assert found == texts[: len(found)]
        kept.append(len(found))
        shutil.rmtree(copy)
    assert kept == sorted(kept)
    assert kept[-1] == len(texts)


def test_flipped_bit_anywhere_costs_one_group_at_the_most(filled, tmp_path):
    directory, texts = filled
    [segment] = sorted((directory / "segments").iterdir())
    size = segment.stat().st_size
    copy = tmp_path / "copy"
    for at in range(size):
        shutil.copytree(directory, copy)
        with (copy / "segments" / segment.name).open("r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ (1 << at % 8)]))
        found = stored(copy)
        assert len(found) >= len(texts) - 1, f"byte {at}"
        assert [text for text in texts if text in found] == found
        shutil.rmtree(copy)
