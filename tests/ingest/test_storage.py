"""The embedded storage against a model: any order of writes, restarts, crashes and retention."""

import asyncio
import dataclasses
import math
import pathlib
import shutil
import tempfile
import unittest.mock

import lz4.block
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from loghub_ingest.storage import contract, embedded, indexes, segments

SMALL_SEGMENT = 600
"""Bytes: a handful of log groups, so that segments close all the time."""

STORES = ("a-store", "b-store")


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT_BYTES", SMALL_SEGMENT)


def group(store: int, shard: int, text: bytes, moment: int = 10) -> contract.NewGroup:
    block = lz4.block.compress(text, store_size=False)
    return contract.NewGroup(store, shard, block, len(text), 1, moment, moment)


class Directory:
    """A storage on a directory, and what was acknowledged."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.storage = embedded.Embedded(path)
        self.storage.create_project("shop-project", "")
        for name in STORES:
            self.storage.create_logstore("shop-project", name, {"ttl": 30, "shardCount": 2})
        self.written: dict[tuple[str, int], list[tuple[int, bytes]]] = {}

    def store(self, name: str) -> contract.Logstore:
        found = self.storage.logstore("shop-project", name)
        assert found is not None
        return found

    def append(self, name: str, shard: int, text: bytes, moment: int = 10) -> None:
        wanted = group(self.store(name).ident, shard, text, moment)
        sequence = asyncio.run(self.storage.append(wanted))
        self.written.setdefault((name, shard), []).append((sequence, text))

    def read(self, name: str, shard: int) -> list[tuple[int, bytes | None]]:
        store = self.store(name)
        at = store.shards[shard]
        first, end = self.storage.span(store, at)
        found = self.storage.entries(store, at, first, end - first)
        assert [entry.sequence for entry in found] == list(range(first, end))
        return [(entry.sequence, self.storage.read(entry)) for entry in found]

    def restart(self) -> None:
        self.storage.close()
        self.storage = embedded.Embedded(self.path)

    def crash(self) -> None:
        """Go on with what a killed process leaves: the files as they are."""
        copy = self.path.with_name(self.path.name + "x")
        shutil.copytree(self.path, copy)
        self.storage.close()
        self.path = copy
        self.storage = embedded.Embedded(copy)

    def pack(self) -> None:
        """Pack everything that is closed, long ago."""
        self.storage.pack(math.inf, most_bytes=0)
        with unittest.mock.patch.object(embedded, "LOG_KEPT_SECONDS", 0):
            self.storage.pack(0, most_bytes=1 << 40)
        assert len(self.closed()) == 0

    def closed(self) -> list[pathlib.Path]:
        return sorted((self.path / "segments").glob("*.log"))[:-1]


class Model(RuleBasedStateMachine):
    """Acknowledged log groups are there, in order, until retention takes them."""

    def __init__(self) -> None:
        super().__init__()
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="loghub-storage-"))
        self.count = 0

    @initialize()
    def begin(self) -> None:
        self.directory = Directory(self.root / "d")

    @rule(store=st.sampled_from(STORES), shard=st.integers(0, 1), size=st.integers(0, 400))
    def write(self, store: str, shard: int, size: int) -> None:
        self.count += 1
        self.directory.append(store, shard, f"{self.count} ".encode() + bytes(range(256)) * size)

    @rule(store=st.sampled_from(STORES), number=st.integers(2, 12))
    def write_many(self, store: str, number: int) -> None:
        for _ in range(number):
            self.write(store, self.count % 2, 0)

    @rule()
    def restart(self) -> None:
        self.directory.restart()

    @rule()
    def crash(self) -> None:
        self.directory.crash()

    @rule()
    def retention_that_has_not_passed_takes_nothing(self) -> None:
        now = 1_000_000_000 * 60  # long before anything was received
        assert self.directory.storage.trim(now) == 0

    @rule(most=st.sampled_from([0, 1500]))
    def pack(self, most: int) -> None:
        self.directory.storage.pack(0, most_bytes=most)

    @rule()
    def pack_and_let_the_logs_go(self) -> None:
        self.directory.pack()

    @rule(suffix=st.sampled_from([".idx", ".pdx"]))
    def lose_an_index(self, suffix: str) -> None:
        for path in (self.directory.path / "segments").glob(f"*{suffix}"):
            path.unlink()
            self.directory.restart()
            break

    @invariant()
    def everything_acknowledged_is_there_in_order(self) -> None:
        for place, written in self.directory.written.items():
            assert self.directory.read(*place) == written

    @invariant()
    def every_time_leads_to_the_first_group_not_older(self) -> None:
        for (name, number), written in self.directory.written.items():
            store = self.directory.store(name)
            shard = store.shards[number]
            found = self.directory.storage.entries(store, shard, written[0][0], len(written))
            middle = found[len(found) // 2]
            at = self.directory.storage.sequence_at(store, shard, middle.received)
            assert at == next(e.sequence for e in found if e.received >= middle.received)

    def teardown(self) -> None:
        self.directory.storage.close()
        shutil.rmtree(self.root)


# In the test's own time: a step syncs to the disk, which may be slow on a busy machine.
Model.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestModel = Model.TestCase


@pytest.fixture
def directory(tmp_path):
    found = Directory(tmp_path / "data")
    for number in range(60):
        found.append("a-store", number % 2, f"group {number} ".encode() * 5, moment=100 + number)
    assert len(found.closed()) >= 5
    yield found
    found.storage.close()


def test_start_walks_the_newest_segment_only(directory, caplog):
    with caplog.at_level("INFO"):
        directory.restart()
    [record] = [each for each in caplog.records if each.message == "the log is open"]
    assert (record.walked, record.segments) == (1, len(directory.closed()) + 1)
    assert directory.read("a-store", 0) == directory.written["a-store", 0]


def test_index_damaged_at_any_byte_is_made_again(directory):
    index = (directory.path / "segments" / directory.closed()[1].name).with_suffix(".idx")
    good = index.read_bytes()
    for at in range(len(good)):
        damaged = bytearray(good)
        damaged[at] ^= 0x10
        index.write_bytes(bytes(damaged))
        assert indexes.load(index, 2, directory.closed()[1].stat().st_size) is None
    directory.restart()
    assert directory.read("a-store", 1) == directory.written["a-store", 1]
    assert index.read_bytes() == good


def test_bit_flipped_in_a_closed_segment_costs_its_group_alone(directory):
    path = directory.closed()[2]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    for _ in range(2):
        found = directory.read("a-store", 0) + directory.read("a-store", 1)
        written = directory.written["a-store", 0] + directory.written["a-store", 1]
        differing = [pair for pair in zip(found, written, strict=True) if pair[0] != pair[1]]
        assert len(differing) == 1
        assert differing[0][0][1] is None
        # The second time from a walk: the index is lost as well.
        path.with_suffix(".idx").unlink(missing_ok=True)
        directory.restart()


def test_segment_that_is_gone_costs_itself_alone_and_cursors_stay(directory):
    path = directory.closed()[3]
    path.unlink()
    path.with_suffix(".idx").unlink()
    directory.restart()
    for shard in (0, 1):
        written = directory.written["a-store", shard]
        found = directory.read("a-store", shard)
        assert [sequence for sequence, _ in found] == [sequence for sequence, _ in written]
        kept = [pair for pair in found if pair[1] is not None]
        assert set(kept) <= set(written)
        assert 0 < len(written) - len(kept) < 8


def test_retention_drops_whole_segments_and_keeps_cursors(directory):
    store = directory.store("a-store")
    before = {shard.number: directory.storage.span(store, shard) for shard in store.shards}
    files = len(directory.closed())
    month = 31 * contract.DAY
    newest = max(
        entry.received
        for shard in store.shards
        for entry in directory.storage.entries(store, shard, before[shard.number][0], 100)
    )
    assert directory.storage.trim(newest + month) == files
    directory.append("a-store", 0, b"after")
    for _ in range(2):
        shard = store.shards[0]
        first, end = directory.storage.span(store, shard)
        assert first > before[0][0]
        assert end == before[0][1] + 1
        assert directory.read("a-store", 0)[-1] == directory.written["a-store", 0][-1]
        directory.restart()


def test_overlapping_finds_groups_by_their_logs_times_in_every_segment(directory):
    store = directory.store("a-store")
    found = [entry.min_time for entry in directory.storage.overlapping(store, 105, 130)]
    assert sorted(found) == list(range(105, 130))


def test_index_that_leads_to_another_stores_bytes_gives_nothing(directory):
    directory.append("b-store", 0, b"a secret of another store")
    store = directory.store("a-store")
    other = directory.store("b-store")
    [foreign] = directory.storage.entries(
        other, other.shards[0], directory.storage.span(other, other.shards[0])[0], 1
    )
    [own] = directory.storage.entries(
        store, store.shards[0], directory.storage.span(store, store.shards[0])[0], 1
    )
    where = {key: getattr(foreign, key) for key in ("segment", "offset", "length", "raw_size")}
    forged = dataclasses.replace(own, **where)
    assert directory.storage.read(forged) is None
    assert directory.storage.read(foreign) == b"a secret of another store"
