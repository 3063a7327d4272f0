"""Records and statements that mean no good: answered or refused, and the next query is answered."""

import itertools
import json

import pytest
from aliyun.log import LogException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DEEP = 100_000
_numbers = itertools.count(1000)


def refusal(store, query: str) -> tuple[str, str]:
    """Code and message, both empty where the query is answered."""
    try:
        store.rows(query)
    except LogException as fault:
        return fault.get_error_code(), fault.get_error_message()
    return "", ""


@pytest.fixture
def odd(store):
    store.put(
        {"status": "1", "method": "A", "detail": "[" * DEEP + "]" * DEEP, "seconds": "nan"},
        {"status": "none", "method": "B", "detail": '{"user": ', "seconds": "1e999"},
        {"status": "9" * 400, "method": "C", "detail": '{"user": {"user": 1}}', "seconds": "-0"},
        {"status": "", "method": "D" * 200_000 + "none", "detail": '"' + "\\ud800" + '"'},
        {"status": "3", "method": "\x00\x1b[31m\u202e", "detail": "null", "seconds": "0x10"},
        at=10,
    )
    return store


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) as n",
        "select count(json_extract_scalar(detail, '$.user')) as n",
        'select count("detail.user") as n',
        'select sum("detail.items") as n',
        "select sum(status) as n, max(seconds) as m",
        "select method, count(*) as n group by method order by n desc limit 10",
        "select histogram(method) as h",
        "select regexp_extract(method, '(D+)+none', 1) as m",
        "select json_extract(detail, '$.user.user.user') as u",
    ],
)
def test_odd_records_break_no_analysis(odd, sql):
    odd.rows(f"* | {sql}")  # an answer, whatever it says
    assert odd.rows("* | select count(*) as n") == [{"n": "5"}]


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) as n from log a, log b, log c, log d, log e, log f, log g, log h",
        "select length(repeat(method, 1000000000)) as n",
        "select repeat(repeat(repeat('x', 10000), 10000), 10000) as n",
        "select lpad('x', 2000000000, 'y') as n",
        "select " + "(" * 3000 + "1" + ")" * 3000 + " as n",
        "select " + " + ".join(["1"] * 20_000) + " as n",
        "select regexp_like(method, '" + "(a|b)" * 3000 + "') as n",
    ],
)
def test_bomb_is_answered_or_refused_and_the_next_query_is_answered(odd, sql):
    code, message = refusal(odd, f"* | {sql}")
    assert code in {"", "ParameterInvalid", "ServerBusy"}
    assert len(message) < 2000
    assert odd.rows("* | select count(*) as n") == [{"n": "5"}]


def test_text_that_is_no_json_gives_null_and_the_others_their_values(odd):
    found = odd.rows("* | select json_extract_scalar(detail, '$.user.user') as u, method as m")
    assert {each["m"]: each["u"] for each in found if len(each["m"]) == 1} == {
        "A": "null",
        "B": "null",
        "C": "1",
    }
    assert odd.rows("* | select count(json_array_length(detail)) as n where method = 'B'") == [
        {"n": "0"}
    ]


@pytest.mark.parametrize("query", ["a*" * 60 + "b", "*a" * 60, "not " * 300 + "a", "(" * 300 + "a"])
def test_search_bomb_is_answered_or_refused(odd, query):
    assert refusal(odd, query)[0] in {"", "ParameterInvalid"}
    assert odd.rows("* | select count(*) as n") == [{"n": "5"}]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=60))
def test_any_text_comes_back_from_an_analysis_as_it_went_in(store, text):
    number = next(_numbers)
    store.put({"method": text, "status": str(number)})
    found = store.rows(f"* | select method as m where status = {number}")
    assert found == [{"m": text}], json.dumps(text)
