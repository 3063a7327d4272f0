"""Retention: nothing goes early, nothing stays late, and a pass looks at what is due only."""

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
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from loghub_ingest.storage import contract, embedded, indexes, retention, runs, segments

STORES = ("a-store", "b-store", "c-store")
TTLS = (1, 2, 7, 30, contract.FOR_EVER_DAYS)
SMALL_SEGMENT = 300


@dataclasses.dataclass(frozen=True)
class Written:
    """An acknowledged log group."""

    store: int
    sequence: int
    received: int
    segment: int
    text: bytes


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_000 * contract.DAY

    def time_ns(self) -> int:
        self.now += 1
        return self.now


class World:
    """A storage, and what was acknowledged."""

    def __init__(self, root: pathlib.Path, clock: Clock) -> None:
        self.root, self.clock, self.count = root, clock, 0
        self.written: list[Written] = []
        self.expired: set[Written] = set()
        """What a longer retention may bring back, where it is still there: nothing is promised."""
        self.storage = embedded.Embedded(root)
        self.storage.create_project("shop-project", "")
        for name in STORES:
            self.create(name, 7)

    def create(self, name: str, ttl: int) -> None:
        self.storage.create_logstore("shop-project", name, {"ttl": ttl, "shardCount": 1})

    def store(self, name: str) -> contract.Logstore:
        found = self.storage.logstore("shop-project", name)
        assert found is not None
        return found

    def append(self, name: str) -> None:
        self.count += 1
        store, text = self.store(name), f"{name} {self.count} ".encode() + b"x" * 50
        block = lz4.block.compress(text, store_size=False)
        group = contract.NewGroup(store.ident, 0, block, len(text), 1, 10, 10)
        sequence = asyncio.run(self.storage.append(group))
        [entry] = self.storage.entries(store, store.shards[0], sequence, 1)
        self.written.append(
            Written(store.ident, sequence, entry.received, entry.segment, text),
        )

    def set_ttl(self, name: str, ttl: int) -> None:
        store = self.store(name)
        gone = [each for each in self.written if not self.kept(each, self.clock.now)]
        self.expired.update(each for each in gone if each.store == store.ident)
        self.storage.update_logstore(store, store.document | {"ttl": ttl})

    def restart(self) -> None:
        self.storage.close()
        self.storage = embedded.Embedded(self.root)

    def kept(self, each: Written, now: int) -> bool:
        by_ident = {store.ident: store for store in self.storage.all_logstores()}
        store = by_ident.get(each.store)
        return store is not None and each.received + retention.span(store) >= now

    def trim(self) -> None:
        now = self.clock.now
        self.storage.trim(now)
        for store in self.storage.all_logstores():
            mine = [each for each in self.written if each.store == store.ident]
            first, end = self.storage.span(store, store.shards[0])
            found = self.storage.entries(store, store.shards[0], first, end - first)
            read = {entry.sequence: self.storage.read(entry) for entry in found}
            for each in mine:
                if self.kept(each, now):
                    known = each in self.expired or read.get(each.sequence) == each.text
                    assert known, "it went early"
                else:
                    assert each.sequence not in read, "it can still be read"
        current = max(int(path.stem) for path in self.files(".log"))
        stay = {each.segment for each in self.written if self.kept(each, now)}
        there = {int(path.stem) for path in self.files(".log") | self.files(".pack")}
        assert there - {current} <= stay, "it stayed late"
        begun = {int(path.stem) for path in self.files(".idx") | self.files(".pdx")}
        assert begun <= there, "an index was left behind"

    def files(self, suffix: str) -> set[pathlib.Path]:
        return set((self.root / "segments").glob(f"*{suffix}"))


class Model(RuleBasedStateMachine):
    """Any order of writes, time, changed retentions, deletions, packing and restarts."""

    @initialize()
    def begin(self) -> None:
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="loghub-retention-"))
        clock = Clock()
        self.patches = [
            unittest.mock.patch("time.time_ns", clock.time_ns),
            unittest.mock.patch.object(segments, "SEGMENT_BYTES", SMALL_SEGMENT),
        ]
        for each in self.patches:
            each.start()
        self.world = World(self.root / "data", clock)

    @rule(store=st.sampled_from(STORES), number=st.integers(1, 8))
    def write(self, store: str, number: int) -> None:
        for _ in range(number):
            self.world.append(store)

    @rule(number=st.integers(1, 8))
    def write_to_all(self, number: int) -> None:
        for _ in range(number):
            for store in STORES:
                self.world.append(store)

    @rule(hours=st.sampled_from([1, 12, 23, 24, 25, 48, 24 * 6, 24 * 8, 24 * 31]))
    def wait_and_trim(self, hours: int) -> None:
        self.world.clock.now += hours * contract.DAY // 24
        self.world.trim()

    @rule()
    def trim(self) -> None:
        self.world.trim()

    @rule(store=st.sampled_from(STORES), ttl=st.sampled_from(TTLS))
    def change_retention(self, store: str, ttl: int) -> None:
        self.world.set_ttl(store, ttl)

    @rule(store=st.sampled_from(STORES), ttl=st.sampled_from(TTLS))
    def delete_and_create(self, store: str, ttl: int) -> None:
        self.world.storage.delete_logstore(self.world.store(store))
        self.world.create(store, ttl)

    @rule()
    def pack(self) -> None:
        self.world.storage.pack(math.inf, most_bytes=0)

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @rule(suffix=st.sampled_from([".idx", ".pdx"]))
    def damage_an_index_and_trim(self, suffix: str) -> None:
        self.world.trim()
        for path in sorted(self.world.files(suffix))[:1]:
            good = path.read_bytes()
            path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
            self.world.clock.now += 2 * contract.DAY
            self.world.storage.trim(self.world.clock.now)
            if path.exists():
                path.write_bytes(good)
        self.world.trim()

    def teardown(self) -> None:
        self.world.storage.close()
        for each in self.patches:
            each.stop()
        shutil.rmtree(self.root)


# In the test's own time: a step syncs to the disk, which may be slow on a busy machine.
Model.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestModel = Model.TestCase


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT_BYTES", SMALL_SEGMENT)
    found = World(tmp_path / "data", Clock())
    for number in range(60):
        found.append(STORES[number % 20 // 7])
    yield found
    found.storage.close()


@pytest.fixture
def looked_at(world, monkeypatch):
    """The segments whose runs a pass looked at."""
    seen: list[int] = []
    look = world.storage._runs_of

    def looking(segment: int) -> object:
        seen.append(segment)
        return look(segment)

    monkeypatch.setattr(world.storage, "_runs_of", looking)
    return seen


def closed(world: World) -> set[int]:
    return {int(path.stem) for path in world.files(".idx")}


def of(world: World, name: str) -> set[int]:
    ident = world.store(name).ident
    return {each.segment for each in world.written if each.store == ident} & closed(world)


def test_pass_looks_at_no_segment_that_has_not_expired(world, looked_at, monkeypatch):
    now = max(each.received for each in world.written)
    assert world.storage.trim(now) == 0
    assert set(looked_at) == closed(world), "each once, after it was closed"
    looked_at.clear()
    # From now on nothing may even ask who keeps what, and for how long.
    with monkeypatch.context() as patch:
        patch.setattr(world.storage, "_kept", lambda: pytest.fail("the Logstores were listed"))
        patch.setattr(indexes, "load", lambda *_: pytest.fail("an index was read"))
        patch.setattr(runs.Runs, "__getitem__", lambda *_: pytest.fail("a run was looked at"))
        for hours in range(0, 7 * 24, 6):
            assert world.storage.trim(now + hours * contract.DAY // 24) == 0
    count = len(closed(world))
    assert world.storage.trim(now + 8 * contract.DAY) == count
    assert not world.files(".idx")


def test_shorter_retention_has_its_own_segments_looked_at_and_a_longer_one_none(world, looked_at):
    now = max(each.received for each in world.written)
    world.storage.trim(now)
    looked_at.clear()
    world.set_ttl("a-store", 30)
    assert world.storage.trim(now) == 0
    assert looked_at == []
    world.set_ttl("b-store", 1)
    assert world.storage.trim(now) == 0
    assert set(looked_at) == of(world, "b-store") < closed(world)
    alone = of(world, "b-store") - of(world, "a-store") - of(world, "c-store")
    assert world.storage.trim(now + 2 * contract.DAY) == len(alone) > 0


def test_start_knows_what_has_not_expired(world, looked_at, monkeypatch):
    now = max(each.received for each in world.written)
    world.restart()
    monkeypatch.setattr(world.storage, "_runs_of", lambda _: pytest.fail("a segment was looked at"))
    assert world.storage.trim(now + 6 * contract.DAY) == 0
