"""What is printed of a search, whatever the records hold; and the ends of its time."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loghub_cli import errors, moments, reading, results

NOW = 1_700_000_000.5


@given(st.lists(st.dictionaries(st.text(), st.text(), max_size=4), max_size=4))
def test_table_on_any_records_has_a_line_each_and_no_control_character(records):
    shown = list(results.lines(reading.Found(records, True), "table", colour=False, terminal=True))
    assert len(shown) == (len(records) + 1 if records else 0)
    assert all(unicodedata.category(char)[0] != "C" for line in shown for char in line)


@given(st.lists(st.fixed_dictionaries({"a": st.text(), "b": st.text()}), max_size=4))
def test_raw_rows_of_sql_are_one_line_each_with_their_values_apart(rows):
    found = reading.Found(rows, True, True, ("a", "b"))
    shown = list(results.lines(found, "raw", colour=False, terminal=False))
    assert len(shown) == len(rows)
    assert all(line.count("\t") == 1 and "\n" not in line for line in shown)


@pytest.mark.parametrize(
    ("found", "query", "words"),
    [
        (reading.Found([{}], False), "*", "Only a part"),
        (reading.Found([], True), "*", "Nothing was found"),
        (reading.Found([{}] * 2, True), "*", "newest 2 records"),
        (reading.Found([{}], True, True, (), 3), "*|select a", "first 1 of 4 rows"),
        (reading.Found([{}] * 100, True, True), "*|select a", "without a LIMIT"),
    ],
)
def test_what_is_not_shown_is_said(found, query, words):
    [note] = results.notes(found, query, 2)
    assert words in note


def test_answer_that_is_whole_needs_no_note():
    assert not list(results.notes(reading.Found([{}], True), "*", 2))
    assert not list(
        results.notes(reading.Found([{}] * 100, True, True), "*|select a LIMIT 100", 100)
    )


@pytest.mark.parametrize(
    ("since", "begin", "end", "expected"),
    [
        (None, None, None, (1_699_999_101, 1_700_000_001)),
        ("1h", None, None, (1_699_996_401, 1_700_000_001)),
        (None, "2h", "1h", (1_699_992_800, 1_699_996_401)),
        ("10s", None, "1000", (990, 1000)),
        (None, "1970-01-01T00:00:10.9Z", "1970-01-01T08:00:20.1+08:00", (10, 21)),
        ("7d", None, "10", (0, 10)),
    ],
)
def test_ends_of_the_time(since, begin, end, expected):
    assert moments.within(since, begin, end, NOW) == expected


@given(st.text() | st.from_regex(r"\A[0-9T:Z+-]{1,30}\Z"))
def test_text_that_is_no_moment_is_wrong_usage_and_never_another_error(text):
    try:
        first, last = moments.within(None, None, text, NOW)
    except errors.UsageError:
        return
    assert 0 <= first < last
