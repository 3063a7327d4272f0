"""Packed segments: the same log groups in less space, found by word, whatever happens meanwhile."""

import asyncio
import math
import os
import pathlib
import random
import re
import shutil
import struct
import time
import zlib

import lz4.block
import pytest
import zstandard

from harness.ingest import Service
from loghub_ingest import _core
from loghub_ingest.search import blooms, document, grammar, planning, scanning
from loghub_ingest.storage import (
    checking,
    contract,
    embedded,
    packing,
    packs,
    records,
    segments,
)
from slswire import protobuf
from slswire.model import Log, LogGroup

SMALL_SEGMENT = 8_000
GROUPS = 100


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT_BYTES", SMALL_SEGMENT)
    monkeypatch.setattr(packs, "FRAME_BYTES", 6000)


def text(number: int) -> bytes:
    dice = random.Random(number)  # noqa: S311 - repeatable
    lines = [f"order {dice.randrange(10**6)} of user {dice.randrange(99)} paid" for _ in range(40)]
    logs = tuple(Log(1000 + number, (("content", line),)) for line in [f"needle{number}x", *lines])
    return protobuf.encode_log_group(LogGroup(logs))


@pytest.fixture
def storage(tmp_path):
    """Log groups in two shards, over several closed segments."""
    made = embedded.Embedded(tmp_path / "data")
    made.create_project("shop-project", "")
    made.create_logstore("shop-project", "web", {"ttl": 30, "shardCount": 2})
    for number in range(GROUPS):
        append(made, number)
    yield made
    made.close()


def append(storage: embedded.Embedded, number: int) -> None:
    raw, moment = text(number), 1000 + number
    block = lz4.block.compress(raw, store_size=False)
    group = contract.NewGroup(web(storage).ident, number % 2, block, len(raw), 41, moment, moment)
    asyncio.run(storage.append(group))


def web(storage: embedded.Embedded) -> contract.Logstore:
    found = storage.logstore("shop-project", "web")
    assert found is not None
    return found


def entries(storage: embedded.Embedded) -> list[contract.Entry]:
    store = web(storage)
    found = []
    for shard in store.shards:
        first, end = storage.span(store, shard)
        found += storage.entries(store, shard, first, end - first)
    return found


def contents(storage: embedded.Embedded) -> list[bytes | None]:
    return [storage.read(entry) for entry in entries(storage)]


WRITTEN = [text(number) for shard in (0, 1) for number in range(shard, GROUPS, 2)]


def folder(storage: embedded.Embedded) -> pathlib.Path:
    return storage._segments.pack(1).parent


def logs_gone(storage: embedded.Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LOG_KEPT_SECONDS", 0)
    storage.pack(0, most_bytes=1 << 40)


def test_packed_groups_read_the_same_and_take_less_space(storage, monkeypatch):
    before = entries(storage)
    logs = sorted(folder(storage).glob("*.log"))[:-1]
    size = sum(path.stat().st_size for path in logs)
    assert storage.pack(math.inf, most_bytes=0) == len(logs) >= 5
    assert contents(storage) == WRITTEN
    # Who found a log group before it was packed reads it as before.
    assert [storage.read(entry) for entry in before] == WRITTEN
    blocks = [(storage.block(entry), entry.raw_size) for entry in entries(storage)]
    assert [lz4.block.decompress(b, uncompressed_size=n) for b, n in blocks] == WRITTEN
    logs_gone(storage, monkeypatch)
    assert len(list(folder(storage).glob("*.log"))) == 1
    assert contents(storage) == WRITTEN
    assert sum(path.stat().st_size for path in folder(storage).glob("*.pack")) < size * 0.7


def test_age_and_amount_say_what_is_packed(storage):
    logs = sorted(folder(storage).glob("*.log"))[:-1]
    assert storage.pack(0, most_bytes=1 << 40) == 0
    os.utime(logs[0], (50, 50))
    assert storage.pack(100, most_bytes=1 << 40) == 1
    two = sum(path.stat().st_size for path in logs[-2:])
    assert storage.pack(0, most_bytes=two) == len(logs) - 3
    assert sorted(path.stem for path in folder(storage).glob("*.pack")) == [
        path.stem for path in logs[:-2]
    ]


@pytest.mark.parametrize("logs", ["kept", "gone"])
@pytest.mark.parametrize("index", ["kept", "gone"])
def test_restart_at_any_point_finds_everything(storage, tmp_path, monkeypatch, logs, index):
    storage.pack(math.inf, most_bytes=0)
    if logs == "gone":
        logs_gone(storage, monkeypatch)
    (folder(storage) / "000000000009.tmp").write_bytes(b"unfinished")
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "data", copy)
    if index == "gone":
        for path in (copy / "segments").glob("*.pdx"):
            path.unlink()
    again = embedded.Embedded(copy)
    assert contents(again) == WRITTEN
    assert len(list((copy / "segments").glob("*.log"))) == 1, "the log beside its pack goes"
    for number in range(GROUPS, GROUPS + 20):
        append(again, number)
    assert sorted(each for each in contents(again) if each) == sorted(
        WRITTEN + [text(number) for number in range(GROUPS, GROUPS + 20)]
    )
    again.close()


def test_flipped_bit_costs_one_frame_and_is_reported(storage, tmp_path, monkeypatch):
    storage.pack(math.inf, most_bytes=0)
    logs_gone(storage, monkeypatch)
    [path, *_] = sorted((tmp_path / "data" / "segments").glob("*.pack"))
    good = path.read_bytes()
    places = random.Random(5).sample(range(len(good)), 60)  # noqa: S311 - repeatable
    for at in places:
        damaged = bytearray(good)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(bytes(damaged))
        storage._packs = packs.Reader(storage._segments.pack)
        reported = storage.damaged_reads
        found = contents(storage)
        lost = [pair for pair in zip(found, WRITTEN, strict=True) if pair[0] != pair[1]]
        assert all(read is None for read, _ in lost), f"byte {at}: something else was read"
        assert len(lost) <= 4
        assert storage.damaged_reads - reported == len(lost)
        assert bool(lost) == (at >= len(packs.MAGICS[0]))
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "data", copy)
    (copy / "segments" / path.with_suffix(".pdx").name).unlink()
    again = embedded.Embedded(copy)
    assert len([each for each in contents(again) if each is not None]) == len(WRITTEN) - len(lost)
    again.close()


def test_damaged_segment_is_left_as_it_is(storage, caplog):
    [path, *_] = sorted(folder(storage).glob("*.log"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    closed = len(list(folder(storage).glob("*.log"))) - 1
    assert storage.pack(math.inf, most_bytes=0) == closed - 1
    assert "damage at offset" in caplog.text
    assert not storage._segments.pack(1).exists()
    assert len([each for each in contents(storage) if each is None]) == 1
    assert storage.pack(math.inf, most_bytes=0) == 0, "nor is it tried for ever"


def test_pack_that_does_not_read_back_takes_nothing(storage, monkeypatch):
    encode = packs.encode
    monkeypatch.setattr(packs, "encode", lambda *given: encode(*given)[:-1] + b"?")
    assert storage.pack(math.inf, most_bytes=0) == 0
    assert not list(folder(storage).glob("*.pack"))
    assert not list(folder(storage).glob("*.tmp"))
    assert contents(storage) == WRITTEN


def test_full_disk_leaves_everything_as_it_was(storage, monkeypatch):
    def full(*_given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packing.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        storage.pack(math.inf, most_bytes=0)
    assert not list(folder(storage).glob("*.pack"))
    assert contents(storage) == WRITTEN


def test_packs_go_with_their_log_groups(storage):
    storage.pack(math.inf, most_bytes=0)
    ages = 31 * 86_400 * 1_000_000_000
    assert storage.trim(time.time_ns() + ages) >= 5
    assert {path.suffix for path in folder(storage).iterdir()} == {".log"}


def test_deleted_logstores_are_not_packed(storage):
    storage.create_logstore("shop-project", "kept", {"ttl": 30, "shardCount": 1})
    storage.delete_logstore(web(storage))
    storage.trim(time.time_ns())
    assert storage.pack(math.inf, most_bytes=0) == 0


def scanner(query: str) -> _core.Scanner:
    index = document.read({"line": {"token": [" "]}})
    program = planning.program(grammar.parse(query), index)
    return scanning.scanner(program, scanning.Window((0, 0), (2**31, 0)))


def test_rare_word_is_found_in_its_frame_alone(storage, monkeypatch):
    storage.pack(math.inf, most_bytes=0)
    logs_gone(storage, monkeypatch)
    filters = blooms.Blooms(storage)
    possible = list(filters.possible(scanner("needle7x"), entries(storage)))
    packed = [entry for entry in possible if entry.within >= 0]
    assert any(b"needle7x" in (storage.read(entry) or b"") for entry in packed)
    assert len({(entry.segment, entry.offset) for entry in packed}) <= 2
    # A filter that is damaged says nothing.
    [path, *_] = sorted(folder(storage).glob("*.pack"))
    path.write_bytes(b"\0" * path.stat().st_size)
    fresh = blooms.Blooms(storage)
    assert all(fresh.get(entry) is None for entry in entries(storage) if entry.segment == 1)


def test_packs_of_the_first_version_are_read_searched_and_checked(tmp_path, storage, monkeypatch):
    with monkeypatch.context() as old:
        old.setattr(packs, "encode", _first_version)
        old.setattr(packs, "MAGICS", packs.MAGICS[1:])
        storage.pack(math.inf, most_bytes=0)
        logs_gone(storage, monkeypatch)
    for path in folder(storage).glob("*.pack"):
        assert path.read_bytes()[:8] == b"LOGHUBP\x01"
    for path in folder(storage).glob("*.pdx"):
        path.unlink()
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    storage = embedded.Embedded(tmp_path / "copy")  # walks them, as their indexes are lost
    assert contents(storage) == WRITTEN
    compiled = scanner("needle7x")
    filters = blooms.Blooms(storage)
    possible = [e for e in filters.possible(compiled, entries(storage)) if e.within >= 0]
    assert any(b"needle7x" in (storage.read(entry) or b"") for entry in possible)
    assert len({(entry.segment, entry.offset) for entry in possible}) <= 3
    closed = len(list(folder(storage).glob("*.pack")))
    for number in range(GROUPS, GROUPS + 40):
        append(storage, number)
    assert storage.pack(math.inf, most_bytes=0) >= 2
    newer = sorted(folder(storage).glob("*.pack"))[closed:]
    assert {path.read_bytes()[:8] for path in newer} == {b"LOGHUBP\x02"}
    read = [each for each in contents(storage) if each is not None]
    assert sorted(read) == sorted([*WRITTEN, *map(text, range(GROUPS, GROUPS + 40))])
    log = segments.Segments(folder(storage), lambda *_: None)
    assert checking.check({1: "web"}, log, repair=False, progress=lambda _: None).clean
    storage.close()


def _first_version(heads: list[records.Head], raws: list[bytes]) -> bytes:
    """A frame as the first version wrote it: zstd over the groups, a Bloom filter."""
    raw = b"".join(raws)
    words = {word.lower() for word in re.findall(rb"[0-9A-Za-z]+", raw)}
    bloom = bytearray(max(8, len(words) * 12 // 8 + 1))
    for word in words:
        for bit in _bits(word, len(bloom) * 8):
            bloom[bit // 8] |= 1 << bit % 8
    numbers = (len(heads), len(bloom), zlib.crc32(bloom), len(raw))
    body = struct.pack("<QIIIII", heads[0].store, heads[0].shard, *numbers)
    for head in heads:
        times = (head.min_time, head.max_time, head.raw_size)
        body += struct.pack("<QqIIII", head.sequence, head.received, head.logs, *times)
    body += bytes(bloom) + zstandard.ZstdCompressor(level=1).compress(raw)
    return struct.pack("<II", len(body), zlib.crc32(body)) + body


def _bits(word: bytes, size: int) -> list[int]:
    most = (1 << 64) - 1
    found = 0xCBF29CE484222325
    for byte in word:
        found = (found ^ byte) * 0x0100000001B3 & most
    found = (found ^ found >> 32) * 0x9E3779B97F4A7C15 & most
    step = (found << 32 | found >> 32) & most | 1
    return [((found + number * step & most) * size) >> 64 for number in range(4)]


def test_service_packs_while_it_serves_and_is_checked_backed_up_and_restored(tmp_path):
    asyncio.run(_served(tmp_path))


async def _served(root: pathlib.Path) -> None:
    service = Service(root / "data", "--pack-after", "0s")
    service.start()
    try:
        async with service.client() as client:
            await client.create_project("shop-project")
            await client.create_logstore("shop-project", {"logstoreName": "web", "shardCount": 1})
            noise = random.Random(3)  # noqa: S311 - repeatable
            sent = []
            while not list((root / "data" / "segments").glob("*.pdx")):
                words = [f"{noise.getrandbits(4000):x}" for _ in range(800)]
                logs = tuple(Log(int(time.time()), (("content", word),)) for word in words)
                await client.put_logs("shop-project", "web", LogGroup(logs))
                sent += words
                assert len(sent) < 1_000_000, "nothing was ever packed"
            found: list[str] = []
            cursor = await client.get_cursor("shop-project", "web", 0, "begin")
            while len(found) < len(sent):
                pulled = await client.pull_logs("shop-project", "web", 0, cursor, count=20)
                assert pulled.groups
                cursor = pulled.next_cursor
                found += [log.contents[0][1] for each in pulled.groups for log in each.logs]
            assert found == sent
    finally:
        assert service.stop() == 0
