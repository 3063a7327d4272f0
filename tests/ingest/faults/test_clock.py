"""A clock that steps both ways: nothing is dropped by a wrong one, all by a right one in time."""

import asyncio
import math
import random

import lz4.block
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loghub_ingest.storage import contract, embedded, segments, steady

HOUR = 3600 * 1_000_000_000
START = 20_000 * 24 * HOUR


@given(st.lists(st.integers(-steady.STEP, steady.STEP), max_size=50))
def test_clock_that_drifts_is_believed(drifts):
    clock, wall = steady.Steady(START, 0), START
    for number, drift in enumerate(drifts, start=1):
        wall += 60_000_000_000 + drift
        assert clock.now(wall, number * 60_000_000_000) == wall


@given(st.integers(2, 100_000), st.integers(0, 23), st.booleans())
def test_step_forward_is_believed_after_a_day_and_forgotten_when_it_is_taken_back(
    hours, later, taken_back
):
    clock = steady.Steady(START, 0)
    for hour in range(1, 60):
        wrong = hour >= 10 and not (taken_back and hour > 10 + later)
        wall = START + hour * HOUR + wrong * hours * HOUR
        believed = hour < 10 or not wrong or hour >= 10 + 24
        expected = wall if believed else START + hour * HOUR
        assert clock.now(wall, hour * HOUR) == expected


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(-500, 500)), max_size=40))
def test_time_to_go_by_is_never_ahead_of_the_clock_and_is_it_after_a_quiet_day(steps):
    clock, running, offset = steady.Steady(START, 0), 0, 0
    for hours, step in steps:
        running += hours * HOUR
        offset += step * HOUR
        assert clock.now(START + running + offset, running) <= START + running + offset
    running += 25 * HOUR
    wall = START + running + offset
    clock.now(wall, running)
    assert clock.now(wall, running) == wall


async def test_retention_drops_nothing_by_a_clock_that_is_wrong_for_hours(
    tmp_path, monkeypatch, row
):
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 500)
    wall, running = [START], [0]
    monkeypatch.setattr("time.time_ns", lambda: wall[0])
    storage = embedded.Embedded(tmp_path / "data")
    storage.create_project("shop-project", "")
    storage.create_logstore("shop-project", "web", {"ttl": 3, "shardCount": 1})
    store = storage.logstore("shop-project", "web")
    assert store is not None
    written: dict[int, int] = {}
    clock = steady.Steady(wall[0], 0)
    dice = random.Random(4)  # noqa: S311 - repeatable
    offset = 0
    for hour in range(24 * 12):
        if hour % 24 == 6:
            offset = dice.choice([-1, 1]) * dice.randrange(2, 20_000) * HOUR
            row.tried += 1
        if hour % 24 == 6 + dice.randrange(1, 12) or hour % 24 == 18:
            offset = 0
        running[0] = hour * HOUR
        wall[0] = START + running[0] + offset
        if not offset:
            block = lz4.block.compress(b"text" * 20, store_size=False)
            group = contract.NewGroup(store.ident, 0, block, 80, 1, 5, 5)
            written[await storage.append(group)] = hour
        await asyncio.to_thread(storage.trim, clock.now(wall[0], running[0]))
    wall[0] = START + running[0]
    first, end = storage.span(store, store.shards[0])
    kept = {hour for sequence, hour in written.items() if first <= sequence < end}
    due = {hour for hour in written.values() if hour >= hour_of(running[0]) - 3 * 24}
    row.lost += len(due - kept)
    assert due <= kept
    files = len(list((tmp_path / "data" / "segments").glob("*.log")))
    assert files < math.ceil(len(written) / 3), "what has expired goes all the same"
    storage.close()


def hour_of(moment: int) -> int:
    return moment // HOUR


@pytest.mark.parametrize("back", [2, 48, 24 * 365])
def test_clock_that_was_ahead_while_logs_came_loses_none(tmp_path, monkeypatch, back, row):
    wall = [START]
    monkeypatch.setattr("time.time_ns", lambda: wall[0])
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 300)
    storage = embedded.Embedded(tmp_path / "data")
    storage.create_project("shop-project", "")
    storage.create_logstore("shop-project", "web", {"ttl": 1, "shardCount": 1})
    store = storage.logstore("shop-project", "web")
    assert store is not None

    def write() -> int:
        block = lz4.block.compress(b"text" * 20, store_size=False)
        group = contract.NewGroup(store.ident, 0, block, 80, 1, 5, 5)
        return asyncio.run(storage.append(group))

    ahead = [write() for _ in range(10)]
    wall[0] -= back * HOUR
    right = [write() for _ in range(10)]
    row.tried += 1
    storage.trim(wall[0] + HOUR)
    found = storage.entries(store, store.shards[0], ahead[0], 100)
    assert [each.sequence for each in found] == ahead + right
    storage.close()
