"""Cursors and pulls in the forms that clients use, and the SDK's logging handler end to end."""

import base64
import logging
import time

import pytest
from aliyun.log import LogException, LogItem, PutLogsRequest, QueuedLogHandler

from harness.ingest import DOMAIN, ROOT_KEY

PROJECT, STORE = "shop-project", "web"
SHARD = f"/logstores/{STORE}/shards/0"


@pytest.fixture
def written(store):
    for number in range(5):
        item = LogItem(int(time.time()), [("content", f"line {number}")])
        store.put_logs(PutLogsRequest(PROJECT, STORE, "", "", [item], hashKey="0" * 32))
    return store


def cursor(sdk, at: str) -> str:
    return sdk.get_cursor(PROJECT, STORE, 0, at).get_cursor()


def sequence(text: str) -> int:
    return int(base64.b64decode(text))


def test_cursors_count_groups_one_by_one(written):
    assert sequence(cursor(written, "end")) - sequence(cursor(written, "begin")) == 5


def test_cursor_of_a_time_is_the_first_group_received_then(written):
    assert cursor(written, str(int(time.time()) - 3600)) == cursor(written, "begin")
    assert cursor(written, str(int(time.time()) + 3600)) == cursor(written, "end")


def test_previous_cursor_time_is_found_and_bounded(written):
    end, begin = cursor(written, "end"), cursor(written, "begin")
    for each in (end, begin):  # the SDK falls back to the begin where there is none before it
        found = written.get_previous_cursor_time(PROJECT, STORE, 0, each).get_cursor_time()
        assert abs(found - time.time()) < 60
    with pytest.raises(LogException) as caught:
        written.get_previous_cursor_time(PROJECT, STORE, 0, begin, normalize=False)
    assert caught.value.get_error_code() == "InvalidCursor"


def test_cursor_with_white_space_is_taken(written, send):
    query = {"type": "cursor_time", "cursor": cursor(written, "begin") + "\n"}
    assert abs(send("GET", SHARD, query).json["cursor_time"] - time.time()) < 60


@pytest.mark.parametrize("wrong", ["", "!", "MQ", base64.b64encode(b"-1").decode(), "OTk5" * 20])
def test_cursor_that_was_never_given_out_is_refused(written, send, wrong):
    query = {"type": "log", "cursor": wrong, "count": "1"}
    assert send("GET", SHARD, query).error == (400, "InvalidCursor")


@pytest.mark.parametrize("count", ["-1", "1001", "x"])
def test_count_out_of_range_is_refused(written, send, count):
    query = {"type": "log", "cursor": cursor(written, "begin"), "count": count}
    assert send("GET", SHARD, query).error == (400, "ParameterInvalid")


@pytest.mark.parametrize("kind", ["lz4", "zstd", "deflate", ""])
@pytest.mark.parametrize("spelling", ["log", "logs"])
def test_pull_is_compressed_as_asked_and_says_so(written, send, kind, spelling):
    query = {"type": spelling, "cursor": cursor(written, "begin"), "count": "3"}
    answer = send("GET", SHARD, query, headers={"accept-encoding": kind})
    assert answer.headers["x-log-count"] == "3"
    assert answer.headers.get("x-log-compresstype", "") == kind
    assert answer.headers["content-type"] == "application/x-protobuf"
    after = sequence(answer.headers["x-log-cursor"])
    assert after - sequence(query["cursor"]) == 3
    assert int(answer.headers["x-log-read-last-cursor"]) == after - 1


def test_pull_at_the_end_and_with_an_end_cursor_gives_what_is_there(written, send):
    begin, end = cursor(written, "begin"), cursor(written, "end")
    empty = send("GET", SHARD, {"type": "logs", "cursor": end, "count": "10"})
    assert (empty.headers["x-log-count"], empty.headers["x-log-bodyrawsize"]) == ("0", "0")
    assert (empty.headers["x-log-cursor"], empty.body) == (end, b"")
    middle = base64.b64encode(str(sequence(begin) + 2).encode()).decode()
    part = {"type": "logs", "cursor": begin, "count": "10", "end_cursor": middle}
    assert send("GET", SHARD, part).headers["x-log-cursor"] == middle


def test_head_turns_the_page_without_the_data(written, send):
    query = {"type": "logs", "cursor": cursor(written, "begin"), "count": "10"}
    answer = send("HEAD", SHARD, query, headers={"accept-encoding": "lz4"})
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["x-log-cursor"] == cursor(written, "end")
    assert answer.headers["x-log-count"] == "5"


@pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning")  # the SDK's own
def test_logging_handler_of_the_sdk_delivers_every_record(store, pulled):
    handler = QueuedLogHandler(
        DOMAIN,
        ROOT_KEY.access_key_id,
        ROOT_KEY.access_key_secret,
        PROJECT,
        STORE,
        close_wait=20,
    )
    logger = logging.getLogger("loghub.test.shop")
    logger.addHandler(handler)
    try:
        for number in range(50):
            logger.warning("order %d failed", number)
    finally:
        logger.removeHandler(handler)
        handler.close()
    found = sorted(log["message"] for shard in (0, 1) for log in pulled(shard))
    assert found == sorted(f"order {number} failed" for number in range(50))
