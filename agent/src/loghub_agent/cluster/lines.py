"""Cuts a byte stream into lines, bounded. The API server sends a watch as one JSON text a line."""

from collections.abc import Iterator

from loghub_agent import errors


class LineReader:
    """Feed it chunks of any size; complete lines come out, a last unfinished one never does."""

    def __init__(self, limit: int) -> None:
        """`limit` is the most bytes of one line."""
        self._limit = limit
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the lines that `chunk` completes, without line feed; empty ones are left out.

        Raises:
            ApiError: a line is longer than the limit.
        """
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            line = bytes(self._rest) + chunk[start:end]
            self._rest.clear()
            start = end + 1
            self._check(len(line))
            if line:
                yield line
        self._rest += chunk[start:]
        self._check(len(self._rest))

    def _check(self, length: int) -> None:
        if length > self._limit:
            raise errors.ApiError(f"the API server sent a watch event of over {self._limit} bytes")
