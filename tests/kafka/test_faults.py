"""Numbered records through two replicas while things die: what was acknowledged is there, once."""

import asyncio
import base64
import dataclasses
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest

from harness.ingest import Replica
from slswire import errors
from slswire.client import Client
from slswire.model import Log, LogGroup

pytestmark = pytest.mark.brokers

PROJECT, STORE = "shop-project", "web"
WRITERS = 6
KILLS = 6
PATIENCE = 60.0
"""Seconds for writes to be taken again after a fault; a busy machine elects leaders slowly."""


@dataclasses.dataclass(slots=True)
class Writer:
    """Sends numbered records one after the other, each once; knows which were acknowledged."""

    name: int
    clients: list[Client]
    sent: int = 0
    acknowledged: list[int] = dataclasses.field(default_factory=list)

    async def run(self) -> None:
        while True:
            self.sent += 1
            text = f"{self.name} {self.sent}"
            client = self.clients[(self.sent + self.name) % len(self.clients)]
            try:
                group = LogGroup((Log(int(time.time()), (("n", text),)),))
                await client.put_logs(PROJECT, STORE, group)
            except (aiohttp.ClientError, errors.SlsError, TimeoutError):
                await asyncio.sleep(0.02)  # unknown: it may have become durable all the same
            else:
                self.acknowledged.append(self.sent)


class Work:
    """Two replicas, and writers that go on whatever happens."""

    def __init__(self, replicas: list[Replica], clients: list[Client]) -> None:
        self.replicas, self.clients = replicas, clients
        self.writers = [Writer(number, clients) for number in range(WRITERS)]
        self._tasks = [asyncio.create_task(each.run()) for each in self.writers]

    @property
    def acknowledged(self) -> int:
        return sum(len(each.acknowledged) for each in self.writers)

    async def goes_on(self, more: int = 20) -> None:
        """Wait until every writer had so many records more acknowledged."""
        wanted = [len(each.acknowledged) + more for each in self.writers]
        deadline = time.monotonic() + PATIENCE
        while any(
            len(each.acknowledged) < least for each, least in zip(self.writers, wanted, strict=True)
        ):
            assert time.monotonic() < deadline, [
                each.log.read_text()[-1500:] for each in self.replicas
            ]
            await asyncio.sleep(0.05)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def position(cursor: str) -> int:
    return int(base64.b64decode(cursor))


async def read(client: Client) -> dict[int, list[str]]:
    """The texts of each shard, in order, by a reader that follows the cursors it is given."""
    found: dict[int, list[str]] = {}
    for shard in await client.list_shards(PROJECT, STORE):
        number = int(shard["shardID"])
        texts = found[number] = []
        cursor = await client.get_cursor(PROJECT, STORE, number, "begin")
        end = await client.get_cursor(PROJECT, STORE, number, "end")
        while position(cursor) < position(end):
            result = await client.pull_logs(PROJECT, STORE, number, cursor)
            assert position(result.next_cursor) > position(cursor), "reading stands still"
            texts += [log.contents[0][1] for group in result.groups for log in group.logs]
            cursor = result.next_cursor
    return found


Fault = Callable[[Work], Coroutine[Any, Any, None]]


@pytest.fixture
def survive(replicas, row):
    """Runs a fault beside the writers, then reads everything back."""

    async def run(fault: Fault) -> None:
        pair = replicas(2)
        async with pair[0].client() as one, pair[1].client() as two:
            await one.create_project(PROJECT)
            await two.create_logstore(PROJECT, {"logstoreName": STORE, "shardCount": 2})
            work = Work(pair, [one, two])
            try:
                await work.goes_on()
                await fault(work)
                await work.goes_on()
            finally:
                await work.end()
            shards = await read(two)
        texts = [text for each in shards.values() for text in each]
        acknowledged = {f"{each.name} {at}" for each in work.writers for at in each.acknowledged}
        row.written += sum(each.sent for each in work.writers)
        row.acknowledged += len(acknowledged)
        row.read += len(texts)
        row.lost += len(acknowledged - set(texts))
        row.repeated += len(texts) - len(set(texts))
        assert acknowledged <= set(texts)
        assert len(texts) == len(set(texts)), "a record is there twice"
        for shard in shards.values():
            for each in work.writers:
                own = [int(text.split()[1]) for text in shard if text.startswith(f"{each.name} ")]
                assert own == sorted(own)

    return run


async def test_replicas_killed_at_random_instants(survive):
    dice = random.Random(7)  # noqa: S311 - repeatable

    async def fault(work: Work) -> None:
        for number in range(KILLS):
            await asyncio.sleep(dice.uniform(0.05, 0.5))
            victim = work.replicas[number % 2]
            await asyncio.to_thread(victim.kill)
            await asyncio.to_thread(victim.start)

    await survive(fault)


async def test_shards_split_and_merged_by_both_replicas(survive):
    async def fault(work: Work) -> None:
        for number in range(KILLS):
            client = work.clients[number % 2]
            shards = await client.list_shards(PROJECT, STORE)
            open_ones = [each for each in shards if each["status"] == "readwrite"]
            if number % 3 == 2:
                first = min(open_ones, key=lambda each: each["inclusiveBeginKey"])
                await client.merge_shard(PROJECT, STORE, int(first["shardID"]))
            else:
                chosen = open_ones[number % len(open_ones)]
                begin, end = (
                    int(chosen[f"{each}Key"], 16) for each in ("inclusiveBegin", "exclusiveEnd")
                )
                await client.split_shard(
                    PROJECT, STORE, int(chosen["shardID"]), f"{(begin + end) // 2:032x}"
                )
            await work.goes_on(5)

    await survive(fault)


async def test_broker_killed_one_after_the_other(survive, kafka):
    async def fault(work: Work) -> None:
        for broker in kafka.brokers:
            await asyncio.to_thread(kafka.kill, broker)
            await work.goes_on(5)
            await asyncio.to_thread(kafka.start_one, broker)
            await asyncio.to_thread(kafka.wait_for, broker)
            await work.goes_on(5)

    await survive(fault)


async def test_two_of_three_brokers_down_and_back(survive, kafka):
    async def fault(work: Work) -> None:
        for broker in kafka.brokers[:2]:
            await asyncio.to_thread(kafka.kill, broker)
        await asyncio.sleep(3)
        before = work.acknowledged
        await asyncio.sleep(3)
        assert work.acknowledged == before, "one copy alone was acknowledged"
        await asyncio.to_thread(kafka.start)

    await survive(fault)


async def test_postgresql_killed_and_back(survive, postgres):
    async def fault(work: Work) -> None:
        for _ in range(2):
            await asyncio.to_thread(postgres.kill)
            await asyncio.sleep(1)
            await asyncio.to_thread(postgres.start)
            await work.goes_on(5)

    await survive(fault)
