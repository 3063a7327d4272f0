"""What a person or a program reads of a record, whatever a container wrote."""

import json
import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from loghub_cli import rendering

RECORD = {
    "__time__": "1700000000",
    "__source__": "10.0.0.1",
    "__tag__:_namespace_": "shop",
    "__tag__:_pod_name_": "orders-1",
    "__tag__:_container_name_": "app",
    "_time_": "2023-11-14T22:13:20.123456789Z",
    "_source_": "stdout",
    "content": "GET / 200",
}


def test_record_of_a_container_shows_time_pod_container_and_line():
    assert rendering.line(RECORD, "text", colour=False) == (
        "2023-11-14T22:13:20.123Z  shop/orders-1 app  GET / 200"
    )


def test_each_pod_has_a_colour_of_its_own_and_stderr_is_red():
    other = RECORD | {"__tag__:_pod_name_": "orders-2"}
    shown = [rendering.line(each, "text", colour=True) for each in (RECORD, RECORD, other)]
    marks = [re.findall(r"\x1b\[(\d+)m(?=shop)", each)[0] for each in shown]
    assert marks[0] == marks[1] != marks[2]
    assert "\x1b[31m" not in "".join(shown)
    failed = rendering.line(RECORD | {"_source_": "stderr"}, "text", colour=True)
    assert failed.endswith("\x1b[31mGET / 200\x1b[0m")


def test_record_of_an_sdk_shows_source_and_fields():
    found = {"__time__": "0", "__source__": "10.0.0.1", "__topic__": "", "level": "info", "n": "1"}
    assert rendering.line(found, "text", colour=False) == (
        "1970-01-01T00:00:00Z  10.0.0.1  level=info n=1"
    )


def test_json_output_is_one_document_per_line():
    found = RECORD | {"content": "a\nb"}
    text = rendering.line(found, "json", colour=False)
    assert "\n" not in text
    assert json.loads(text) == found


def test_time_out_of_range_is_shown_as_unknown():
    assert rendering.line({"__time__": "9" * 30}, "text", colour=False).startswith("-  ")


@given(st.dictionaries(st.text(), st.text()))
def test_json_holds_everything_and_no_control_character(found):
    shown = rendering.line(found, "json", colour=False)
    assert json.loads(shown) == found
    assert all(unicodedata.category(char)[0] != "C" for char in shown)


@given(st.text(), st.text())
def test_no_control_sequence_reaches_the_terminal(content, pod):
    found = RECORD | {"content": content, "__tag__:_pod_name_": pod, "_time_": content}
    for shape in ("text", "raw"):
        shown = rendering.line(found, shape, colour=False)
        assert all(unicodedata.category(char)[0] != "C" or char in "\n\t" for char in shown)
