"""Log groups against recorded bytes, against the official SDK's classes, and against damage."""

import pytest
from aliyun.log.log_logs_pb2 import LogGroup as OfficialLogGroup
from hypothesis import given
from hypothesis import strategies as st

from slswire import compress, errors, protobuf
from slswire.model import Log, LogGroup

RECORDED = [
    # Python SDK 0.9.52, {a:b}, no topic
    ("lz4", 34, "f0130a130880e2cfaa0612060a0161120162250014fb1e1a0022093132372e302e302e31"),
    (
        "zstd",
        34,
        "28b52ffd20221101000a130880e2cfaa0612060a01611201622500221d1f1a0022093132372e302e302e31",
    ),
    # Go SDK, {k:v}, topic t, source s; its zstd frame states no content size
    ("lz4", 22, "f0070a0e0880e2cfaa0612060a016b1201761a0174220173"),
    ("zstd", 22, "28b52ffd0400b100000a0e0880e2cfaa0612060a016b1201761a01742201735d0a30d2"),
    # Node SDK, nanoseconds and a tag
    ("", 35, "0a130880e2cfaa0612060a016112016225050000001a017422017332060a0178120179"),
]
PAIRS = st.lists(st.tuples(st.text(max_size=8), st.text(max_size=20)), max_size=4).map(tuple)
LOGS = st.builds(
    Log,
    time=st.integers(0, 2**32 - 1),
    contents=PAIRS,
    time_ns=st.none() | st.integers(0, 999_999_999),
)
GROUPS = st.builds(
    LogGroup,
    logs=st.lists(LOGS, max_size=4).map(tuple),
    topic=st.text(max_size=5),
    source=st.text(max_size=5),
    tags=PAIRS,
    machine_uuid=st.text(max_size=5),
)


def recorded(index: int) -> LogGroup:
    kind, size, body = RECORDED[index]
    raw = compress.decompress(kind, bytes.fromhex(body), raw_size=size, limit=100)
    return protobuf.decode_log_group(raw)


@pytest.mark.parametrize("index", [0, 1])
def test_recorded_python_body_decodes(index: int) -> None:
    group = recorded(index)
    assert [log.contents for log in group.logs] == [(("a", "b"),)]
    assert (group.logs[0].time, group.topic, group.source) == (1_700_000_000, "", "127.0.0.1")


@pytest.mark.parametrize("index", [2, 3])
def test_recorded_go_body_decodes(index: int) -> None:
    log = Log(1_700_000_000, (("k", "v"),))
    assert recorded(index) == LogGroup((log,), topic="t", source="s")


def test_recorded_node_body_decodes_and_encodes_to_the_same_bytes() -> None:
    log = Log(1_700_000_000, (("a", "b"),), time_ns=5)
    group = recorded(4)
    assert group == LogGroup((log,), topic="t", source="s", tags=(("x", "y"),))
    assert protobuf.encode_log_group(group).hex() == RECORDED[4][2]


@given(GROUPS)
def test_group_returns_as_it_went(group: LogGroup) -> None:
    assert protobuf.decode_log_group(protobuf.encode_log_group(group)) == group


@given(GROUPS)
def test_official_classes_read_what_we_write(group: LogGroup) -> None:
    official = OfficialLogGroup.FromString(protobuf.encode_log_group(group))
    assert (official.Topic, official.Source) == (group.topic, group.source)
    assert [log.Time for log in official.Logs] == [log.time for log in group.logs]
    assert protobuf.decode_log_group(official.SerializeToString()) == group


@given(st.lists(GROUPS, max_size=4))
def test_list_returns_its_groups_verbatim(groups: list[LogGroup]) -> None:
    encoded = [protobuf.encode_log_group(group) for group in groups]
    joined = protobuf.join_log_groups(encoded)
    assert protobuf.split_log_group_list(joined) == encoded
    assert protobuf.decode_log_group_list(joined) == groups


def test_body_cut_inside_a_field_is_refused() -> None:
    whole = bytes.fromhex(RECORDED[4][2])
    # The cuts between two top-level fields leave a shorter, valid group.
    between = {0, 21, 24, 27}
    for end in set(range(len(whole))) - between:
        with pytest.raises(errors.SlsError) as caught:
            protobuf.decode_log_group(whole[:end])
        assert (caught.value.code, caught.value.status) == ("PostBodyInvalid", 400)


@pytest.mark.parametrize("body", ["0a00", "0a080880e2cfaa061200"])
def test_missing_required_field_is_refused(body: str) -> None:
    with pytest.raises(errors.SlsError, match=r"PostBodyInvalid"):
        protobuf.decode_log_group(bytes.fromhex(body))


def test_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(errors.SlsError, match="InvalidEncoding"):
        protobuf.decode_log_group(bytes.fromhex("1a01ff"))


def by_decoding(data: bytes) -> protobuf.Summary | str:
    """What `inspect` must say, from the values; the code of its refusal."""
    try:
        times = [log.time for log in protobuf.decode_log_group(data).logs]
    except errors.SlsError as fault:
        return fault.code
    return protobuf.Summary(len(times), min(times, default=0), max(times, default=0))


def by_inspecting(data: bytes) -> protobuf.Summary | str:
    try:
        return protobuf.inspect(data)
    except errors.SlsError as fault:
        return fault.code


@given(GROUPS, st.data())
def test_inspect_says_of_damaged_groups_what_decoding_says(group, data):
    encoded = bytearray(protobuf.encode_log_group(group))
    for _ in range(data.draw(st.integers(0, 3)) if encoded else 0):
        at = data.draw(st.integers(0, len(encoded) - 1))
        encoded[at] = data.draw(st.sampled_from([0, 0x0A, 0x12, 0x7F, 0x80, 0xC0, 0xED, 0xFF]))
    assert by_inspecting(bytes(encoded)) == by_decoding(bytes(encoded))


@pytest.mark.parametrize(
    "text",
    [
        b"\xed\xa0\x80",  # a surrogate
        b"\xc0\x80",  # overlong
        b"\xf4\x90\x80\x80",  # beyond Unicode
        b"\xe4\xb8",  # cut
        "中文 \U0001f600 \0".encode(),
        b"\xef\xbf\xbf",  # a noncharacter, which is valid
    ],
)
@pytest.mark.parametrize("field", [b"k", b"v", b"t", b"s", b"x", b"y"])
def test_inspect_and_decoding_agree_on_what_is_utf8(text, field):
    group = LogGroup(
        (Log(7, (("kkk", "vvv"),)),), topic="ttt", source="sss", tags=(("xxx", "yyy"),)
    )
    encoded = protobuf.encode_log_group(group)
    padded = (text + b"    ")[: max(3, len(text))]
    if len(padded) != 3:
        padded = (text * 3)[:3]
    changed = encoded.replace(field * 3, padded)
    assert changed != encoded
    assert by_inspecting(changed) == by_decoding(changed)
