"""Closed segments cut, missing or strange: only what the damage covers is lost, writes go on."""

import asyncio

import lz4.block
import pytest

from loghub_ingest.storage import contract, embedded, segments

SMALL_SEGMENT = 150
"""Bytes; each file then holds two or three log groups."""


@pytest.fixture
def spread(tmp_path, monkeypatch):
    """A directory with ten log groups in several files; gives it and the texts."""
    monkeypatch.setattr(segments, "SEGMENT_BYTES", SMALL_SEGMENT)
    directory = tmp_path / "data"
    texts = [f"group {number} ".encode() * 3 for number in range(10)]

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
def test_closed_segment_cut_short_costs_its_end(spread, at):
    directory, texts = spread
    segment = sorted((directory / "segments").glob("*.log"))[1]
    with segment.open("r+b") as file:
        file.truncate(at)
    found = stored(directory)
    assert [text for text in texts if text in found] == found
    lost = [number for number, text in enumerate(texts) if text not in found]
    assert len(lost) <= 3
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
