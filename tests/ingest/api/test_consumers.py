"""Consumer groups: the official consumer library with two workers, and each rule by itself."""

import threading
import time

import pytest
from aliyun.log import LogClient, LogException, LogItem, PutLogsRequest
from aliyun.log.consumer import (
    ConsumerProcessorBase,
    ConsumerWorker,
    CursorPosition,
    LogHubConfig,
)

from harness.ingest import DOMAIN, ROOT_KEY

PROJECT, STORE, GROUP = "shop-project", "web", "readers"
PATH = f"/logstores/{STORE}/consumergroups"
JSON = {"content-type": "application/json"}
MIDDLE = "4" + "0" * 31


def put(sdk, number: int, key: str) -> None:
    item = LogItem(int(time.time()), [("content", str(number))])
    sdk.put_logs(PutLogsRequest(PROJECT, STORE, "", "", [item], hashKey=key))


class Seen:
    """What all workers of a test have processed, in order: (worker, shard, number)."""

    def __init__(self) -> None:
        self.records: list[tuple[str, int, int]] = []
        self.lock = threading.Lock()

    def numbers(self) -> list[int]:
        return [number for _, _, number in self.records]

    def by(self, worker: str) -> set[int]:
        return {shard for name, shard, _ in self.records if name == worker}


def worker(name: str, seen: Seen, *, ordered: bool = False) -> ConsumerWorker:
    class Processor(ConsumerProcessorBase):
        def process(self, log_groups, check_point_tracker):
            for group in log_groups.LogGroups:
                for log in group.Logs:
                    with seen.lock:
                        seen.records.append((name, self.shard_id, int(log.Contents[0].Value)))
            check_point_tracker.save_check_point(True)

    config = LogHubConfig(
        DOMAIN,
        ROOT_KEY.access_key_id,
        ROOT_KEY.access_key_secret,
        PROJECT,
        STORE,
        GROUP,
        name,
        cursor_position=CursorPosition.BEGIN_CURSOR,
        heartbeat_interval=1,
        data_fetch_interval=0.1,
        in_order=ordered,
    )
    # A worker that stops just falls silent: short, but no pause of a busy machine.
    config.consumer_group_time_out = 10
    started = ConsumerWorker(Processor, consumer_option=config)
    started.start()
    return started


def wait(condition, what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def stop(*workers: ConsumerWorker) -> None:
    for each in workers:
        each.shutdown()
    for each in workers:
        each.join(timeout=30)


def test_two_official_workers_share_the_shards_and_take_over_from_each_other(store):
    seen, keys = Seen(), ["0" * 32, "f" * 32]
    total = 0

    def write(count: int) -> None:
        nonlocal total
        for _ in range(count):
            put(store, total, keys[total % 2])
            total += 1

    write(10)
    first = worker("first", seen)
    wait(lambda: len(seen.records) >= 10, "the first worker reads all")
    assert seen.by("first") == {0, 1}

    second = worker("second", seen)

    def both() -> bool:
        write(2)
        return bool(seen.by("second"))

    wait(both, "the second worker gets a shard")
    stop(first)
    before = len(seen.records)

    def taken_over() -> bool:
        write(2)
        return {shard for name, shard, _ in seen.records[before:] if name == "second"} == {0, 1}

    wait(taken_over, "the second worker takes over what the first one had")
    wait(lambda: set(seen.numbers()) == set(range(total)), "nothing is left out")
    stop(second)
    # Each hand-over was clean: nothing was read twice, each shard in order.
    for shard in (0, 1):
        numbers = [number for _, at, number in seen.records if at == shard]
        assert numbers == [number for number in range(total) if number % 2 == shard]


def test_ordered_official_worker_reads_the_parent_before_its_children(store):
    store.create_consumer_group(PROJECT, STORE, GROUP, 5, True)
    seen = Seen()
    for number in range(20):
        put(store, number, "0" * 32)
    store.split_shard(PROJECT, STORE, 0, MIDDLE)
    for number in range(20, 40):
        put(store, number, "0" * 32)
    reader = worker("only", seen, ordered=True)
    wait(lambda: len(seen.records) >= 40, "all is read")
    stop(reader)
    assert [(shard, number) for _, shard, number in seen.records] == [
        (0 if number < 20 else 2, number) for number in range(40)
    ]


def test_group_lives_from_create_to_delete(store, service):
    store.create_consumer_group(PROJECT, STORE, GROUP, 30, True)
    with pytest.raises(LogException) as caught:
        store.create_consumer_group(PROJECT, STORE, GROUP, 30, True)
    assert caught.value.get_error_code() == "ConsumerGroupAlreadyExist"
    store.update_consumer_group(PROJECT, STORE, GROUP, timeout=90)
    service.kill()
    service.start()
    (group,) = store.list_consumer_group(PROJECT, STORE).get_consumer_groups()
    found = (group.get_consumer_group_name(), group.get_timeout(), group.is_in_order())
    assert found == (GROUP, 90, True)
    store.delete_consumer_group(PROJECT, STORE, GROUP)
    assert store.list_consumer_group(PROJECT, STORE).get_consumer_groups() == []
    with pytest.raises(LogException) as caught:
        store.heart_beat(PROJECT, STORE, GROUP, "c1", [])
    assert caught.value.get_error_code() == "ConsumerGroupNotExist"


@pytest.fixture
def group(store, send):
    """The group's calls by raw requests."""
    body = b'{"consumerGroup":"readers","timeout":60,"order":false}'
    assert send("POST", PATH, body=body, headers=JSON).status == 200

    class Calls:
        def beat(self, consumer: str, held: str):
            query = {"type": "heartbeat", "consumer": consumer}
            return send("POST", f"{PATH}/{GROUP}", query, body=held.encode(), headers=JSON)

        def save(self, body: str, **query: str):
            query = {"type": "checkpoint"} | query
            return send("POST", f"{PATH}/{GROUP}", query, body=body.encode(), headers=JSON)

        def saved(self, **query: str):
            return send("GET", f"{PATH}/{GROUP}", query).json

    return Calls()


def test_shard_moves_only_when_its_holder_lets_go(group):
    assert group.beat("a", "[]").json == [0, 1]
    assert group.beat("b", "[]").json == []  # both are held: a must let go first
    assert group.beat("a", "[0,1]").json == [0]
    assert group.beat("b", "[]").json == []  # a still drains shard 1
    assert group.beat("a", "[0,1]").json == [0]
    assert group.beat("a", "[0]").json == [0]
    assert group.beat("b", "[]").json == [1]
    assert group.beat("a", "[0]").json == [0]


def test_unknown_consumer_with_shards_begins_again(group):
    assert group.beat("stranger", "[0]").error == (400, "NotExistConsumerWithBody")
    assert group.beat("stranger", "[]").json == [0, 1]


def test_restarted_service_leaves_shards_with_those_that_read_them(group, service):
    group.beat("a", "[]")
    group.beat("b", "[]")
    group.beat("a", "[0,1]")
    group.beat("a", "[0]")
    assert group.beat("b", "[]").json == [1]
    time.sleep(1.1)  # times of creation are in whole seconds
    service.kill()
    service.start()
    assert group.beat("a", "[0]").json == [0]
    assert group.beat("b", "[1]").json == [1]


def test_checkpoints_are_kept_and_every_shard_has_an_entry(group, service):
    empty = {"checkpoint": "", "updateTime": 0, "consumer": ""}
    assert group.saved() == [{"shard": 0} | empty, {"shard": 1} | empty]
    group.beat("a", "[]")
    assert group.save('{"shard":0,"checkpoint":"MQ=="}', consumer="a").status == 200
    service.kill()
    service.start()
    (found,) = group.saved(shard="0")
    assert (found["checkpoint"], found["consumer"]) == ("MQ==", "a")
    assert abs(found["updateTime"] / 1e6 - time.time()) < 60
    assert group.saved(shard="9") == []


@pytest.mark.parametrize(
    ("body", "query", "expected"),
    [
        ('{"shard":0,"checkpoint":"MQ=="}', {"consumer": "b"}, (404, "ConsumerNotExist")),
        ('{"shard":0,"checkpoint":"MQ=="}', {}, (400, "ParameterInvalid")),
        ('{"shard":9,"checkpoint":"MQ=="}', {"consumer": "a"}, (404, "ShardNotExist")),
        ('{"shard":0,"checkpoint":"!"}', {"consumer": "a"}, (400, "InvalidShardCheckPoint")),
        ('{"checkpoint":"MQ=="}', {"consumer": "a"}, (400, "JsonInfoInvalid")),
    ],
)
def test_wrong_checkpoint_has_its_code(group, body, query, expected):
    group.beat("a", "[]")
    assert group.save(body, **query).error == expected


def test_forced_checkpoint_needs_no_holder(group):
    saved = group.save('{"shard":1,"checkpoint":"Mg=="}', forceSuccess="True")
    assert saved.status == 200
    assert group.saved(shard="1")[0]["checkpoint"] == "Mg=="


@pytest.mark.parametrize("held", ["{}", "nonsense", '["0"]', "[true]"])
def test_heartbeat_that_is_no_array_is_refused(group, held):
    assert group.beat("a", held).error == (400, "JsonInfoInvalid")


def test_group_beyond_the_bound_is_refused(store):
    for number in range(20):
        store.create_consumer_group(PROJECT, STORE, f"group-{number}", 30, False)
    with pytest.raises(LogException) as caught:
        store.create_consumer_group(PROJECT, STORE, "group-20", 30, False)
    assert caught.value.get_error_code() == "ProjectQuotaExceed"


def test_key_without_the_right_cannot_consume(store, send):
    made = send(
        "POST",
        "/loghub/v1/keys",
        body=b'{"project":"shop-project","rights":["write"]}',
        headers=JSON,
        host=DOMAIN,
    ).json
    client = LogClient(DOMAIN, made["accessKeyId"], made["accessKeySecret"])
    with pytest.raises(LogException) as caught:
        client.list_consumer_group(PROJECT, STORE)
    assert caught.value.get_error_code() == "Unauthorized"
