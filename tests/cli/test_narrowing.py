"""Which records are shown, and the same said in the service's language."""

import pytest

from loghub_cli import errors, narrowing

RECORD = {
    "__tag__:_pod_name_": "web-1",
    "__tag__:_container_name_": "app",
    "_source_": "stderr",
    "content": "GET /cart 500",
}


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({}, True),
        ({"pod": "web-1"}, True),
        ({"pod": "web-*"}, True),
        ({"pod": "web"}, False),
        ({"container": "app", "stream": "stderr"}, True),
        ({"stream": "stdout"}, False),
        ({"include": ("cart", "500$")}, True),
        ({"include": ("cart", "200$")}, False),
        ({"exclude": ("healthz",)}, True),
        ({"exclude": ("healthz", "cart")}, False),
    ],
)
def test_record_is_taken_where_all_of_it_fits(fields, taken):
    for key in ("include", "exclude"):
        if key in fields:
            fields = fields | {key: tuple(map(narrowing.pattern, fields[key]))}
    assert narrowing.Narrowing(**fields).takes(RECORD) is taken


def test_record_of_an_sdk_has_no_pod_to_fit():
    assert not narrowing.Narrowing(pod="*-1").takes({"content": "x"})
    assert narrowing.Narrowing().takes({})


@pytest.mark.parametrize(
    ("query", "whole"),
    [
        ("*", "__tag__:_pod_name_: web-*"),
        ("", "__tag__:_pod_name_: web-*"),
        ("a or b", "(a or b) and __tag__:_pod_name_: web-*"),
        ("* | SELECT 1", "__tag__:_pod_name_: web-* | SELECT 1"),
        ("a | SELECT '|'", "(a) and __tag__:_pod_name_: web-* | SELECT '|'"),
    ],
)
def test_query_has_the_place_beside_what_was_asked(query, whole):
    assert narrowing.Narrowing(pod="web-*").query(query) == whole
    assert narrowing.Narrowing().query(query) == query


@pytest.mark.parametrize("name", ["*web", 'a" or *', "a b", "web-**", "(a)"])
def test_name_that_would_be_more_than_a_name_is_refused(name):
    with pytest.raises(errors.UsageError, match="write a name"):
        narrowing.Narrowing(container=name).query("*")
