"""Compressions: round trips, both kinds of deflate, and bodies that lie about their size."""

import zlib

import lz4.block
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from slswire import compress, errors

KINDS = ["", "lz4", "zstd", "deflate"]
LIMIT = 1 << 20
BOMB = bytes(64 << 20)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.binary(min_size=1, max_size=2000))
def test_body_returns_as_it_went(kind: str, data: bytes) -> None:
    packed = compress.compress(kind, data)
    assert compress.decompress(kind, packed, raw_size=len(data), limit=LIMIT) == data


def test_raw_deflate_is_read() -> None:
    stream = zlib.compressobj(wbits=-15)
    packed = stream.compress(b"line") + stream.flush()
    assert compress.decompress("deflate", packed, raw_size=4, limit=LIMIT) == b"line"


@pytest.mark.parametrize(
    ("kind", "packed"),
    [
        ("lz4", lz4.block.compress(BOMB, store_size=False)),
        ("zstd", zstandard.ZstdCompressor().compress(BOMB)),
        ("zstd", zstandard.ZstdCompressor(write_content_size=False).compress(BOMB)),
        ("deflate", zlib.compress(BOMB)),
    ],
)
def test_bomb_is_refused(kind: str, packed: bytes) -> None:
    with pytest.raises(errors.SlsError) as caught:
        compress.decompress(kind, packed, raw_size=1000, limit=LIMIT)
    assert caught.value.code == "PostBodyUncompressError"


@pytest.mark.parametrize("kind", KINDS)
def test_body_shorter_than_stated_is_refused(kind: str) -> None:
    packed = compress.compress(kind, b"12345")
    with pytest.raises(errors.SlsError, match="PostBodyUncompressError"):
        compress.decompress(kind, packed, raw_size=6, limit=LIMIT)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_noise_is_refused(kind: str) -> None:
    with pytest.raises(errors.SlsError, match="PostBodyUncompressError"):
        compress.decompress(kind, b"\xff\xfe\xfd", raw_size=100, limit=LIMIT)


def test_stated_size_over_the_limit_is_refused() -> None:
    with pytest.raises(errors.SlsError, match="PostBodyTooLarge"):
        compress.decompress("lz4", b"x", raw_size=LIMIT + 1, limit=LIMIT)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(errors.SlsError, match="InvalidCompressType"):
        compress.decompress("snappy", b"x", raw_size=1, limit=LIMIT)
