"""Cutting a stream into lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loghub_agent import errors
from loghub_agent.cluster import lines


@given(st.lists(st.binary(max_size=20)))
def test_any_chunking_gives_the_lines_of_the_whole(chunks):
    reader = lines.LineReader(1000)
    found = [found for chunk in chunks for found in reader.feed(chunk)]
    *whole, _unfinished = b"".join(chunks).split(b"\n")
    assert found == [text for text in whole if text]


def test_line_at_the_limit_passes():
    assert list(lines.LineReader(3).feed(b"abc\n")) == [b"abc"]


@pytest.mark.parametrize("chunks", [[b"abcd\n"], [b"ab", b"cd"], [b"a\nabcd"]])
def test_line_over_the_limit_is_refused(chunks):
    reader = lines.LineReader(3)
    with pytest.raises(errors.ApiError, match="over 3 bytes"):
        [list(reader.feed(chunk)) for chunk in chunks]
