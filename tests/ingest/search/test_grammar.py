"""The grammar: what it reads, what it refuses, and that nothing else ever happens."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loghub_ingest.search import grammar
from loghub_ingest.search.grammar import And, Bound, Empty, Everything, Exists, Not, Or, Range, Text
from slswire import errors


def word(*pieces: str, field: str = "", phrase: bool = False) -> Text:
    return Text(field, pieces, phrase)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", Everything()),
        ("*", Everything()),
        ("a", word("a")),
        ("a b", And((word("a"), word("b")))),
        ("a and b or c", Or((And((word("a"), word("b"))), word("c")))),
        ("a AND NOT b", And((word("a"), Not(word("b"))))),
        ("not not a", Not(Not(word("a")))),
        ("a and (b or c)", And((word("a"), Or((word("b"), word("c")))))),
        ('"a and b"', word("a and b")),
        ('#"a, b"', word("a, b", phrase=True)),
        (r'"a \"b\" \\"', word('a "b" \\')),
        (r"a\:b\ c\*", word("a:b c*")),
        ("fail*", word("fail", "*", "")),
        ("a?c*", word("a", "?", "c", "*", "")),
        ("a**", word("a", "*", "", "*", "")),
        ('"a*"', word("a*")),
        ("key:value", word("value", field="key")),
        ('key : "a b"', word("a b", field="key")),
        ('"my key":x', word("x", field="my key")),
        ("key:*", Exists("key")),
        ('key:""', Empty("key")),
        ("__tag__:__path__:/x", word("/x", field="__tag__:__path__")),
        ('__tag__:"a b":x', word("x", field="__tag__:a b")),
        ("__tag__:n > 3", Range("__tag__:n", Bound("3", open=True), None)),
        ("status>=500", Range("status", Bound("500", open=False), None)),
        ("status < 1.5e3", Range("status", None, Bound("1.5e3", open=True))),
        ("status = 1", Range("status", Bound("1", open=False), Bound("1", open=False))),
        ("status: > 1", Range("status", Bound("1", open=True), None)),
        ("t in (1 -2]", Range("t", Bound("1", open=True), Bound("-2", open=False))),
        ("t:[1 2)", Range("t", Bound("1", open=False), Bound("2", open=True))),
        ("in and a", And((word("in"), word("a")))),
        ("or: a", word("a", field="or")),
    ],
)
def test_query_is_read_as_its_tree(query, expected):
    assert grammar.parse(query) == expected


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ('"open', "quotation is not closed at character 0"),
        ("a and", "ends where a keyword is expected"),
        ("or a", "or"),
        ("(a", "')' is missing"),
        ("a)", "not expected"),
        ("*a", "begins with a wildcard"),
        ("key:?a", "begins with a wildcard"),
        ("x > y", "no number"),
        ("t in [1 2", "missing"),
        ("a:", "ends where a keyword is expected"),
        ("a\\", "backslash"),
        (" ".join("a" * 31), "more than 30 keywords"),
        ("(" * 40 + "a" + ")" * 40, "nested deeper"),
        ("not " * 40 + "a", "nested deeper"),
        ("a" * 5000, "longer than 4096"),
        ("a" * 2000, "longer than 1024"),
        ("a*b" * 9, "more than 8 wildcards"),
    ],
)
def test_query_that_cannot_be_read_says_why(query, reason):
    with pytest.raises(errors.SlsError, match="OLSQueryParseError") as caught:
        grammar.parse(query)
    assert caught.value.code == "ParameterInvalid"
    assert reason in caught.value.message


@given(st.text(alphabet='ab*?"\\:()[]<>=|# \n中', max_size=60) | st.text(max_size=60))
def test_any_text_is_read_or_refused(query):
    with contextlib.suppress(errors.SlsError):
        grammar.parse(query)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a | select 1", ("a", "select 1")),
        ('"a | b" | select 1', ('"a | b"', "select 1")),
        (r"a \| b", (r"a \| b", "")),
        ("* | select '|'", ("*", "select '|'")),
        ("a", ("a", "")),
    ],
)
def test_analysis_begins_at_the_first_bare_pipe(query, expected):
    assert grammar.split(query) == expected
