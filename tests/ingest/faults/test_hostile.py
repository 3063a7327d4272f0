"""Connections and bodies that mean harm: refused by the right code, others served meanwhile."""

import asyncio
import collections
import contextlib
import datetime as dt
import json
import random
import resource
import secrets
import time

import lz4.block
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ingest import DOMAIN, ROOT_KEY, Service
from loghub_ingest.storage import committer, contract, embedded
from slswire import compress, errors, headers, protobuf, signature
from slswire.model import Log, LogGroup

CONNECTIONS = 10_000
GOOD = protobuf.encode_log_group(LogGroup((Log(1_700_000_000, (("k", "v"),)),)))


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    service = Service(tmp_path_factory.mktemp("hostile") / "data")
    service.start()

    async def prepare() -> None:
        async with service.client() as client:
            await client.create_project("shop-project")
            await client.create_logstore("shop-project", {"logstoreName": "web", "shardCount": 1})

    asyncio.run(prepare())
    yield service
    assert service.stop() == 0


async def serves(service: Service) -> None:
    """A write and its reading, by somebody who means no harm."""
    async with service.client() as client:
        end = await client.get_cursor("shop-project", "web", 0, "end")
        group = LogGroup((Log(int(time.time()), (("k", "v"),)),))
        await client.put_logs("shop-project", "web", group)
        pulled = await client.pull_logs("shop-project", "web", 0, end)
        assert pulled.groups


def signed(body: bytes, raw_size: int, kind: str, path: str = "/logstores/web/shards/lb") -> bytes:
    sent = {
        "host": DOMAIN,
        "connection": "close",
        "content-length": str(len(body)),
        "content-type": "application/x-protobuf",
        headers.PROJECT: "shop-project",
        headers.BODY_RAW_SIZE: str(raw_size),
    }
    if kind:
        sent[headers.COMPRESS_TYPE] = kind
    request = signature.Request("POST", path, [], sent, body)
    given = signature.sign_v1(ROOT_KEY, request, dt.datetime.now(dt.UTC))
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def exchange(service: Service, request: bytes) -> tuple[int, str]:
    """Status and error code; (0, "") when the connection was closed without an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        writer.write(request)
        with contextlib.suppress(ConnectionError):
            answer = await asyncio.wait_for(reader.read(), 30)
            head, _, body = answer.partition(b"\r\n\r\n")
            if head:
                status = int(head.split()[1])
                code = json.loads(body)["errorCode"] if body.startswith(b"{") else ""
                return status, code
        return 0, ""
    finally:
        writer.close()


def lying_bodies() -> dict[str, tuple[bytes, int, str]]:
    packed = compress.compress("lz4", GOOD)
    nested = b""
    for _ in range(200):
        length = len(nested)
        nested = b"\x0a" + bytes([length & 127 | 128, length >> 7]) + nested
    return {
        "raw size too small": (packed, len(GOOD) - 1, "lz4"),
        "raw size too large": (packed, len(GOOD) + 1, "lz4"),
        "raw size huge": (packed, 10**11, "lz4"),
        "another compression": (packed, len(GOOD), "zstd"),
        "not compressed at all": (GOOD, len(GOOD), "deflate"),
        "unknown compression": (packed, len(GOOD), "snappy"),
        "cut": (packed[:-3], len(GOOD), "lz4"),
        "nested": (nested, len(nested), ""),
        "group markers": (b"\x0b" * 5000, 5000, ""),
        "endless varint": (b"\xff" * 100, 100, ""),
        "length beyond the end": (b"\x0a\xff\xff\xff\x7f", 5, ""),
        "field number 0": (b"\x02\x00", 2, ""),
        "wrong wire type": (b"\x0a\x02\x0a\x00", 4, ""),
        "required missing": (b"\x0a\x02\x12\x00", 4, ""),
    }


async def test_bodies_that_lie_are_refused_and_nothing_is_stored(running, row):
    async with running.client() as client:
        before = await client.get_cursor("shop-project", "web", 0, "end")
        for what, (body, raw_size, kind) in lying_bodies().items():
            status, code = await exchange(running, signed(body, raw_size, kind))
            assert status in {400, 413}, (what, status, code)
            assert code.startswith(("PostBody", "Invalid")), (what, code)
            row.tried += 1
            row.refused += 1
        assert await client.get_cursor("shop-project", "web", 0, "end") == before
    await serves(running)


async def test_random_damage_of_a_signed_request_never_gives_a_server_error(running, row):
    dice = random.Random(3)  # noqa: S311 - repeatable
    request = signed(compress.compress("lz4", GOOD), len(GOOD), "lz4")
    table: collections.Counter[int] = collections.Counter()
    for _ in range(400):
        damaged = bytearray(request)
        for _ in range(dice.randrange(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        # The service may rightly wait for more where the length was made larger.
        with contextlib.suppress(TimeoutError):
            status, code = await asyncio.wait_for(exchange(running, bytes(damaged)), 2)
            row.refused += status >= 400
            row.crashed += status >= 500
            assert status < 500, (status, code, bytes(damaged))
            table[status] += 1
    row.tried += 400
    assert table[200] < 200
    await serves(running)


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "%2e%2e%2f%2e%2e",
        "a%00b",
        "..%5c..",
        "%ef%bc%8e%ef%bc%8e",
        "w%D0%B5b",
        "web%20",
        "a" * 9000,
    ],
)
async def test_hostile_names_create_and_find_nothing(running, name, row):
    files = sorted(path.name for path in running.data.parent.iterdir())
    path = f"/logstores/{name}/shards/lb"
    status, code = await exchange(running, signed(GOOD, len(GOOD), "", path))
    assert (400 <= status < 500) or status == 0, (status, code)
    row.tried += 1
    row.refused += 1
    assert sorted(path.name for path in running.data.parent.iterdir()) == files
    await serves(running)


@pytest.mark.slow
async def test_ten_thousand_open_connections_leave_others_served(running, row):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CONNECTIONS + 500:
        pytest.skip(f"the limit of open files is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    opened = []
    try:
        for number in range(CONNECTIONS):
            _, writer = await asyncio.open_connection("127.0.0.1", running.port)
            opened.append(writer)
            row.tried += 1
            match number % 4:
                case 0:  # a head that never ends
                    writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nx-")
                case 1:  # a body that never comes
                    writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc")
                case 2 if number % 3 == 0:  # half closed
                    writer.write_eof()
                case _:  # idle
                    pass
            if number % 2500 == 0:
                await serves(running)
        await serves(running)
    finally:
        for writer in opened:
            writer.transport.abort()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    await serves(running)


async def test_reader_that_takes_nothing_does_not_hold_others_up(running, row):
    async with running.client() as client:
        wide = LogGroup((Log(int(time.time()), (("k", secrets.token_hex(500_000)),)),))
        cursor = await client.get_cursor("shop-project", "web", 0, "end")
        for _ in range(5):
            await client.put_logs("shop-project", "web", wide)
    sent = {"host": DOMAIN, headers.PROJECT: "shop-project"}
    query = [("type", "log"), ("cursor", cursor), ("count", "100")]
    path = "/logstores/web/shards/0"
    asked = signature.Request("GET", path, query, sent)
    given = signature.sign_v1(ROOT_KEY, asked, dt.datetime.now(dt.UTC))
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    text = "&".join(f"{name}={value.replace('=', '%3D')}" for name, value in query)
    writers = []
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", running.port, limit=1)
        writer.write(f"GET {path}?{text} HTTP/1.1\r\n{lines}\r\n".encode())
        writers.append(writer)
        row.tried += 1
    await serves(running)
    for writer in writers:
        writer.transport.abort()
    await serves(running)


async def test_clock_that_steps_keeps_order_and_cursors_by_time(tmp_path, monkeypatch, row):
    hour = 3600 * 1_000_000_000
    now = [time.time_ns()]
    monkeypatch.setattr(committer.time, "time_ns", lambda: now[0])
    storage = embedded.Embedded(tmp_path / "data")
    storage.create_project("shop-project", "")
    storage.create_logstore("shop-project", "web", {"ttl": 3650, "shardCount": 1})
    store = storage.logstore("shop-project", "web")
    [shard] = store.shards
    sequences = []

    async def write_after(step: int) -> None:
        row.tried += 1
        now[0] += step
        block = lz4.block.compress(b"text", store_size=False)
        sequences.append(await storage.append(contract.NewGroup(store.ident, 0, block, 4, 1, 5, 5)))

    for step in (0, 1000, -hour // 2, 1000, hour // 4, 24 * hour):
        await write_after(step)
    entries = storage.entries(store, shard, sequences[0], 100)
    received = [entry.received for entry in entries]
    assert received == sorted(received), "a small step back is held"
    for entry in entries:
        expected = min(e.sequence for e in entries if e.received >= entry.received)
        assert storage.sequence_at(store, shard, entry.received) == expected
    for step in (-48 * hour, 1000):
        await write_after(step)
    entries = storage.entries(store, shard, sequences[0], 100)
    assert [entry.sequence for entry in entries] == sequences
    assert sequences == list(range(sequences[0], sequences[0] + 8))
    assert entries[6].received < entries[5].received, "a large one is believed"
    storage.close()


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=300), st.integers(-5, 2000), st.sampled_from(["", "lz4", "zstd", "deflate"])
)
def test_any_bytes_are_a_body_or_an_sls_error(data, raw_size, kind):
    status = 400
    try:
        raw = compress.decompress(kind, data, raw_size=raw_size, limit=1000)
        protobuf.inspect(raw)
    except errors.SlsError as fault:
        status = fault.status
    assert 400 <= status < 500
