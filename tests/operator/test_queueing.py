"""The work queue: nothing forgotten, nothing worked on twice at once, nobody kept waiting."""

import asyncio
import collections

from hypothesis import given
from hypothesis import strategies as st

from loghub_operator import queueing

KEYS = st.tuples(st.just("logstores"), st.sampled_from("abc"), st.sampled_from("123"))
MOVES = st.lists(st.tuples(KEYS, st.integers(0, 3)), min_size=1, max_size=80)


async def until(holds, pause: float = 0.0) -> None:
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(pause)
    raise AssertionError("it never holds")


@given(MOVES)
def test_every_key_is_worked_on_after_it_was_added_last_and_never_twice_at_once(moves):
    async def play() -> None:
        clock, added, seen = 0, {}, {}
        working: collections.Counter = collections.Counter()

        async def work(key) -> None:
            nonlocal clock
            working[key] += 1
            assert working[key] == 1
            assert working.total() <= queueing.WORKERS
            seen[key] = clock
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            working[key] -= 1

        queue = queueing.Queue(work)
        running = asyncio.create_task(queue.run())
        for key, pause in moves:
            clock += 1
            added[key] = clock
            queue.add(key)
            for _ in range(pause):
                await asyncio.sleep(0)
        await until(lambda: len(queue) == 0)
        running.cancel()
        assert {key for key in added if seen[key] < added[key]} == set()

    asyncio.run(play())


async def test_namespace_whose_work_takes_for_ever_leaves_room_for_others():
    gate, done = asyncio.Event(), []

    async def work(key) -> None:
        if key[1] != "quick":
            await gate.wait()
        done.append(key)

    queue = queueing.Queue(work)
    running = asyncio.create_task(queue.run())
    for space in ("slow-1", "slow-2", "slow-3"):
        for number in range(1000):
            queue.add(("logstores", space, str(number)))
    await asyncio.sleep(0)
    quick = [("logstores", "quick", str(number)) for number in range(100)]
    for key in quick:
        queue.add(key)
    await until(lambda: done == quick)
    gate.set()
    await until(lambda: len(done) == 3100)
    running.cancel()


async def test_failures_come_back_and_a_crash_ends_nothing_else():
    tries: collections.Counter = collections.Counter()

    async def work(key) -> None:
        tries[key] += 1
        if tries[key] == 1 and key[2] == "again":
            raise queueing.AgainError("not yet")
        if key[2] == "crash":
            raise RuntimeError("imagined")

    queue = queueing.Queue(work)
    running = asyncio.create_task(queue.run())
    for name in ("again", "crash", "fine"):
        queue.add(("logstores", "a", name))
    await until(
        lambda: min(tries["logstores", "a", name] for name in ("again", "crash")) >= 2, 0.01
    )
    assert tries["logstores", "a", "fine"] == 1
    running.cancel()
