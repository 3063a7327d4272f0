"""The body compressions of SLS, with the output capped before anything is allocated.

`lz4` is a raw LZ4 block (no frame, no size prefix); `zstd` a frame, with or without its content
size (Go sends none); `deflate` a zlib stream, raw deflate accepted; the empty name means none.
"""

import zlib

import lz4.block
import zstandard

from slswire import errors

_LEVEL = 1
"""zstd and zlib level: logs compress well at once, and the sender's CPU is the user's."""


def compress(kind: str, data: bytes) -> bytes:
    """`data` as a body of `x-log-compresstype: kind`.

    Raises:
        SlsError: InvalidCompressType.
    """
    match kind:
        case "":
            return data
        case "lz4":
            return bytes(lz4.block.compress(data, store_size=False))
        case "zstd":
            return zstandard.ZstdCompressor(level=_LEVEL).compress(data)
        case "deflate":
            return zlib.compress(data, _LEVEL)
        case _:
            raise errors.make("InvalidCompressType", value=kind)


def decompress(kind: str, data: bytes, *, raw_size: int, limit: int) -> bytes:
    """The raw body.

    Args:
        kind: the value of `x-log-compresstype`, empty for none.
        data: the body as it came.
        raw_size: bytes the sender states (`x-log-bodyrawsize`); the output is exactly that long.
        limit: bytes allowed at the most.

    Raises:
        SlsError: InvalidCompressType, InvalidBodyRawSize, PostBodyTooLarge or
            PostBodyUncompressError.
    """
    if raw_size < 0:
        raise errors.make("InvalidBodyRawSize")
    if max(raw_size, len(data)) > limit:
        raise errors.make("PostBodyTooLarge", size=max(raw_size, len(data)), limit=limit)
    try:
        raw = _expand(kind, data, raw_size)
    except (lz4.block.LZ4BlockError, zstandard.ZstdError, zlib.error, ValueError) as fault:
        raise errors.make("PostBodyUncompressError", detail=f"{kind}: {fault}") from fault
    if len(raw) != raw_size:
        detail = f"{len(raw)} bytes came out, x-log-bodyrawsize says {raw_size}."
        raise errors.make("PostBodyUncompressError", detail=detail)
    return raw


def _expand(kind: str, data: bytes, raw_size: int) -> bytes:
    match kind:
        case "":
            return data
        case "lz4":
            return bytes(lz4.block.decompress(data, uncompressed_size=raw_size))
        case "zstd":
            return _expand_zstd(data, raw_size)
        case "deflate":
            return _expand_deflate(data, raw_size)
        case _:
            raise errors.make("InvalidCompressType", value=kind)


def _expand_zstd(data: bytes, raw_size: int) -> bytes:
    # A frame's own content size wins over max_output_size in this library, so it is judged first.
    stated = zstandard.frame_content_size(data)
    if stated > raw_size:
        raise ValueError(f"the frame states {stated} bytes, more than x-log-bodyrawsize {raw_size}")
    reader = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=False)
    raw = reader.read(raw_size + 1)
    return bytes(raw)


def _expand_deflate(data: bytes, raw_size: int) -> bytes:
    try:
        return _inflate(data, raw_size, zlib.MAX_WBITS)
    except zlib.error:
        return _inflate(data, raw_size, -zlib.MAX_WBITS)


def _inflate(data: bytes, raw_size: int, window: int) -> bytes:
    stream = zlib.decompressobj(window)
    # One byte more than stated, so that a body that lies is seen; 0 would mean "no limit".
    raw = stream.decompress(data, raw_size + 1)
    if len(raw) <= raw_size and not stream.eof:
        raise zlib.error("the stream ends too early")
    return raw
