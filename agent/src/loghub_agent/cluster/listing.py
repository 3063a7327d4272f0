"""Reads a Kubernetes list item by item while it arrives. Used by `reflector`.

A list of 5,000 pipelines is 15 MB of JSON and five times that once decoded; read this way, one item
at a time is in memory. Keys come in any order: custom resources have `metadata` after `items`.
"""

import codecs
import json
from collections.abc import Iterator
from typing import Any, Final

from loghub_agent import errors

_WHITESPACE: Final = " \t\r\n"
_GROWTH: Final = 1.25
"""How much the text must grow before an unfinished value is tried again: keeps the work for a large
item linear however small the chunks are."""


class ListReader:
    """Feed it chunks of any size; items come out, then `finish` checks the end."""

    def __init__(self, limit: int) -> None:
        """`limit` is the most characters of one value of the list."""
        self._limit = limit
        self._text = ""
        self._position = 0
        self._try_at = 0
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._json = json.JSONDecoder()
        self._within: str = "start"
        self._metadata: Any = None

    def feed(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        """Yield the items that `chunk` completes.

        Raises:
            ApiError: the text is no list, or a value of it is longer than the limit.
        """
        self._text += self._decode(chunk)
        if len(self._text) >= self._try_at:
            yield from self._advance()
        if len(self._text) > self._limit:
            raise errors.ApiError(f"the API server sent a list item of over {self._limit} bytes")

    def finish(self) -> Iterator[dict[str, Any]]:
        """Yield what only the end of the text completes, and check that the list is whole.

        Raises:
            ApiError: the list ended in its middle.
        """
        yield from self._advance()
        if self._within != "end" or not isinstance(self._metadata, dict):
            raise errors.ApiError("the API server's list ended in its middle")

    @property
    def resource_version(self) -> str:
        """The list's resource version, once finished."""
        return str(self._metadata.get("resourceVersion", ""))

    def _advance(self) -> Iterator[dict[str, Any]]:
        try:
            while self._within != "end" and self._skip():
                if self._within == "items":
                    yield from self._item()
                else:
                    self._field()
        except (json.JSONDecodeError, _UnfinishedError):
            pass  # more is to come; `finish` and the limit catch what is really broken
        except RecursionError as fault:
            raise errors.ApiError("the API server sent a list nested too deeply") from fault
        self._text = self._text[self._position :]
        self._position = 0
        self._try_at = int(len(self._text) * _GROWTH)

    def _skip(self) -> bool:
        """Move to the next character that means something; say whether there is one."""
        while self._position < len(self._text):
            if self._text[self._position] not in _WHITESPACE + ",":
                return True
            self._position += 1
        return False

    def _value(self) -> Any:
        """Decode the value at the position; it is complete once something follows it."""
        value, end = self._json.raw_decode(self._text, self._position)
        if end >= len(self._text):
            raise _UnfinishedError
        self._position = end
        return value

    def _item(self) -> Iterator[dict[str, Any]]:
        if self._text[self._position] == "]":
            self._position += 1
            self._within = "fields"
            return
        item = self._value()
        if not isinstance(item, dict):
            raise errors.ApiError("the API server sent a list with an item that is no object")
        yield item

    def _field(self) -> None:
        """Read the opening brace, the closing one, or one field with its value."""
        character = self._text[self._position]
        if self._within == "start" or character == "}":
            if character not in "{}":
                raise errors.ApiError("the API server's answer is no list")
            self._within = "fields" if self._within == "start" else "end"
            self._position += 1
            return
        before = self._position
        try:
            self._named_value()
        except (json.JSONDecodeError, _UnfinishedError):
            self._position = before
            raise

    def _named_value(self) -> None:
        name = self._value()
        if not self._skip() or self._text[self._position] != ":":
            raise _UnfinishedError
        self._position += 1
        if not self._skip():
            raise _UnfinishedError
        if name == "items" and self._text[self._position] == "[":
            self._position += 1
            self._within = "items"
            return
        value = self._value()
        if name == "metadata":
            self._metadata = value


class _UnfinishedError(Exception):
    """The text so far ends within a value."""
