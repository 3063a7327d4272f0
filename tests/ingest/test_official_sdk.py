"""The official Python SDK, unmodified, does its work against the service."""

import time

import pytest
from aliyun.log import (
    GetHistogramsRequest,
    GetLogsRequest,
    IndexConfig,
    LogClient,
    LogException,
    LogItem,
    PutLogsRequest,
)

from harness.ingest import DOMAIN, ROOT_KEY

INDEX = {
    "line": {"token": list(", '\";=()[]{}?@&<>/:\n\t\r"), "caseSensitive": False, "chn": False},
    "keys": {"status": {"type": "long", "doc_value": True}},
}


@pytest.fixture(params=["v1", "v4"])
def sdk(request, service, monkeypatch):
    """A client that reaches `PROJECT.sls.test` as any resolver would let it, by a proxy."""
    monkeypatch.setenv("HTTP_PROXY", service.url)
    monkeypatch.setenv("http_proxy", service.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    key = (ROOT_KEY.access_key_id, ROOT_KEY.access_key_secret)
    if request.param == "v4":
        return LogClient(DOMAIN, *key, auth_version="4", region="loghub")
    return LogClient(DOMAIN, *key)


@pytest.fixture
def store(sdk):
    sdk.create_project("shop-project", "a shop")
    sdk.create_logstore("shop-project", "web", ttl=7, shard_count=2)
    config = IndexConfig()
    config.from_json(INDEX)
    sdk.create_index("shop-project", "web", config)
    return sdk


def put(sdk, lines, *, when: int, topic: str = "", **options) -> None:
    items = [
        LogItem(when, [("content", line), ("status", "200")], number)
        for number, line in enumerate(lines, start=1)
    ]
    sdk.put_logs(PutLogsRequest("shop-project", "web", topic, "10.0.0.1", items, **options))


def error_code(call, *arguments) -> str:
    with pytest.raises(LogException) as caught:
        call(*arguments)
    assert caught.value.get_request_id()
    return caught.value.get_error_code()


def test_project_lives_from_create_to_delete(sdk):
    sdk.create_project("shop-project", "a shop")
    assert error_code(sdk.create_project, "shop-project", "") == "ProjectAlreadyExist"
    found = sdk.get_project("shop-project")
    assert (found.projectName, found.description) == ("shop-project", "a shop")
    assert [each["projectName"] for each in sdk.list_project().get_projects()] == ["shop-project"]
    sdk.delete_project("shop-project")
    assert error_code(sdk.get_project, "shop-project") == "ProjectNotExist"


def test_logstore_lives_from_create_to_delete(sdk):
    sdk.create_project("shop-project", "")
    sdk.create_logstore("shop-project", "web", ttl=7, shard_count=3)
    assert error_code(sdk.create_logstore, "shop-project", "web") == "LogStoreAlreadyExist"
    found = sdk.get_logstore("shop-project", "web")
    assert (found.get_ttl(), found.get_shard_count()) == (7, 3)
    sdk.update_logstore("shop-project", "web", ttl=9)
    assert sdk.get_logstore("shop-project", "web").get_ttl() == 9
    assert sdk.list_logstore("shop-project").get_logstores() == ["web"]
    sdk.delete_logstore("shop-project", "web")
    assert error_code(sdk.get_logstore, "shop-project", "web") == "LogStoreNotExist"


@pytest.mark.parametrize("name", ["Web", "-web", "w" * 64, "we.b", "w"])
def test_logstore_name_that_the_rule_forbids_is_refused(sdk, name):
    sdk.create_project("shop-project", "")
    assert error_code(sdk.create_logstore, "shop-project", name) == "LogStoreInfoInvalid"


def test_shards_divide_the_key_space(store):
    shards = sorted(
        store.list_shards("shop-project", "web").get_shards_info(), key=lambda each: each["shardID"]
    )
    assert shards[0]["inclusiveBeginKey"] == "0" * 32
    assert shards[0]["exclusiveEndKey"] == shards[1]["inclusiveBeginKey"] == "8" + "0" * 31
    assert shards[1]["exclusiveEndKey"] == "f" * 32


def test_written_groups_are_pulled_in_order_with_times_and_tags(store):
    now = int(time.time())
    for number in range(6):
        put(store, [f"line {number}"], when=now, hashKey="0" * 32, logtags=[("app", "web")])
    cursor = store.get_begin_cursor("shop-project", "web", 0).get_cursor()
    seen = []
    while True:
        answer = store.pull_logs("shop-project", "web", 0, cursor, count=4)
        if not answer.get_log_count():
            break
        seen += answer.get_flatten_logs_json()
        cursor = answer.get_next_cursor()
    assert [each["content"] for each in seen] == [f"line {number}" for number in range(6)]
    assert seen[0]["__time__"] == now
    assert seen[0]["__source__"] == "10.0.0.1"
    assert cursor == store.get_end_cursor("shop-project", "web", 0).get_cursor()


@pytest.mark.parametrize("options", [{"compress": False}, {"compress": True}])
def test_write_is_found_with_and_without_compression(store, options):
    now = int(time.time())
    put(store, ["GET /cart 200", "GET /pay 500"], when=now, **options)
    request = GetLogsRequest("shop-project", "web", now - 60, now + 60, query="pay")
    answer = store.get_logs(request)
    assert answer.is_completed()
    assert [each.get_contents()["content"] for each in answer.get_logs()] == ["GET /pay 500"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("*", ["c", "b", "a"]),
        ("cart", ["a"]),
        ("get and not cart", ["b"]),
        ("cart or post", ["c", "a"]),
        ('"get /pay"', ["b"]),
        ("content: pay and status: 200", ["c", "b"]),
        ("ca*", ["a"]),
        ("absent", []),
    ],
)
def test_search_answers_newest_first(store, query, expected):
    now = int(time.time())
    for offset, line in enumerate(["GET /cart a", "GET /pay b", "POST /pay c"]):
        put(store, [line], when=now + offset)
    found = store.get_log(
        "shop-project", "web", now, now + 10, query=query, reverse=True, size=10
    ).get_logs()
    assert [each.get_contents()["content"][-1] for each in found] == expected


def test_time_range_is_half_open(store):
    now = int(time.time())
    for offset in range(4):
        put(store, [f"at {offset}"], when=now + offset)
    found = store.get_log("shop-project", "web", now + 1, now + 3, size=10).get_logs()
    assert [each.get_contents()["content"] for each in found] == ["at 1", "at 2"]


def test_pages_continue_each_other(store):
    now = int(time.time())
    put(store, [f"n {number:03d}" for number in range(30)], when=now)
    pages = [
        store.get_log("shop-project", "web", now, now + 1, size=10, offset=at).get_logs()
        for at in (0, 10, 20, 30)
    ]
    texts = [each.get_contents()["content"] for page in pages for each in page]
    assert texts == [f"n {number:03d}" for number in range(30)]


def test_search_without_an_index_says_so(sdk):
    sdk.create_project("shop-project", "")
    sdk.create_logstore("shop-project", "web")
    request = GetLogsRequest("shop-project", "web", 0, 10, query="*")
    assert error_code(sdk.get_logs, request) == "IndexConfigNotExist"


def test_histogram_counts_what_matches(store):
    now = int(time.time())
    put(store, ["a", "b", "b"], when=now)
    answer = store.get_histograms(
        GetHistogramsRequest("shop-project", "web", now - 5, now + 5, query="b")
    )
    assert answer.get_total_count() == 2


def test_unknown_names_have_their_codes(store):
    assert error_code(store.list_shards, "other-project", "web") == "ProjectNotExist"
    assert error_code(store.list_shards, "shop-project", "other") == "LogStoreNotExist"
    assert error_code(store.get_cursor, "shop-project", "web", 9, "begin") == "ShardNotExist"
