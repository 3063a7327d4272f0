"""The budget of writes: never more than its rate, everybody's turn comes, one look for each."""

from hypothesis import given
from hypothesis import strategies as st

from loghub_operator import pacing


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(0, 300)), max_size=300))
def test_never_more_than_the_burst_and_the_rate(steps):
    now, written = [0.0], 0
    pace = pacing.Pace(lambda: now[0])
    for pause, key in steps:
        now[0] += pause
        written += pace.wait(key) == 0.0
        assert written <= pacing.BURST + now[0] * pacing.PER_SECOND + 1e-6


def test_thousands_come_in_turn_with_one_look_each():
    now = [0.0]
    pace = pacing.Pace(lambda: now[0])
    waits = {key: pace.wait(key) for key in range(1000)}
    later = sorted(wait for wait in waits.values() if wait > 0)
    assert len(later) == 1000 - pacing.BURST
    assert later[-1] <= 1000 / pacing.PER_SECOND
    for key, wait in waits.items():
        now[0] = wait
        assert not wait or pace.wait(key) == 0.0


def test_who_could_not_wait_has_no_turn_left():
    now = [0.0]
    pace = pacing.Pace(lambda: now[0])
    for key in range(200):
        pace.wait(key)
    pace.charge(150)
    assert pace.wait(150) > 0
