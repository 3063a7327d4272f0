"""Samples are judged by the real parser when a pipeline is read."""

import pytest

from loghub_agent import errors

PARSER = {"regex": {"pattern": r"(\S+) (\d+)", "keys": ["method", "status"]}}
GOOD = {"line": "GET 200", "expect": {"method": "GET", "status": "200"}}


def judged(make_pipeline, *samples, **spec):
    return make_pipeline(samples=list(samples), **({"parser": PARSER} | spec))


def test_samples_that_hold_leave_the_pipeline_as_it_is(make_pipeline):
    assert judged(make_pipeline, GOOD) == make_pipeline(parser=PARSER)


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (
            {"line": "GET 200", "expect": {"status": "20"}},
            "spec.samples[1].expect.status: expected '20', got '200'",
        ),
        (
            {"line": "GET 200", "expect": {"code": "200"}},
            "spec.samples[1].expect.code: expected '200', got no such field, only method, status",
        ),
        ({"line": "nothing", "expect": {"status": "200"}}, "the line cannot be parsed:"),
        ({"line": "", "expect": {}}, "spec.samples[1].line is empty"),
        ({"line": "x", "expected": {}}, "spec.samples[1].expected is not a field"),
    ],
)
def test_sample_that_differs_names_field_expected_and_got(make_pipeline, sample, words):
    with pytest.raises(errors.RefusedError) as caught:
        judged(make_pipeline, GOOD, sample)
    assert words in str(caught.value)


def test_sample_of_several_lines_is_one_record(make_pipeline):
    trace = {"line": "Traceback\n  at x", "expect": {"content": "Traceback\n  at x"}}
    judged(make_pipeline, trace, parser=None, multiline={"start": "^T"})
    with pytest.raises(errors.RefusedError, match=r"spec.samples\[0\] makes 2 records"):
        judged(make_pipeline, trace, parser=None)


def test_time_of_a_record_can_be_expected(make_pipeline):
    time = {"key": "at", "format": "%Y-%m-%dT%H:%M:%SZ"}
    parser = {"json": {}}
    line = '{"at": "2024-01-01T00:00:00Z"}'
    good = {"line": line, "expect": {"__time__": "1704067200"}}
    judged(make_pipeline, good, parser=parser, time=time)
    with pytest.raises(errors.RefusedError, match=r"__time__: expected '1', got '1704067200'"):
        judged(make_pipeline, good | {"expect": {"__time__": "1"}}, parser=parser, time=time)


def test_dropped_sample_is_refused_unless_chance_drops_it(make_pipeline):
    judged(make_pipeline, GOOD, processors=[{"sample": {"rate": 0}}])
    with pytest.raises(errors.RefusedError, match=r"spec.samples\[0\] is dropped"):
        judged(make_pipeline, GOOD, processors=[{"filter": {"exclude": {"method": "GET"}}}])


def test_too_many_samples_are_refused(make_pipeline):
    with pytest.raises(errors.RefusedError, match=r"spec\.samples has over 20 entries"):
        judged(make_pipeline, *[GOOD] * 21)
