"""Several replicas on one PostgreSQL: each sees what every other one was told is done."""

import asyncio
import threading
import time

import pytest

from loghub_ingest import consumers
from loghub_ingest.catalogue import database, names
from loghub_ingest.storage import contract, sealing

PROJECT, STORE = "shop-project", "web"
DOCUMENT = {"ttl": 30, "shardCount": 1, "maxSplitShard": 64}
WRITERS = 3
ROUNDS = 12


def in_threads(*calls) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def everything(replica) -> tuple[object, ...]:
    stores = [store for each in replica.projects() for store in replica.logstores(each.name)]
    keys = [
        key for each in ("", *replica.projects()) for key in replica.keys(getattr(each, "name", ""))
    ]
    return replica.projects(), stores, keys


async def test_change_is_seen_by_the_next_request_to_another_replica(replica):
    one, two = replica(), replica()
    one.create_project(PROJECT, "")
    one.create_logstore(PROJECT, STORE, DOCUMENT)
    one.add_key(contract.AccessKey("AK", "secret", PROJECT, frozenset({"read"}), 5))
    assert two.project(PROJECT) is None, "the test shows nothing if it is there by itself"
    await two.catch_up()
    assert everything(two) == everything(one)
    assert two.key("AK").secret == "secret"
    two.replace_shards(two.logstore(PROJECT, STORE), [0], contract.divide(0, 1 << 128, 2))
    two.delete_key("AK")
    await one.catch_up()
    assert everything(two) == everything(one)
    one.delete_project(PROJECT)
    await two.catch_up()
    assert everything(two) == ([], [], [])


def test_change_is_decided_by_what_other_replicas_did_before(replica):
    one, two = replica(), replica()
    one.create_project(PROJECT, "")
    assert not two.create_project(PROJECT, "")
    assert two.create_logstore(PROJECT, STORE, DOCUMENT)
    assert not one.create_logstore(PROJECT, STORE, DOCUMENT)
    store = one.logstore(PROJECT, STORE)
    two.set_index(store, {"keys": {}})
    assert one.update_logstore(store, DOCUMENT | {"ttl": 3})
    assert one.logstore(PROJECT, STORE).index == {"keys": {}}
    two.delete_project(PROJECT)
    assert not one.add_key(contract.AccessKey("AK", "secret", PROJECT, frozenset({"read"}), 5))


def test_replicas_that_change_everything_at_once_agree_in_the_end(replica):
    replicas = [replica() for _ in range(WRITERS)]
    replicas[0].create_project(PROJECT, "")
    splits, faults = [], []

    def work(mine, number: int) -> None:
        try:
            for at in range(ROUNDS):
                mine.create_project(f"project-{at % 4}", str(number))
                mine.create_logstore(PROJECT, f"store-{at % 3}", DOCUMENT)
                store = mine.logstore(PROJECT, f"store-{at % 3}")
                if store is None:
                    continue
                shard = store.writable[-1]
                halves = contract.divide(shard.begin, shard.end, 2)
                if mine.replace_shards(store, [shard.number], halves) is not None:
                    splits.append((store.ident, shard.number))
                if at % 5 == number:
                    mine.delete_logstore(store)
                    mine.delete_project(f"project-{(at + 1) % 4}")
        except Exception as fault:
            faults.append(fault)
            raise

    in_threads(*(lambda at=at, each=each: work(each, at) for at, each in enumerate(replicas)))
    assert not faults
    assert len(splits) == len(set(splits)) > WRITERS, "a shard was split twice"
    replicas.append(replica())
    for each in replicas:
        each.catch_up_now()
        assert everything(each) == everything(replicas[-1])
    for store in replicas[-1].logstores(PROJECT):
        edges = sorted((shard.begin, shard.end) for shard in store.writable)
        assert [begin for begin, _ in edges] == [0, *(end for _, end in edges[:-1])]


def test_replica_that_missed_more_changes_than_are_kept_reads_everything(replica, monkeypatch):
    monkeypatch.setattr(names, "KEPT_CHANGES", 3)
    one, two = replica(), replica()
    one.create_project("gone", "")
    two.catch_up_now()
    for number in range(6):
        one.create_project(f"project-{number}", "")
    one.delete_project("gone")
    for number in range(6):
        one.create_logstore("project-0", f"store-{number}", DOCUMENT)
    two.catch_up_now()
    assert everything(two) == everything(one)


async def test_requests_that_wait_share_a_question_that_began_after_them(replica):
    one, two = replica(), replica()
    asked = []
    ask = two._ask
    two._ask = lambda: asked.append(1) or ask()  # type: ignore[method-assign]
    for number in range(5):
        await asyncio.to_thread(one.create_project, f"project-{number}", "")
        waiting = [two.catch_up() for _ in range(50)]
        await asyncio.gather(*waiting)
        assert two.project(f"project-{number}") is not None
    assert len(asked) <= 10


def test_server_that_restarts_costs_no_change_and_no_answer(replica, postgres):
    one, two = replica(), replica()
    one.create_project(PROJECT, "")
    postgres.kill()
    with pytest.raises(contract.UnavailableError):
        two.catch_up_now()
    with pytest.raises(contract.UnavailableError):
        one.create_project("other", "")
    assert one.project("other") is None
    postgres.start()
    two.catch_up_now()
    assert two.project(PROJECT) is not None
    assert one.create_project("other", "")


def test_members_are_changed_by_one_replica_after_the_other(replica):
    replicas = [replica() for _ in range(WRITERS)]
    times = []

    def count(state: str, now: float) -> tuple[str, None]:
        times.append(now)
        return str(int(state or 0) + 1), None

    def work(mine) -> None:
        for _ in range(ROUNDS):
            mine.change_members(1, "group", count)

    in_threads(*(lambda each=each: work(each) for each in replicas))
    seen = replicas[0].change_members(1, "group", lambda state, _now: (state, state))
    assert int(seen) == WRITERS * ROUNDS
    assert times == sorted(times)


def test_members_stay_as_they_were_where_the_change_fails(replica):
    one = replica()
    one.change_members(1, "group", lambda _state, _now: ("kept", None))

    def fail(_state: str, _now: float) -> tuple[str, None]:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - the test's own
        one.change_members(1, "group", fail)
    assert one.change_members(1, "group", lambda state, _now: (state, state)) == "kept"
    one.delete_checkpoints(1, "group")
    assert one.change_members(1, "group", lambda state, _now: (state, state)) == ""


def test_replicas_that_start_at_once_make_the_tables_once(postgres, tmp_path):
    url, made, faults = postgres.database(), [], []

    def start() -> None:
        try:
            made.append(names.Names(database.postgresql_engine(url), tmp_path / "secrets.key"))
        except Exception as fault:
            faults.append(fault)
            raise

    in_threads(*[start] * 4)
    assert not faults
    assert made[0].create_project(PROJECT, "")
    for each in made:
        each.close()


def test_other_key_file_opens_nothing(replica, postgres, tmp_path):
    one = replica()
    one.create_project(PROJECT, "")
    one.add_key(contract.AccessKey("AK", "secret", PROJECT, frozenset({"read"}), 5))
    engine = one._engine
    with pytest.raises(sealing.KeyFileError):
        names.Names(engine, tmp_path / "other.key")


def test_catalogue_of_a_newer_version_is_left_alone(postgres):
    url = postgres.database()
    engine = database.postgresql_engine(url)
    with engine.begin() as base:
        base.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(database.NewerFormatError):
        database.postgresql_engine(url)


async def test_shard_has_one_reader_whichever_replica_hears_of_it(replica):
    groups = [consumers.SharedGroups(replica()) for _ in range(2)]
    place = consumers.Place(1, "group", timeout=60.0, old=False)
    shards = [0, 1, 2, 3, 4]
    reading: dict[str, list[int]] = {}
    for number in range(12):
        name = f"consumer-{number % 3}"
        asked = groups[number % 2]
        held = reading.get(name, [])
        reading[name] = list(await asked.beat(place, name, held, shards))
        every = [shard for own in reading.values() for shard in own]
        assert len(every) == len(set(every)), reading
    assert sorted(shard for own in reading.values() for shard in own) == shards
    assert sorted(map(len, reading.values())) == [1, 2, 2]
    for group in groups:
        for shard in shards:
            holders = [name for name in reading if await group.holds(place, name, shard)]
            assert [name for name, own in reading.items() if shard in own] == holders


async def test_consumer_that_is_silent_gives_its_shards_to_another_replicas(replica):
    one, two = (consumers.SharedGroups(replica()) for _ in range(2))
    place = consumers.Place(1, "group", timeout=0.5, old=False)
    assert await one.beat(place, "a", [], [0, 1]) == [0, 1]
    deadline = time.monotonic() + 60
    while await two.beat(place, "b", [], [0, 1]) != [0, 1]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert not await one.holds(place, "a", 0)
    with pytest.raises(consumers.UnknownConsumerError):
        await one.beat(place, "a", [0, 1], [0, 1])


async def test_standby_that_had_not_heard_of_everything_is_believed(replica):
    one, two = replica(), replica()
    one.create_project(PROJECT, "")
    two.catch_up_now()
    with one._engine.begin() as base:  # as a standby has it that was a change behind
        base.exec_driver_sql("DELETE FROM project")
        base.exec_driver_sql("UPDATE revision SET value = value - 1")
    for each in (one, two):
        await each.catch_up()
        assert each.project(PROJECT) is None
    assert two.create_project("other", "")
    await one.catch_up()
    assert [each.name for each in one.projects()] == ["other"]
