"""Messages between the service and a worker: a JSON head, then bytes, each with its length."""

import json
import struct
from typing import IO, Any, Final

MAX_BYTES: Final = 64 * 1024 * 1024
"""Of one part; a log group is far below it."""

_LENGTHS: Final = struct.Struct("<II")


def write(pipe: IO[bytes], head: dict[str, Any], body: bytes = b"") -> None:
    """One message.

    Raises:
        OSError: the other side is gone.
    """
    encoded = json.dumps(head, ensure_ascii=False).encode()
    pipe.write(_LENGTHS.pack(len(encoded), len(body)))
    pipe.write(encoded)
    pipe.write(body)
    pipe.flush()


def read(pipe: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """The next message.

    Raises:
        EOFError: there is none: the other side is gone.
    """
    head, body = _LENGTHS.unpack(_exactly(pipe, _LENGTHS.size))
    if max(head, body) > MAX_BYTES:
        raise EOFError("a message is longer than any that is sent")
    return json.loads(_exactly(pipe, head)), _exactly(pipe, body)


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) == size:
        return data
    parts = bytearray(data)
    while len(parts) < size:  # a pipe without a buffer gives what is there
        more = pipe.read(size - len(parts))
        if not more:
            raise EOFError("the other process is gone")
        parts += more
    return bytes(parts)
