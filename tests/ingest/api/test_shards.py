"""Shards split, merge and stay readable, as the official SDK sees them."""

import time
from concurrent import futures

import pytest
from aliyun.log import LogException, LogItem, PutLogsRequest

PROJECT, STORE = "shop-project", "web"
ENDS = {"0": "0" * 32, "4": "4" + "0" * 31, "8": "8" + "0" * 31, "c": "c" + "0" * 31, "f": "f" * 32}


def shards(sdk) -> dict[int, tuple[str, str, str]]:
    return {
        each["shardID"]: (each["status"], each["inclusiveBeginKey"], each["exclusiveEndKey"])
        for each in sdk.list_shards(PROJECT, STORE).get_shards_info()
    }


def put(sdk, text: str, key: str) -> None:
    item = LogItem(int(time.time()), [("content", text)])
    sdk.put_logs(PutLogsRequest(PROJECT, STORE, "", "", [item], hashKey=key))


def refused(call, *arguments) -> tuple[str, str]:
    with pytest.raises(LogException) as caught:
        call(*arguments)
    return caught.value.get_error_code(), caught.value.get_error_message()


def test_split_makes_the_parent_readonly_and_two_children(store):
    answer = store.split_shard(PROJECT, STORE, 0, ENDS["4"])
    assert [each["shardID"] for each in answer.get_shards_info()] == [0, 2, 3]
    assert shards(store) == {
        0: ("readonly", ENDS["0"], ENDS["8"]),
        1: ("readwrite", ENDS["8"], ENDS["f"]),
        2: ("readwrite", ENDS["0"], ENDS["4"]),
        3: ("readwrite", ENDS["4"], ENDS["8"]),
    }
    assert store.get_logstore(PROJECT, STORE).get_shard_count() == 3


def test_writes_by_key_go_to_the_child_and_the_parent_stays_readable(store, pulled):
    put(store, "before", ENDS["0"])
    store.split_shard(PROJECT, STORE, 0, ENDS["4"])
    put(store, "left", "3" + "f" * 31)
    put(store, "right", ENDS["4"])
    put(store, "last", ENDS["f"])
    found = {number: [log["content"] for log in pulled(number)] for number in shards(store)}
    assert found == {0: ["before"], 1: ["last"], 2: ["left"], 3: ["right"]}


def test_merge_joins_with_the_right_neighbour(store, pulled):
    put(store, "a", ENDS["0"])
    answer = store.merge_shard(PROJECT, STORE, 0)
    assert [each["shardID"] for each in answer.get_shards_info()] == [2, 0, 1]
    assert shards(store)[2] == ("readwrite", ENDS["0"], ENDS["f"])
    put(store, "b", ENDS["c"])
    assert [log["content"] for log in pulled(2)] == ["b"]
    assert [log["content"] for log in pulled(0)] == ["a"]


def test_shards_are_the_same_after_kill_9_and_numbers_are_never_given_again(store, service, pulled):
    store.split_shard(PROJECT, STORE, 1, ENDS["c"])
    put(store, "kept", ENDS["c"])
    store.delete_shard(PROJECT, STORE, 1)
    store.merge_shard(PROJECT, STORE, 2)
    store.delete_shard(PROJECT, STORE, 2)
    before = shards(store)
    service.kill()
    service.start()
    assert (
        shards(store)
        == before
        == {
            0: ("readwrite", ENDS["0"], ENDS["8"]),
            3: ("readonly", ENDS["c"], ENDS["f"]),
            4: ("readwrite", ENDS["8"], ENDS["f"]),
        }
    )
    assert [log["content"] for log in pulled(3)] == ["kept"]
    store.split_shard(PROJECT, STORE, 4, ENDS["c"])
    assert max(shards(store)) == 6


@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        ("split_shard", (9, ENDS["4"]), ("ShardNotExist", "Shard 9 does not exist.")),
        ("split_shard", (0, ENDS["c"]), ("ParameterInvalid", "invalid mid hash.")),
        ("split_shard", (0, ENDS["0"]), ("ParameterInvalid", "invalid mid hash.")),
        ("merge_shard", (1,), ("ParameterInvalid", "can not merge the last shard.")),
    ],
)
def test_impossible_change_is_refused_in_the_services_words(store, call, arguments, expected):
    assert refused(getattr(store, call), PROJECT, STORE, *arguments) == expected


def test_readonly_shard_cannot_change_and_a_writable_one_cannot_be_deleted(store):
    store.split_shard(PROJECT, STORE, 0, ENDS["4"])
    for call in (
        lambda: store.split_shard(PROJECT, STORE, 0, ENDS["4"]),
        lambda: store.merge_shard(PROJECT, STORE, 0),
    ):
        assert refused(call) == ("ParameterInvalid", "invalid shard id.")
    assert refused(store.delete_shard, PROJECT, STORE, 1)[0] == "ParameterInvalid"
    store.delete_shard(PROJECT, STORE, 0)
    assert 0 not in shards(store)


def test_split_into_many_divides_evenly(store, send):
    query = {"action": "split", "shardCount": "4"}
    answer = send("POST", f"/logstores/{STORE}/shards/0", query)
    assert [each["shardID"] for each in answer.json] == [0, 2, 3, 4, 5]
    edges = [each["inclusiveBeginKey"][0] for each in answer.json[1:]]
    assert edges == ["0", "2", "4", "6"]


def test_no_write_is_lost_or_refused_while_shards_split(store, pulled):
    """A write that was under way when its shard was sealed is stored, here or there, once."""

    def write(number: int) -> None:
        put(store, str(number), f"{number * 7919 % 2**32:08x}" + "0" * 24)

    with futures.ThreadPoolExecutor(8) as pool:
        running = [pool.submit(write, number) for number in range(160)]
        for shard, key in ((0, ENDS["4"]), (1, ENDS["c"]), (2, "2" + "0" * 31)):
            store.split_shard(PROJECT, STORE, shard, key)
        for each in running:
            each.result()
    found = [int(log["content"]) for shard in shards(store) for log in pulled(shard)]
    assert sorted(found) == list(range(160))
