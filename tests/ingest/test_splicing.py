"""Stored blocks spliced into one answer are the list of their log groups, whatever made them."""

import lz4.block
from hypothesis import given
from hypothesis import strategies as st

from loghub_ingest import _core
from slswire import protobuf

_PIECES = st.lists(
    st.one_of(st.binary(max_size=40), st.sampled_from([b"GET /cart 200 ", b"a" * 300, b"\0" * 90])),
    max_size=40,
)
_MODES = st.sampled_from(
    [{"mode": "default"}, {"mode": "fast", "acceleration": 9}, {"mode": "high_compression"}]
)
_BLOCKS = st.lists(st.tuples(_PIECES.map(b"".join), _MODES), min_size=1, max_size=12)


def packed(raw: bytes, options=None) -> bytes:
    return lz4.block.compress(raw, store_size=False, **(options or {}))


@given(_BLOCKS)
def test_spliced_blocks_decode_to_the_list_of_their_groups(groups):
    found = _core.splice([(packed(raw, options), len(raw)) for raw, options in groups])
    assert found is not None
    whole = protobuf.join_log_groups([raw for raw, _ in groups])
    assert found[1] == len(whole)
    assert lz4.block.decompress(found[0], uncompressed_size=len(whole)) == whole


@given(st.binary(max_size=60), st.integers(0, 200))
def test_block_that_is_none_of_its_size_is_refused_and_never_read_past(block, size):
    found = _core.splice([(block, size)])
    try:
        raw = lz4.block.decompress(block, uncompressed_size=size) if size else b""
    except lz4.block.LZ4BlockError:
        return  # a distance that leads nowhere: stored blocks were decoded once, and have none
    if len(raw) != size:
        assert found is None


@given(_PIECES.map(b"".join), st.data())
def test_block_cut_short_is_refused(raw, data):
    block = packed(raw)
    cut = data.draw(st.integers(0, len(block) - 1))
    assert _core.splice([(block[:cut], len(raw))]) is None or not raw


def test_large_groups_of_one_letter_and_of_noise():
    noise = bytes((7919 * at * at) % 251 for at in range(300_000))
    groups = [b"a" * 400_000, noise, b"", b"b"]
    found = _core.splice([(packed(raw), len(raw)) for raw in groups])
    assert found is not None
    whole = protobuf.join_log_groups(groups)
    assert lz4.block.decompress(found[0], uncompressed_size=len(whole)) == whole
