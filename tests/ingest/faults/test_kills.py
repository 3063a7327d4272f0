"""Kills at random instants: what was acknowledged is there, once, in order."""

import asyncio
import base64
import os
import random
import sys
import time
from collections.abc import Iterator

import aiohttp
import pytest

from harness.ingest import Service
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


class Packing(Service):
    """A service that closes, packs and deletes segments all the time."""

    def command(self) -> list[str]:
        code = (
            "from loghub_ingest import backends, cli\n"
            "from loghub_ingest.storage import embedded, segments\n"
            "segments.SEGMENT_BYTES, backends.PACK_SECONDS = 3000, 0.02\n"
            "embedded.LOG_KEPT_SECONDS = 0.1\n"
            "raise SystemExit(cli.main())\n"
        )
        return [sys.executable, "-c", code]


@pytest.fixture
def packing(tmp_path) -> Iterator[Packing]:
    running = Packing(tmp_path / "data", "--pack-after", "0s")
    running.start()
    yield running
    running.stop()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_killed_while_segments_are_packed_keeps_every_acknowledged_record(
    packing: Packing, row
):
    await killed_at_random_instants(packing, row)
    assert len(list((packing.data / "segments").glob("*.pack"))) > 5


@pytest.mark.slow
@pytest.mark.timeout(300)  # eight starts of the service, each with patience for a busy machine
async def test_killed_at_random_instants_keeps_every_acknowledged_record(service: Service, row):
    await killed_at_random_instants(service, row)


async def killed_at_random_instants(service: Service, row) -> None:
    dice = random.Random(7)  # noqa: S311 - repeatable
    writers = [Writer(number) for number in range(WRITERS)]
    async with service.client() as client:
        await client.create_project("shop-project")
        await client.create_logstore("shop-project", {"logstoreName": "web", "shardCount": 2})
        for _ in range(KILLS):
            tasks = [asyncio.create_task(writer.run(client)) for writer in writers]
            await asyncio.sleep(dice.uniform(0.05, 0.5))
            await asyncio.to_thread(service.kill)
            row.tried += 1
            await asyncio.to_thread(service.start)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        shards = await pulled(client, "shop-project", "web")
    everything = [text for shard in shards for text in shard]
    assert len(everything) == len(set(everything)), "a record is there twice"
    acknowledged = {f"{each.name} {number}" for each in writers for number in each.acknowledged}
    assert len(acknowledged) > 50
    row.lost += len(acknowledged - set(everything))
    assert acknowledged <= set(everything)
    for shard in shards:
        for writer in writers:
            own = [int(text.split()[1]) for text in shard if text.startswith(f"{writer.name} ")]
            assert own == sorted(own)
