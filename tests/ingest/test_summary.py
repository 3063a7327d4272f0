"""The compiled judge of log groups against slswire's: it never says yes to what that refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loghub_ingest import _core
from slswire import errors, protobuf
from slswire.model import Log, LogGroup

TEXT = st.text(max_size=12)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=4).map(tuple)
LOGS = st.builds(
    Log,
    time=st.integers(0, 2**32 - 1),
    contents=PAIRS,
    time_ns=st.none() | st.integers(0, 999_999_999),
)
GROUPS = st.builds(
    LogGroup,
    logs=st.lists(LOGS, max_size=6).map(tuple),
    topic=TEXT,
    source=TEXT,
    tags=PAIRS,
    machine_uuid=TEXT,
)


@given(group=GROUPS)
def test_every_group_of_the_twin_is_judged_at_once(group):
    raw = protobuf.encode_log_group(group)
    assert protobuf.Summary(*_core.summary(raw)) == protobuf.inspect(raw)


@given(group=GROUPS, data=st.data())
def test_damage_is_never_taken_for_a_group(group, data):
    raw = bytearray(protobuf.encode_log_group(group))
    if raw:
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] ^= data.draw(st.integers(1, 255))
    found = _core.summary(bytes(raw))
    if found is not None:
        assert protobuf.Summary(*found) == protobuf.inspect(bytes(raw))


@given(raw=st.binary(max_size=60))
def test_noise_is_never_taken_for_a_group(raw):
    found = _core.summary(raw)
    if found is not None:
        assert protobuf.Summary(*found) == protobuf.inspect(raw)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\x0a\x00", "PostBodyInvalid"),  # a log without a time
        (b"\x1a\x01\xff", "InvalidEncoding"),  # a topic that is no text
        (b"\x0a\x05\x08", "PostBodyInvalid"),  # cut
    ],
)
def test_what_is_in_doubt_is_refused_by_the_twin(raw, code):
    assert _core.summary(raw) is None
    with pytest.raises(errors.SlsError, match=code):
        protobuf.inspect(raw)
