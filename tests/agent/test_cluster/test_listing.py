"""Reading a list while it arrives."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loghub_agent import errors
from loghub_agent.cluster import listing

ITEMS = st.lists(
    st.fixed_dictionaries(
        {
            "metadata": st.fixed_dictionaries({"name": st.text()}),
            "items": st.lists(st.integers() | st.floats(allow_nan=False) | st.text()),
        }
    ),
    max_size=6,
)
FIELDS = st.permutations(["kind", "apiVersion", "metadata", "items", "remaining"])


def read(chunks, limit=1_000_000):
    reader = listing.ListReader(limit)
    items = [item for chunk in chunks for item in reader.feed(chunk)]
    items += reader.finish()
    return items, reader.resource_version


@given(ITEMS, FIELDS, st.sampled_from([None, 1]), st.data())
def test_any_chunking_and_any_order_of_keys_gives_every_item(items, fields, indent, data):
    values = {
        "kind": "List",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "77", "items": [1]},
        "items": items,
        "remaining": 12,
    }
    document = {field: values[field] for field in fields}
    text = json.dumps(document, indent=indent, ensure_ascii=data.draw(st.booleans()))
    body = text.encode("utf-8", "replace")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    chunks = [body[start:end] for start, end in itertools.pairwise([0, *cuts, len(body)])]
    assert read(chunks) == (json.loads(body)["items"], "77")


def test_one_byte_at_a_time_gives_every_item():
    body = b'{"items": [{"a": 12}, {"b": "\xc3\xa4"}], "metadata": {"resourceVersion": "5"}}\n'
    assert read([bytes([byte]) for byte in body]) == ([{"a": 12}, {"b": "ä"}], "5")


def test_list_whose_items_are_null_is_empty():
    assert read([b'{"metadata":{"resourceVersion":"5"},"items":null}']) == ([], "5")


def test_list_torn_at_any_byte_is_refused():
    body = b'{"items":[{"a":1},{"b":2}],"metadata":{"resourceVersion":"5"}}'
    for length in range(len(body)):
        with pytest.raises(errors.ApiError):
            read([body[:length]])


@pytest.mark.parametrize(
    "body",
    [b"[]", b"no list", b'{"items":[1],"metadata":{}}', b'{"items":{}}', b"<html></html>",
     b'{"items":[{"a":1} x],"metadata":{}}', b'{"items":[' + b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_list_is_refused(body):
    with pytest.raises(errors.ApiError):
        read([body])


def test_item_over_the_limit_is_refused():
    with pytest.raises(errors.ApiError, match="over 100 bytes"):
        read([b'{"items":[{"a":"' + b"x" * 200], limit=100)


def test_long_list_of_small_items_stays_below_the_limit():
    parts = [b'{"items":[', *[b'{"a":1},'] * 1000, b'{"a":1}],"metadata":{"resourceVersion":"5"}}']
    items, _ = read(parts, limit=200)
    assert len(items) == 1001
