"""Log groups: the same order, cursors, retention and visibility from every backend."""

import asyncio
import time

import lz4.block
import pytest

from loghub_ingest.storage import contract

PROJECT, STORE = "shop-project", "web"
DOCUMENT = {"ttl": 1, "shardCount": 2, "maxSplitShard": 64}


@pytest.fixture
def store(logs) -> contract.Logstore:
    assert logs.create_project(PROJECT, "")
    assert logs.create_logstore(PROJECT, STORE, DOCUMENT)
    return current(logs)


def current(logs) -> contract.Logstore:
    found = logs.logstore(PROJECT, STORE)
    assert found is not None
    return found


def group(store: contract.Logstore, shard: int, text: str, moment: int = 10) -> contract.NewGroup:
    raw = text.encode()
    block = lz4.block.compress(raw, store_size=False)
    return contract.NewGroup(store.ident, shard, block, len(raw), 3, moment, moment + 5)


async def append(logs, store, shard: int, *texts: str, moment: int = 10) -> list[int]:
    return [await logs.append(group(store, shard, text, moment)) for text in texts]


def shard_of(store, number: int) -> contract.Shard:
    return next(each for each in store.shards if each.number == number)


def entries(logs, store, number: int) -> list[contract.Entry]:
    shard = shard_of(store, number)
    first, end = logs.span(store, shard)
    found: list[contract.Entry] = []
    while part := logs.entries(store, shard, first + len(found), end - first - len(found)):
        found += part
    assert [each.sequence for each in found] == list(range(first, end))
    return found


def texts(logs, store, number: int) -> list[str]:
    found = [logs.read(each) for each in entries(logs, store, number)]
    return [each.decode() for each in found if each is not None]


def test_new_shard_is_empty(logs, store):
    for shard in store.shards:
        first, end = logs.span(store, shard)
        assert first == end >= shard.first_sequence
        assert list(logs.entries(store, shard, first, 10)) == []
        assert logs.sequence_at(store, shard, 0) == logs.sequence_at(store, shard, 2**62) == end
    assert list(logs.overlapping(store, 0, 2**32 - 1)) == []


async def test_groups_are_read_in_the_order_in_which_they_were_acknowledged(logs, store):
    written = {number: [f"{number}-{at}" for at in range(20)] for number in (0, 1)}
    acknowledged: dict[int, list[int]] = {0: [], 1: []}
    for at in range(20):
        for number in (0, 1):
            acknowledged[number] += await append(logs, store, number, written[number][at])
    for number in (0, 1):
        found = entries(logs, store, number)
        assert texts(logs, store, number) == written[number]
        kept = [each.sequence for each in found if logs.read(each) is not None]
        assert kept == acknowledged[number]
        received = [each.received for each in found]
        assert received == sorted(received)


async def test_group_is_visible_as_soon_as_it_is_acknowledged(logs, store):
    shard = store.shards[0]
    for at in range(10):
        [sequence] = await append(logs, store, 0, f"group {at}")
        assert logs.span(store, shard)[1] == sequence + 1
        [entry] = logs.entries(store, shard, sequence, 10)
        assert logs.read(entry) == f"group {at}".encode()


async def test_entry_says_what_was_appended(logs, store):
    before = time.time_ns() - 1_000_000_000
    raw = b"text " * 1000
    block = lz4.block.compress(raw, store_size=False)
    given = contract.NewGroup(store.ident, 1, block, len(raw), 17, 1000, 2**32 - 1)
    await logs.append(given)
    [entry] = entries(logs, store, 1)
    assert (entry.raw_size, entry.logs) == (len(raw), 17)
    assert (entry.min_time, entry.max_time) == (1000, 2**32 - 1)
    assert before <= entry.received <= time.time_ns() + 1_000_000_000
    assert logs.read(entry) == raw
    again = logs.block(entry)
    assert lz4.block.decompress(again, uncompressed_size=entry.raw_size) == raw


async def test_largest_group_goes_through(logs, store):
    raw = bytes(range(256)) * (10 * 1024 * 1024 // 256)
    block = lz4.block.compress(raw, store_size=False, mode="fast", acceleration=100)
    await logs.append(contract.NewGroup(store.ident, 0, block, len(raw), 1, 1, 1))
    [entry] = entries(logs, store, 0)
    assert logs.read(entry) == raw


@pytest.mark.parametrize("page", [1, 3, 7, 100])
async def test_pages_continue_each_other(logs, store, page):
    await append(logs, store, 0, *(f"group {at}" for at in range(15)))
    shard, found = store.shards[0], []
    at, end = logs.span(store, shard)
    while at < end:
        part = list(logs.entries(store, shard, at, page))
        assert 0 < len(part) <= page
        assert part[0].sequence == at
        at = part[-1].sequence + 1
        found += part
    assert [each.sequence for each in found] == list(range(*logs.span(store, shard)))
    assert [logs.read(each) for each in found] == [f"group {at}".encode() for at in range(15)]
    assert list(logs.entries(store, shard, end, page)) == []
    assert list(logs.entries(store, shard, end + 50, page)) == []


async def test_time_leads_to_the_first_group_received_then_or_later(logs, store):
    shard = store.shards[0]
    for at in range(6):
        await append(logs, store, 0, f"group {at}")
        await asyncio.sleep(0.01)  # so that the groups' times differ
    found = entries(logs, store, 0)
    assert len({each.received for each in found}) > 1
    for moment in (0, *(each.received for each in found), found[-1].received + 10**15):
        later = [each.sequence for each in found if each.received >= moment]
        expected = later[0] if later else logs.span(store, shard)[1]
        assert logs.sequence_at(store, shard, moment) == expected


async def test_retention_takes_what_is_older_and_leaves_cursors(logs, store, monkeypatch):
    await append(logs, store, 0, "a", "b", "c")
    before = logs.span(store, store.shards[0])
    assert texts(logs, store, 0) == ["a", "b", "c"]
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 2 * contract.DAY)
    first, end = logs.span(store, store.shards[0])
    assert (first, end) == (before[1], before[1])
    assert list(logs.entries(store, store.shards[0], before[0], 10)) == []
    assert list(logs.overlapping(store, 0, 2**32 - 1)) == []
    longer = DOCUMENT | {"ttl": contract.FOR_EVER_DAYS}
    logs.update_logstore(store, longer)
    assert texts(logs, current(logs), 0) == ["a", "b", "c"]


async def test_split_leaves_what_was_written_readable(logs, store):
    await append(logs, store, 0, "before", "the split")
    shard = store.shards[0]
    changed = logs.replace_shards(store, [0], contract.divide(shard.begin, shard.end, 2))
    assert [each.number for each in changed.writable] == [1, 2, 3]
    await append(logs, changed, 2, "left")
    await append(logs, changed, 3, "right")
    assert texts(logs, changed, 0) == ["before", "the split"]
    assert texts(logs, changed, 2) == ["left"]
    assert texts(logs, changed, 3) == ["right"]
    merged = logs.replace_shards(changed, [2, 3], [(shard.begin, shard.end)])
    await append(logs, merged, 4, "together")
    assert [texts(logs, merged, number) for number in range(5)] == [
        ["before", "the split"],
        [],
        ["left"],
        ["right"],
        ["together"],
    ]
    logs.delete_shards(merged, [0, 3])
    assert [each.number for each in current(logs).shards] == [1, 2, 4]
    assert texts(logs, current(logs), 2) == ["left"]


async def test_logstore_made_again_is_empty_and_old_cursors_lead_to_its_beginning(logs, store):
    await append(logs, store, 0, *("old" for _ in range(5)))
    old = logs.span(store, store.shards[0])
    logs.delete_logstore(store)
    assert logs.create_logstore(PROJECT, STORE, DOCUMENT)
    again = current(logs)
    first, end = logs.span(again, again.shards[0])
    assert first == end > old[1]
    await append(logs, again, 0, "new")
    found = logs.entries(again, again.shards[0], max(old[0], first), 100)
    assert [logs.read(each) for each in found] == [b"new"]


async def test_group_is_found_by_the_times_of_its_logs(logs, store):
    base = int(time.time()) - 50
    for at in range(10):  # each has logs in [10 * at, 5 + 10 * at] of these seconds
        await append(logs, store, at % 2, f"group {at}", moment=base + 10 * at)
    for begin, end in ((-base, 2**31), (0, 1), (5, 6), (6, 10), (25, 41), (100, 200)):
        expected = [at for at in range(10) if 10 * at < end and 5 + 10 * at >= begin]
        found = [logs.read(each) for each in logs.overlapping(store, base + begin, base + end)]
        assert sorted(found) == [f"group {at}".encode() for at in expected]


async def test_writers_at_once_have_sequences_of_their_own(logs, store):
    async def write(writer: int) -> list[int]:
        return await append(logs, store, 0, *(f"{writer} {at}" for at in range(10)))

    sequences = await asyncio.gather(*(write(number) for number in range(12)))
    every = [each for own in sequences for each in own]
    assert len(set(every)) == 120
    found = texts(logs, store, 0)
    assert sorted(found) == sorted(f"{writer} {at}" for writer in range(12) for at in range(10))
    for writer, own in enumerate(sequences):
        assert own == sorted(own)
        mine = [text for text in found if text.startswith(f"{writer} ")]
        assert mine == [f"{writer} {at}" for at in range(10)]


async def test_what_was_acknowledged_is_there_after_a_restart(logs, store, reopened):
    sequences = await append(logs, store, 0, "a", "b")
    spans = [logs.span(store, each) for each in store.shards]
    again = reopened()
    assert current(again) == store
    assert [again.span(store, each) for each in store.shards] == spans
    assert texts(again, store, 0) == ["a", "b"]
    [more] = await append(again, store, 0, "c")
    assert more > sequences[-1]
    assert texts(again, store, 0) == ["a", "b", "c"]
