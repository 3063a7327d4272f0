"""Coarse numbers: what is news at once, what waits, and how seldom a steady stream is written."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loghub_agent import figures, supervisor

COUNTERS = dict.fromkeys(supervisor.COUNTERS, 0.0)


def stats(lines=0, lag=0.0, lost=None, size=100):
    numbers = supervisor.PipelineStats(
        counters=COUNTERS | {"sentLines": lines, "sentBytes": lines * size},
        gauges={"lagSeconds": lag, "queueBytes": 0},
        lost=lost or {},
        parse_errors={},
        dropped={},
        last_error="",
    )
    return supervisor.Stats({"orders": numbers}, {}, 0, 0)


@pytest.fixture
def board():
    return figures.Board()


def test_first_records_are_news_at_once(board):
    assert board.look(stats(), 1000.0)["orders"].document() == {}
    assert board.look(stats(7), 1010.0)["orders"].document() == {
        "lines": 7,
        "bytes": 700,
        "lastLogTime": "1970-01-01T00:16:50Z",
    }


def test_more_of_the_same_waits_a_minute(board):
    board.look(stats(7), 1000.0)
    assert board.look(stats(8), 1030.0)["orders"].lines == 7
    assert board.look(stats(9), 1061.0)["orders"].lines == 9


@pytest.mark.parametrize("change", [{"lag": 61.0}, {"lost": {"Deleted": 5}}])
def test_growing_delay_and_new_loss_do_not_wait(board, change):
    board.look(stats(7), 1000.0)
    found = board.look(stats(7, **change), 1001.0)["orders"].document()
    assert found.get("lagSeconds") == (60 if "lag" in change else None)
    assert found.get("lostBytes") == change.get("lost")


def test_delay_at_the_edge_of_a_step_is_not_written_at_each_look(board):
    shown = [
        board.look(stats(7, lag=29.0 + 2 * (second % 20 < 10)), 1000.0 + second)["orders"]
        for second in range(0, 600, 10)
    ]
    assert sum(a != b for a, b in itertools.pairwise(shown)) <= 2 * 600 / 60 + 1


def test_when_records_stop_the_time_of_the_last_one_is_shown(board):
    board.look(stats(100), 1000.0)
    board.look(stats(101), 1010.0)  # two digits are the same
    assert board.look(stats(101), 1100.0)["orders"].last == 1010.0


def test_steady_stream_of_a_day_is_written_ever_more_seldom(board):
    shown, changes = None, []
    for second in range(0, 24 * 3600, 10):
        seen = board.look(stats(second * 50), 1e9 + second)["orders"]
        if seen != shown:
            shown = seen
            changes.append(second)
    assert len([each for each in changes if each < 3600]) <= 61
    assert len([each for each in changes if each >= 12 * 3600]) <= 100


def test_pipeline_that_is_gone_is_forgotten(board):
    board.look(stats(7), 1000.0)
    assert board.look(supervisor.Stats({}, {}, 0, 0), 1001.0) == {}
    assert board.look(None, 1002.0) == {}


@given(st.integers(0, 2**60))
def test_coarse_count_is_near_and_never_more(count):
    rounded = figures.coarse(count)
    assert rounded <= count
    assert count - rounded <= count / 10
    assert figures.coarse(rounded) == rounded
