"""The search grammar, and whether a record matches: words, phrases, fields, and / or / not.

    query   = or ; or = and ("or" and)* ; and = not (["and"] not)* ; not = "not" not | term
    term    = "(" or ")" | "*" | [field ":"] word ; a word may end in "*"

`api.querying` parses once and matches each record. A query is bounded in length and in depth. What
follows a `|` is SQL and is refused by name.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Final

from slswire import errors

MAX_QUERY_CHARS: Final = 4096
MAX_TERMS: Final = 30
"""The service's own limit on keywords."""

MAX_DEPTH: Final = 30

DELIMITERS: Final = ", '\";=()[]{}?@&<>/:\n\t\r"
"""The service's default tokens of a full-text index."""

_TOKEN: Final = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([()])|([^\s()":|]+)|([:|]))')

Record = Mapping[str, str]
Match = Callable[[Record], bool]


@dataclasses.dataclass(frozen=True, slots=True)
class Index:
    """How text is cut into words: delimiters, and whether case counts."""

    delimiters: str = DELIMITERS
    case_sensitive: bool = False

    def words(self, text: str) -> list[str]:
        """The words of `text`, in order."""
        table = str.maketrans(dict.fromkeys(self.delimiters, " "))
        return (text if self.case_sensitive else text.lower()).translate(table).split()


@dataclasses.dataclass(frozen=True, slots=True)
class _Token:
    text: str
    kind: str


def parse(query: str, index: Index) -> Match:
    """A function that tells whether a record matches `query`.

    Raises:
        SlsError: ParameterInvalid, which says what is wrong and where.
    """
    if len(query) > MAX_QUERY_CHARS:
        raise _invalid(f"The query is longer than {MAX_QUERY_CHARS} characters")
    tokens = _tokens(query)
    if not tokens:
        return lambda _record: True
    parser = _Parser(tokens, index)
    match = parser.either(0)
    parser.end()
    return match


def _tokens(query: str) -> list[_Token]:
    found, at = [], 0
    while query[at:].strip():
        token = _TOKEN.match(query, at)
        if token is None:
            raise _invalid(f"A quotation is not closed at character {at}")
        quoted, paren, word, mark = token.groups()
        if mark == "|":
            raise errors.make("NotSupported", detail="Analysis (what follows |) is not supported.")
        if quoted is not None:
            found.append(_Token(re.sub(r"\\(.)", r"\1", quoted), "quoted"))
        else:
            found.append(_Token(paren or word or mark, "mark" if paren or mark else "word"))
        at = token.end()
    return found


class _Parser:
    def __init__(self, tokens: list[_Token], index: Index) -> None:
        self._tokens, self._index = tokens, index
        self._at = self._terms = 0

    def either(self, depth: int) -> Match:
        if depth > MAX_DEPTH:
            raise _invalid(f"The query is nested deeper than {MAX_DEPTH}")
        found = [self._both(depth)]
        while self._keyword("or"):
            found.append(self._both(depth))
        return found[0] if len(found) == 1 else lambda record: any(m(record) for m in found)

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise _invalid(f"{self._tokens[self._at].text!r} is not expected there")

    def _both(self, depth: int) -> Match:
        found = [self._negated(depth)]
        while self._keyword("and") or self._begins_term():
            found.append(self._negated(depth))
        return found[0] if len(found) == 1 else lambda record: all(m(record) for m in found)

    def _negated(self, depth: int) -> Match:
        if depth > MAX_DEPTH:
            raise _invalid(f"The query is nested deeper than {MAX_DEPTH}")
        if self._keyword("not"):
            inner = self._negated(depth + 1)
            return lambda record: not inner(record)
        if self._mark("("):
            found = self.either(depth + 1)
            if not self._mark(")"):
                raise _invalid("A parenthesis is not closed")
            return found
        return self._term()

    def _term(self) -> Match:
        first = self._word()
        if first.kind == "word" and first.text == "*":
            return lambda _record: True
        if self._mark(":"):
            return self._matcher(self._word(), field=first.text)
        return self._matcher(first, field="")

    def _matcher(self, word: _Token, field: str) -> Match:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise _invalid(f"The query has more than {MAX_TERMS} keywords")
        prefix = word.kind == "word" and word.text.endswith("*")
        words = self._index.words(word.text.removesuffix("*") if prefix else word.text)
        index = self._index

        def text_matches(text: str) -> bool:
            return _contains(index.words(text), words, prefix=prefix)

        if word.kind == "word" and word.text == "*":
            return lambda record: field in record
        if field:
            return lambda record: field in record and text_matches(record[field])
        return lambda record: any(text_matches(text) for text in record.values())

    def _word(self) -> _Token:
        if self._at >= len(self._tokens):
            raise _invalid("The query ends where a keyword is expected")
        token = self._tokens[self._at]
        if token.kind == "mark":
            raise _invalid(f"{token.text!r} stands where a keyword is expected")
        self._at += 1
        return token

    def _keyword(self, text: str) -> bool:
        return self._take(lambda token: token.kind == "word" and token.text.lower() == text)

    def _mark(self, text: str) -> bool:
        return self._take(lambda token: token.kind == "mark" and token.text == text)

    def _take(self, wanted: Callable[[_Token], bool]) -> bool:
        if self._at < len(self._tokens) and wanted(self._tokens[self._at]):
            self._at += 1
            return True
        return False

    def _begins_term(self) -> bool:
        if self._at >= len(self._tokens):
            return False
        token = self._tokens[self._at]
        return token.text == "(" if token.kind == "mark" else token.text.lower() != "or"


def _contains(text: list[str], words: list[str], *, prefix: bool) -> bool:
    size = len(words)
    if not size:
        return True
    for at in range(len(text) - size + 1):
        here = text[at : at + size]
        if here == words:
            return True
        if prefix and here[:-1] == words[:-1] and here[-1].startswith(words[-1]):
            return True
    return False


def _invalid(detail: str) -> errors.SlsError:
    sentence = f"ErrorType:OLSQueryParseError.ErrorMessage:{detail}"
    return errors.make("ParameterInvalid", detail=sentence)
