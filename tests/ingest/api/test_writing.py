"""PutLogs in every form, by raw requests and by the official SDK; exactly once by `seqid`."""

import json
import threading
import time

import pytest
from aliyun.log import LogItem, PutLogsRequest

from slswire import compress, protobuf
from slswire.model import Log, LogGroup

STORE = "web"
LB, PLAIN, ROUTE = (f"/logstores/{STORE}{end}" for end in ("/shards/lb", "", "/shards/route"))
KEY = "0" * 32


def group(*lines: str) -> bytes:
    now = int(time.time())
    logs = tuple(Log(now, (("content", line),)) for line in lines)
    return protobuf.encode_log_group(LogGroup(logs, topic="t", tags=(("app", "x"),)))


def form(raw: bytes, kind: str = "", content_type: str = "application/x-protobuf", **more: str):
    sent = {"content-type": content_type, "x-log-bodyrawsize": str(len(raw))}
    if kind:
        sent["x-log-compresstype"] = kind
    return {"body": compress.compress(kind, raw), "headers": sent | more}


def contents(pulled) -> list[str]:
    return [log["content"] for shard in (0, 1) for log in pulled(shard)]


@pytest.mark.parametrize("path", [LB, PLAIN, ROUTE])
@pytest.mark.parametrize("kind", ["", "lz4", "zstd", "deflate"])
def test_every_path_takes_every_compression(store, send, pulled, path, kind):
    answer = send(
        "POST", path, {"key": KEY} if path == ROUTE else (), **form(group("a", "b"), kind)
    )
    assert (answer.status, answer.body) == (200, b"")
    assert "content-type" not in answer.headers
    assert contents(pulled) == ["a", "b"]


@pytest.mark.parametrize("kind", ["", "lz4"])
def test_json_is_taken_with_and_without_compression(store, send, pulled, kind):
    now = int(time.time())
    document = {
        "__topic__": "t",
        "__source__": "s",
        "__tags__": {"k": "v"},
        "__logs__": [{"__time__": now, "__time_ns_part__": 5, "content": "ü", "n": 3}],
    }
    raw = json.dumps(document).encode()
    assert send("POST", PLAIN, **form(raw, kind, "application/json")).status == 200
    (log,) = pulled(0) + pulled(1)
    assert (log["content"], log["n"], log["__topic__"], log["__tag__:k"]) == ("ü", "3", "t", "v")
    assert log["__time__"] == now


def test_packages_of_one_body_are_groups_of_their_own(store, send, pulled):
    kinds = ("", "deflate", "lz4", "zstd")
    packages = [
        protobuf.Package(
            kind, compress.compress(kind, group(kind or "none")), len(group(kind or "none"))
        )
        for kind in kinds
    ]
    body = protobuf.join_packages(packages)
    assert send("POST", LB, **form(body, **{"x-log-mode": "batch_group"})).status == 200
    assert contents(pulled) == ["none", "deflate", "lz4", "zstd"]


def test_one_bad_package_refuses_the_whole_body(store, send, pulled):
    good, bad = group("good"), b"\xff\xff"
    packages = [protobuf.Package("", good, len(good)), protobuf.Package("", bad, len(bad))]
    body = protobuf.join_packages(packages)
    answer = send("POST", LB, **form(body, **{"x-log-mode": "batch_group"}))
    assert answer.error == (400, "PostBodyInvalid")
    assert contents(pulled) == []


def test_hash_key_header_of_the_first_api_routes(store, send, pulled):
    sent = form(group("right"), **{"x-log-hashkey": "f" * 32})
    assert send("POST", LB, **sent).status == 200
    assert [log["content"] for log in pulled(1)] == ["right"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"content-type": "text/xml"}, (415, "InvalidContentType")),
        ({"content-type": None}, (400, "MissingContentType")),
        ({"x-log-bodyrawsize": None}, (400, "MissingBodyRawSize")),
        ({"x-log-bodyrawsize": "-1"}, (400, "InvalidBodyRawSize")),
        ({"x-log-bodyrawsize": "7"}, (400, "PostBodyUncompressError")),
        ({"x-log-compresstype": "snappy"}, (400, "InvalidCompressType")),
        ({"x-log-bodyrawsize": str(10 * 2**20 + 1)}, (400, "PostBodyTooLarge")),
    ],
)
def test_wrong_envelope_has_its_code(store, send, pulled, change, expected):
    sent = form(group("a"), "lz4")
    sent["headers"] = {
        name: value for name, value in (sent["headers"] | change).items() if value is not None
    }
    assert send("POST", LB, **sent).error == expected
    assert contents(pulled) == []


def test_store_that_wants_it_gets_the_clients_address_and_time(store, send, pulled):
    store.update_logstore("shop-project", STORE, append_meta=True)
    assert send("POST", LB, **form(group("a"), "lz4")).status == 200
    (log,) = pulled(0) + pulled(1)
    assert log["__tag__:__client_ip__"] == "127.0.0.1"
    assert abs(int(log["__tag__:__receive_time__"]) - time.time()) < 60
    assert log["__tag__:app"] == "x"


def test_repeated_sequence_id_is_refused_and_stored_once(store, send, pulled):
    first = form(group("one"), "lz4")
    for number, expected in ((1, 200), (1, 400), (2, 200), (1, 400), (2, 400)):
        answer = send("POST", ROUTE, {"key": KEY, "seqid": str(number)}, **first)
        assert answer.status == expected
        if expected == 400:
            assert answer.json["errorCode"] == "InvalidSequenceId"
    other = {"key": "f" * 32, "seqid": "1"}
    assert send("POST", ROUTE, other, **form(group("other"), "lz4")).status == 200
    assert contents(pulled) == ["one", "one", "other"]


def test_sequence_id_survives_kill_9_and_a_split(store, service, send, pulled):
    def write(number: int, line: str):
        return send("POST", ROUTE, {"key": KEY, "seqid": str(number)}, **form(group(line), "lz4"))

    assert write(7, "seven").status == 200
    service.kill()
    service.start()
    assert write(7, "seven").error == (400, "InvalidSequenceId")
    store.split_shard("shop-project", STORE, 0, "4" + "0" * 31)
    assert write(7, "seven").error == (400, "InvalidSequenceId")
    assert write(8, "eight").status == 200
    service.kill()
    service.start()
    assert write(8, "eight").error == (400, "InvalidSequenceId")
    assert [log["content"] for shard in range(4) for log in pulled(shard)] == ["seven", "eight"]


def test_writer_that_repeats_until_answered_writes_once_over_kills(store, service, send, pulled):
    """kill -9 while writes are under way: each number is stored exactly once, in order."""
    total, written = 60, []

    def writer() -> None:
        for number in range(1, total + 1):
            while True:
                sent = form(group(str(number)), "lz4")
                try:
                    answer = send("POST", ROUTE, {"key": KEY, "seqid": str(number)}, **sent)
                except OSError:
                    time.sleep(0.02)
                    continue
                if answer.status == 200 or answer.error == (400, "InvalidSequenceId"):
                    break
            written.append(number)

    thread = threading.Thread(target=writer)
    thread.start()
    for mark in (8, 20, 35, 50):
        deadline = time.monotonic() + 60
        while len(written) < mark and time.monotonic() < deadline:
            time.sleep(0.001)
        service.kill()
        service.start()
    thread.join(timeout=100)
    assert written == list(range(1, total + 1))
    assert [int(line) for line in contents(pulled)] == written


def test_sdk_writes_by_hash_key(store, pulled):
    item = LogItem(int(time.time()), [("content", "x")])
    store.put_logs(PutLogsRequest("shop-project", STORE, "", "", [item], hashKey="8" + "0" * 31))
    assert [log["content"] for log in pulled(1)] == ["x"]
