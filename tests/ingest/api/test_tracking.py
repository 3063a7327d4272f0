"""Web tracking without a key, as browsers do it."""

import json
import struct
import time

import pytest
from aliyun.log import LogClient

from harness.ingest import DOMAIN
from slswire import compress

PROJECT, STORE = "shop-project", "web"
TRACK = f"/logstores/{STORE}/track"
LOGS = {
    "__topic__": "page",
    "__source__": "shop",
    "__logs__": [{"event": "click", "text": "日本"}, {"event": "leave", "__time__": "7"}],
    "__tags__": {"version": "3"},
}


@pytest.fixture
def site(store):
    store.update_logstore(PROJECT, STORE, enable_tracking=True)
    return store


@pytest.fixture
def visit(site, send):
    def run(method, path, query=(), **options):
        return send(method, path, query, key=None, **options)

    return run


def all_logs(pulled):
    return pulled(0) + pulled(1)


@pytest.mark.parametrize("path", [TRACK, f"{TRACK}.gif", f"{TRACK}_ua.gif"])
def test_address_is_a_log(visit, pulled, path):
    query = {"APIVersion": "0.6.0", "__topic__": "page", "event": "click & go", "empty": ""}
    sent = {"user-agent": "browser/1", "referer": "https://shop.example/cart"}
    answer = visit("GET", path, query, headers=sent)
    assert answer.status == 200, answer.body
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-log-requestid"]
    (log,) = all_logs(pulled)
    assert (log["event"], log["empty"], log["__topic__"]) == ("click & go", "", "page")
    assert abs(int(log["__time__"]) - time.time()) < 60
    assert "APIVersion" not in log
    assert (log.get("__userAgent__") == "browser/1") == path.endswith("_ua.gif")
    if path.endswith(".gif"):
        assert answer.headers["content-type"] == "image/gif"
        assert answer.body[:6] == b"GIF89a"
        assert struct.unpack("<HH", answer.body[6:10]) == (1, 1)
        assert answer.body[-1:] == b";"
        assert answer.headers["cache-control"] == "no-store"
    else:
        assert answer.body == b""


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ({"APIVersion": "0.6.0"}, {"content-type": "text/plain;charset=UTF-8"}),  # sendBeacon
        ((), {"x-log-apiversion": "0.6.0", "x-log-bodyrawsize": "5"}),  # counts UTF-16 units
        ((), {"content-type": "application/x-protobuf", "x-log-apiversion": "0.6.0"}),
    ],
)
def test_posted_logs_are_stored_with_the_services_time(visit, pulled, query, headers):
    answer = visit("POST", TRACK, query, body=json.dumps(LOGS).encode(), headers=headers)
    assert (answer.status, answer.body) == (200, b"")
    first, second = all_logs(pulled)
    assert (first["text"], second["event"]) == ("日本", "leave")
    assert (first["__topic__"], first["__source__"], first["__tag__:version"]) == (
        "page",
        "shop",
        "3",
    )
    assert abs(int(second["__time__"]) - time.time()) < 60


@pytest.mark.parametrize("kind", ["lz4", "deflate"])
def test_posted_logs_may_be_compressed(visit, pulled, kind):
    raw = json.dumps(LOGS).encode()
    sent = {"x-log-compresstype": kind, "x-log-bodyrawsize": str(len(raw))}
    assert visit("POST", TRACK, body=compress.compress(kind, raw), headers=sent).status == 200
    assert len(all_logs(pulled)) == 2


def test_store_that_does_not_allow_it_refuses(store, send, pulled):
    for method, path, body in [("GET", TRACK, b""), ("POST", TRACK, json.dumps(LOGS).encode())]:
        answer = send(method, path, {"a": "b"}, body=body, key=None)
        assert answer.error == (401, "Unauthorized")
    assert all_logs(pulled) == []


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        (f"other-project.{DOMAIN}", TRACK, (404, "ProjectNotExist")),
        (DOMAIN, TRACK, (404, "ProjectNotExist")),
        (f"{PROJECT}.{DOMAIN}", "/logstores/other/track", (404, "LogStoreNotExist")),
    ],
)
def test_unknown_places_have_their_codes(visit, host, path, expected):
    assert visit("GET", path, {"a": "b"}, host=host).error == expected


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"__logs__":5}', b'{"__logs__":["x"]}'])
def test_body_that_is_no_log_is_refused(visit, pulled, body):
    assert visit("POST", TRACK, body=body).error == (400, "PostBodyInvalid")
    assert all_logs(pulled) == []


def test_too_long_address_is_refused(visit):
    assert visit("GET", TRACK, {"a": "x" * 17_000}).error == (400, "PostBodyTooLarge")


def test_visitor_can_do_nothing_else(visit):
    for method, path in [
        ("GET", "/"),
        ("DELETE", "/"),
        ("GET", f"/logstores/{STORE}"),
        ("POST", f"/logstores/{STORE}"),
        ("GET", f"/logstores/{STORE}/shards"),
    ]:
        answer = visit(method, path, headers={"x-log-apiversion": "0.6.0"})
        assert answer.error == (401, "Unauthorized")


def test_browser_that_asks_first_may_send_signed_requests(visit):
    asked = {
        "origin": "https://shop.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,x-log-date,x-acs-security-token",
    }
    answer = visit("OPTIONS", f"/logstores/{STORE}", headers=asked)
    assert answer.status == 200, answer.body
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "POST" in answer.headers["access-control-allow-methods"].split(",")
    allowed = answer.headers["access-control-allow-headers"].split(",")
    assert set(asked["access-control-request-headers"].split(",")) <= set(allowed)


def test_official_sdk_without_a_secret_cannot_read(site):
    with pytest.raises(Exception, match="Unauthorized"):
        LogClient(DOMAIN, "", "").list_shards(PROJECT, STORE)
