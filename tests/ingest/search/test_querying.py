"""The query calls as the official Python SDK makes them, unmodified, against a real process."""

import json
import urllib.parse

import pytest
from aliyun.log import GetHistogramsRequest, ListTopicsRequest, LogException

PROJECT = "search-project"


def code(call, *arguments, **options) -> str:
    with pytest.raises(LogException) as caught:
        call(*arguments, **options)
    assert caught.value.get_request_id()
    return caught.value.get_error_code()


def raw(store, resource: str, method: str = "GET", **sent):
    """A call that the SDK signs and sends, but has no method for."""
    body = json.dumps(sent).encode() if method == "POST" else None
    params = {} if method == "POST" else sent
    headers = {"Content-Type": "application/json"} if body else {}
    return store.sdk._send(method, PROJECT, body, resource, params, headers)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status >= 500", ["c"]),
        ("status in [200 404)", ["a"]),
        ("seconds < 0.3 and method:GET", ["a"]),
        ("detail.items > 2", ["b"]),
        ("detail.user:ann or id:c", ["a", "c"]),
        ("not detail.user:*", ["c"]),
        ('"cart view"', ["a"]),
        ('#"cart/view"', ["a"]),
        ("vie*", ["a", "b"]),
        ("__topic__:web", ["a", "b", "c"]),
        ("__tag__:app:shop", ["a", "b", "c"]),
        ('message:""', ["c"]),
    ],
)
def test_grammar_answers_over_http(store, query, expected):
    store.put(
        {"id": "a", "status": "200", "seconds": "0.25", "method": "GET", "message": "cart/view"}
        | {"detail": json.dumps({"user": "ann", "items": 1})},
        {"id": "b", "status": "404", "seconds": "3", "method": "GET", "message": "view cart"}
        | {"detail": json.dumps({"user": "bob", "items": 3})},
        {"id": "c", "status": "500", "seconds": "0.1", "method": "POST", "message": ""},
        topic="web",
        logtags=[("app", "shop")],
    )
    assert [each["id"] for each in store.rows(query)] == expected


def test_get_log_all_reads_every_record_once_in_order(store):
    for at in range(5):
        store.put(*({"n": str(at * 60 + number)} for number in range(60)), at=at)
    pages = store.sdk.get_log_all(PROJECT, store.name, store.now, store.now + 100, query="*")
    seen = [log.get_contents()["n"] for page in pages for log in page.get_logs()]
    assert seen == [str(number) for number in range(300)]
    newest = store.rows("*", reverse=True, size=250)
    assert [each["n"] for each in newest] == [str(number) for number in range(299, 49, -1)]


def test_meta_of_the_second_version_says_what_was_done(store):
    store.put({"message": "Pay now", "status": "200"}, {"message": "other", "status": "200"})
    answer = store.get("pay and status:200")
    meta = answer.get_meta()
    assert answer.is_completed()
    assert (meta.get_count(), meta.get_processed_rows(), meta.get_has_sql()) == (1, 2, False)
    assert meta.get_where_query() == "pay and status:200"
    assert [tuple(each._to_dict().values()) for each in meta.get_terms()] == [
        ("", "pay"),
        ("status", "200"),
    ]
    assert {"message", "__source__"} <= set(meta.get_keys())


def test_first_version_answers_an_array_with_headers(store):
    store.put({"message": "支付 pay"})
    found, headers = raw(
        store,
        f"/logstores/{store.name}",
        type="log",
        query="支付",
        **{"from": store.now, "to": store.now + 1},
    )
    assert found == [
        {
            "__time__": str(store.now),
            "__source__": "10.0.0.1",
            "__topic__": "",
            "message": "支付 pay",
        }
    ]
    assert headers["x-log-progress"] == "Complete"
    assert headers["x-log-count"] == "1"
    assert headers["x-log-has-sql"] == "false"
    assert urllib.parse.unquote(headers["x-log-where-query"]) == "支付"


def test_highlights_stand_beside_the_records(store):
    store.put({"message": "Pay the cart", "method": "pay"})
    sent = {"from": store.now, "to": store.now + 1, "query": "pay and message:cart"}
    found, _ = raw(store, f"/logstores/{store.name}/logs", "POST", highlight=True, **sent)
    assert found["meta"]["highlights"] == [
        {"message": "<em>Pay</em> the <em>cart</em>", "method": "<em>pay</em>"}
    ]


def test_topic_parameter_narrows_the_answer(store):
    store.put({"message": "one"}, topic="a")
    store.put({"message": "two"}, topic="b")
    assert [each["message"] for each in store.rows("*", topic="b")] == ["two"]
    assert len(store.rows("*", topic="")) == 2


@pytest.mark.parametrize("path", ["", "/index"])
def test_histogram_counts_by_half_open_spans(store, path):
    for at in (0, 0, 9, 10, 20):
        store.put({"message": "x"}, at=at)
    sent = {"from": store.now, "to": store.now + 20, "query": "x", "interval": 10}
    found, headers = raw(store, f"/logstores/{store.name}{path}", type="histogram", **sent)
    spans = [(each["from"] - store.now, each["to"] - store.now, each["count"]) for each in found]
    assert spans == [(0, 10, 3), (10, 20, 1)]
    assert {each["progress"] for each in found} == {"Complete"}
    assert (headers["x-log-count"], headers["x-log-progress"]) == ("4", "Complete")


def test_histogram_of_the_sdk_adds_up(store):
    store.put(*({"message": "x"} for _ in range(7)), at=30)
    request = GetHistogramsRequest(PROJECT, store.name, store.now, store.now + 600, query="x")
    answer = store.sdk.get_histograms(request)
    assert answer.is_completed()
    assert answer.get_total_count() == 7
    assert len(answer.get_histograms()) == 60


def test_context_is_what_the_sender_wrote_around_it(store):
    for pack in range(3):
        lines = [{"message": f"m {pack * 3 + number}"} for number in range(3)]
        # Every write may go to another shard, and strangers write in between.
        store.put(*lines, at=pack, logtags=[("__pack_id__", f"ABC-{pack:X}")])
        store.put({"message": "stranger"}, at=pack, logtags=[("__pack_id__", f"DEF-{pack:X}")])
    (start,) = store.rows('"m 4" | with_pack_meta')
    answer = store.sdk.get_context_logs(
        PROJECT, store.name, start["__tag__:__pack_id__"], start["__pack_meta__"], 3, 10
    )
    found = [each.get_contents() for each in answer.get_logs()]
    assert answer.is_completed()
    assert [each["message"] for each in found] == [f"m {number}" for number in range(1, 9)]
    assert [each["__index_number__"] for each in found] == [str(at) for at in range(-3, 5)]
    assert (answer.get_back_lines(), answer.get_forward_lines()) == (3, 4)
    assert answer.get_total_lines() == 8


def test_context_without_the_senders_tag_follows_its_source(store):
    for number in range(6):
        store.put({"message": f"m {number}"}, source=f"host-{number % 2}", hashKey="0" * 32)
    (start,) = store.rows('"m 3" | with_pack_meta')
    pack = (start["__tag__:__pack_id__"], start["__pack_meta__"])
    answer = store.sdk.get_context_logs(PROJECT, store.name, *pack, 100, 100)
    found = [each.get_contents()["message"] for each in answer.get_logs()]
    assert found == ["m 1", "m 3", "m 5"]


@pytest.mark.parametrize("meta", ["", "0|x|1|0", "9|MQ==|1|0", "0|MQ==|1|0", "0|MQ==|1|-1", "|||"])
def test_context_of_nothing_says_so(store, meta):
    call = store.sdk.get_context_logs
    assert code(call, PROJECT, store.name, "A-1", meta, 1, 1) == "ParameterInvalid"


def test_topics_are_listed_page_by_page(store):
    for topic in ("pear", "apple", "fig", "apple"):
        store.put({"message": "x"}, topic=topic)
    seen, token = [], None
    for _ in range(4):
        answer = store.sdk.list_topics(ListTopicsRequest(PROJECT, store.name, token, 2))
        seen.append(answer.get_topics())
        token = answer.get_next_token()
        if not token:
            break
    assert seen == [["apple", "fig"], ["pear"]]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"from": 10, "to": 9}, "InvalidTimeRange"),
        ({"from": "x", "to": 9}, "ParameterInvalid"),
        ({"from": None}, "ParameterInvalid"),
        ({"line": 101}, "InvalidLine"),
        ({"line": -1}, "InvalidLine"),
        ({"offset": -1}, "InvalidOffset"),
        ({"offset": 10**9}, "InvalidOffset"),
        ({"reverse": "maybe"}, "InvalidReverse"),
        ({"query": '"open'}, "ParameterInvalid"),
        ({"query": "(" * 50}, "ParameterInvalid"),
        ({"query": "method > 1"}, "ParameterInvalid"),
    ],
)
def test_bad_request_has_its_code(store, sent, expected):
    sent = {"from": 1, "to": 2} | sent
    resource = f"/logstores/{store.name}/logs"
    assert code(raw, store, resource, "POST", **sent) == expected


def test_empty_page_values_are_the_defaults(store):
    store.put(*({"message": "x"} for _ in range(120)))
    sent = {"from": store.now, "to": store.now + 1, "line": "", "offset": "", "query": ""}
    found, _ = raw(store, f"/logstores/{store.name}", type="log", **sent)
    assert len(found) == 100


def test_record_is_found_as_soon_as_it_is_acknowledged(store):
    for number in range(20):
        store.put({"message": f"unique{number}"})
        assert len(store.rows(f"unique{number}")) == 1
