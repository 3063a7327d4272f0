"""Numbered writes through several replicas: each number is there once, whoever dies meanwhile."""

import asyncio
import dataclasses
import datetime as dt
import http.client
import itertools
import json
import random
import time
from urllib.parse import urlencode

import pytest

from harness.ingest import DOMAIN, ROOT_KEY, Replica
from slswire import headers, protobuf, signature
from slswire.model import Log, LogGroup

pytestmark = pytest.mark.brokers

PROJECT, STORE = "shop-project", "web"
KEYS = 4
NUMBERS = 15


def send(replica: Replica, key: int, number: int, text: str) -> str:
    """Write once; `OK` or the error's code."""
    body = protobuf.encode_log_group(LogGroup((Log(int(time.time()), (("n", text),)),)))
    path = f"/logstores/{STORE}/shards/route"
    query = [("key", f"{key << 124:032x}"), ("seqid", str(number))]
    sent = {"host": f"{PROJECT}.{DOMAIN}", headers.BODY_RAW_SIZE: str(len(body))}
    sent["content-type"] = "application/x-protobuf"
    request = signature.Request("POST", path, query, sent, body)
    signed = signature.sign_v1(ROOT_KEY, request, dt.datetime.now(dt.UTC))
    connection = http.client.HTTPConnection("127.0.0.1", replica.port, timeout=60)
    try:
        connection.request("POST", f"{path}?{urlencode(query)}", body, signed)
        answer = connection.getresponse()
        content = answer.read()
        return "OK" if answer.status == 200 else str(json.loads(content)["errorCode"])
    finally:
        connection.close()


@dataclasses.dataclass
class Sender:
    """Sends its numbers in order, each again until it is said to be there."""

    key: int
    replicas: list[Replica]
    repeated: int = 0
    done: int = 0

    def run(self) -> None:
        turn = itertools.count(self.key)
        for number in range(NUMBERS):
            deadline = time.monotonic() + 90
            while True:
                replica = self.replicas[next(turn) % len(self.replicas)]
                try:
                    answer = send(replica, self.key, number, f"{self.key} {number}")
                except (OSError, http.client.HTTPException) as fault:
                    answer = repr(fault)
                if answer in {"OK", "InvalidSequenceId"}:
                    break
                assert time.monotonic() < deadline, answer
                self.repeated += 1
                time.sleep(0.05)
            self.done += 1


async def everything(replica: Replica) -> list[str]:
    texts = []
    async with replica.client() as client:
        for shard in await client.list_shards(PROJECT, STORE):
            number = int(shard["shardID"])
            cursor = await client.get_cursor(PROJECT, STORE, number, "begin")
            end = await client.get_cursor(PROJECT, STORE, number, "end")
            while cursor != end:
                result = await client.pull_logs(PROJECT, STORE, number, cursor)
                assert result.next_cursor != cursor
                texts += [log.contents[0][1] for group in result.groups for log in group.logs]
                cursor = result.next_cursor
    return texts


@pytest.fixture
async def pair(replicas) -> list[Replica]:
    made = await asyncio.to_thread(replicas, 2)
    async with made[0].client() as client:
        await client.create_project(PROJECT)
        await client.create_logstore(PROJECT, {"logstoreName": STORE, "shardCount": 2})
    return made


async def test_number_is_taken_once_whichever_replica_is_asked(pair):
    one, two = pair
    assert await asyncio.to_thread(send, one, 1, 5, "first") == "OK"
    assert await asyncio.to_thread(send, two, 1, 5, "first") == "InvalidSequenceId"
    assert await asyncio.to_thread(send, two, 1, 6, "second") == "OK"
    assert await asyncio.to_thread(send, one, 1, 4, "old") == "InvalidSequenceId"
    assert await asyncio.to_thread(send, one, 2, 4, "another key") == "OK"
    assert sorted(await everything(two)) == ["another key", "first", "second"]


async def test_number_that_two_replicas_are_asked_for_at_once_is_there_once(pair):
    for number in range(4):
        calls = (asyncio.to_thread(send, each, 1, number, str(number)) for each in pair)
        answers = await asyncio.gather(*calls)
        again = await asyncio.to_thread(send, pair[0], 1, number, str(number))
        assert "OK" in {*answers, again}
        assert {*answers} <= {"OK", "InvalidSequenceId", "ServerBusy"}
    assert await everything(pair[1]) == [str(number) for number in range(4)]


@pytest.mark.slow
async def test_numbers_are_there_once_after_replicas_were_killed(pair, row):
    dice = random.Random(3)  # noqa: S311 - repeatable
    senders = [Sender(key, pair) for key in range(KEYS)]
    work = [asyncio.create_task(asyncio.to_thread(each.run)) for each in senders]
    for number in itertools.count():
        await asyncio.sleep(dice.uniform(0.1, 0.6))
        if all(task.done() for task in work):
            break
        victim = pair[number % 2]
        await asyncio.to_thread(victim.kill)
        await asyncio.to_thread(victim.start)
    await asyncio.gather(*work)
    texts = await everything(pair[0])
    expected = [f"{key} {number}" for key in range(KEYS) for number in range(NUMBERS)]
    row.written += len(expected) + sum(each.repeated for each in senders)
    row.acknowledged += len(expected)
    row.read += len(texts)
    row.lost += len(set(expected) - set(texts))
    row.repeated += len(texts) - len(set(texts))
    assert sorted(texts) == sorted(expected)
    assert sum(each.repeated for each in senders) > 0, "no kill met a write"
    for key in range(KEYS):
        own = [text for text in texts if text.startswith(f"{key} ")]
        assert own == [f"{key} {number}" for number in range(NUMBERS)]
