"""Segments cut, flipped, missing or strange: only what the damage covers is lost, writes go on."""

import asyncio
import pathlib
import shutil

import lz4.block
import pytest

from loghub_ingest.storage import contract, embedded, segments

SMALL_SEGMENT = 150
"""Bytes; each file then holds two or three log groups."""


@pytest.fixture
def spread(tmp_path, monkeypatch):
    """A directory with ten log groups in several files; gives it and the texts."""
    monkeypatch.setattr(segments, "SEGMENT_BYTES", SMALL_SEGMENT)
    return fill(tmp_path / "data", 10)


@pytest.fixture
def filled(tmp_path):
    """A directory with five log groups in the one open file; gives it and the texts."""
    return fill(tmp_path / "data", 5)


def fill(directory, count: int) -> tuple[pathlib.Path, list[bytes]]:
    """Write so many log groups into one shard."""
    texts = [f"group {number} ".encode() * 3 for number in range(count)]

    async def write() -> None:
        storage = embedded.Embedded(directory)
        storage.create_project("shop-project", "")
        storage.create_logstore("shop-project", "web", {"ttl": 30, "shardCount": 1})
        store = storage.logstore("shop-project", "web")
        for text in texts:
            await storage.append(group(store.ident, text))
        storage.close()

    asyncio.run(write())
    return directory, texts


def group(store: int, text: bytes) -> contract.NewGroup:
    block = lz4.block.compress(text, store_size=False)
    return contract.NewGroup(store, 0, block, len(text), 1, 10, 10)


def stored(directory) -> list[bytes]:
    """What a consumer reads, answer by answer; then one more write follows it and is read."""

    async def look() -> list[bytes]:
        storage = embedded.Embedded(directory)
        try:
            store = storage.logstore("shop-project", "web")
            shard = store.shards[0]
            at, end = storage.span(store, shard)
            found = []
            while entries := storage.entries(store, shard, at, 3):
                assert entries[0].sequence >= at
                found += [storage.read(entry) for entry in entries]
                at = entries[-1].sequence + 1
            assert at == end
            assert await storage.append(group(store.ident, b"one more")) == end
            [last] = storage.entries(store, shard, end, 3)
            assert storage.read(last) == b"one more"
            return [text for text in found if text is not None]
        finally:
            storage.close()

    return asyncio.run(look())


@pytest.mark.parametrize("at", range(0, 175, 13))
def test_closed_segment_cut_short_costs_its_end(spread, at, row):
    directory, texts = spread
    segment = sorted((directory / "segments").glob("*.log"))[1]
    with segment.open("r+b") as file:
        file.truncate(at)
    found = stored(directory)
    assert [text for text in texts if text in found] == found
    lost = [number for number, text in enumerate(texts) if text not in found]
    assert len(lost) <= 3
    row.tried += 1
    row.lost += len(set(lost) - set(range(2, 6)))
    assert set(lost) <= set(range(2, 6)), "another file's log groups"


def test_missing_segment_costs_its_log_groups_only(spread):
    directory, texts = spread
    files = sorted((directory / "segments").glob("*.log"))
    files[1].unlink()
    found = stored(directory)
    assert [text for text in texts if text in found] == found
    assert 0 < len(texts) - len(found) <= 3


@pytest.mark.parametrize("name", ["notes.log", "x.idx", "\u0661.log", "-1.log"])
def test_foreign_files_are_left_alone(spread, name):
    directory, texts = spread
    (directory / "segments" / name).write_bytes(b"mine")
    assert stored(directory) == texts
    assert (directory / "segments" / name).read_bytes() == b"mine"


def test_file_cut_at_every_byte_keeps_every_whole_group(filled, tmp_path, row):
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
        row.tried += 1
        kept.append(len(found))
        shutil.rmtree(copy)
    assert kept == sorted(kept)
    assert kept[-1] == len(texts)


def test_flipped_bit_anywhere_costs_one_group_at_the_most(filled, tmp_path, row):
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
        row.tried += 1
        row.lost += max(0, len(texts) - 1 - len(found))
        assert len(found) >= len(texts) - 1, f"byte {at}"
        assert [text for text in texts if text in found] == found
        shutil.rmtree(copy)
