"""The search grammar: text becomes a tree, or an error that says what is wrong and where.

    query  = or ; or = and ("or" and)* ; and = not (["and"] not)* ; not = "not" not | term
    term   = "(" or ")" | "*" | [field ":"] words | field compare number | field ["in"] span
    span   = ("[" | "(") number number ("]" | ")")          compare = ">" ">=" "<" "<=" "="

Words bare or in quotation marks stand one after the other; `#"words"` must also stand there as
written, delimiters included. Bare words may hold `*` and `?`, but not begin with one. `field:*`
asks whether the field is there, `field:""` whether it is empty. A backslash takes the next
character as it is. Everything is bounded. `planning` is next.
"""

import dataclasses
import re
from typing import Final

from slswire import errors

MAX_QUERY_CHARS: Final = 4096
MAX_TERMS: Final = 30
"""The service's own limit on keywords."""

MAX_DEPTH: Final = 30
MAX_WORD_CHARS: Final = 1024
MAX_WILDCARDS: Final = 8
"""In one word: each may make the comparison go over the rest of a value once more."""


@dataclasses.dataclass(frozen=True, slots=True)
class Everything:
    """Every record."""


@dataclasses.dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    of: tuple["Node", ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Or:
    """One of them at least."""

    of: tuple["Node", ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Not:
    """Not that."""

    of: "Node"


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """Words in a field; an empty field is any field.

    `pieces` are texts, perhaps empty, with a wildcard (`*` or `?`) between each two.
    """

    field: str
    pieces: tuple[str, ...]
    phrase: bool = False

    @property
    def text(self) -> str:
        """As it was written."""
        return "".join(self.pieces)

    @property
    def has_wildcards(self) -> bool:
        """Whether `*` or `?` are patterns here."""
        return len(self.pieces) > 1


@dataclasses.dataclass(frozen=True, slots=True)
class Exists:
    """The field is there."""

    field: str


@dataclasses.dataclass(frozen=True, slots=True)
class Empty:
    """The field is there, and empty."""

    field: str


@dataclasses.dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range; an open one is outside."""

    value: str
    open: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Range:
    """A number between two ends."""

    field: str
    low: Bound | None
    high: Bound | None


Node = Everything | And | Or | Not | Text | Exists | Empty | Range

_LEXER: Final = re.compile(
    r"""\s*(?:
        (?P<phrase>\#"(?:[^"\\]|\\.)*")
      | (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<mark>[()\[\]:]|[<>]=?|=)
      | (?P<word>(?:[^\s()\[\]:<>="\\]|\\.)+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_PIECE: Final = re.compile(r"\\(.)|([*?])|([^*?\\]+)", re.DOTALL)
_NUMBER: Final = re.compile(r"[+-]?(\d{1,40})(\.\d{1,40})?([eE][+-]?\d{1,3})?")
_TAG: Final = "__tag__"
_COMPARISONS: Final = frozenset({">", ">=", "<", "<=", "="})


@dataclasses.dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    """A quoted one's without its marks and escapes; a word's as written."""

    at: int


def parse(query: str) -> Node:
    """The tree of `query`; an empty one is everything.

    Raises:
        SlsError: ParameterInvalid, which says what is wrong and where.
    """
    if len(query) > MAX_QUERY_CHARS:
        raise invalid(f"the query is longer than {MAX_QUERY_CHARS} characters")
    tokens = _tokens(query)
    if not tokens:
        return Everything()
    parser = _Parser(tokens)
    found = parser.either(0)
    parser.end()
    return found


def split(query: str) -> tuple[str, str]:
    """The search text and what follows the first `|` outside of quotation marks."""
    quoted = escaped = False
    for at, sign in enumerate(query):
        if escaped:
            escaped = False
        elif sign == "\\":
            escaped = True
        elif sign == '"':
            quoted = not quoted
        elif sign == "|" and not quoted:
            return query[:at].strip(), query[at + 1 :].strip()
    return query.strip(), ""


def is_number(text: str) -> bool:
    """Whether a query may compare with `text` as a number."""
    return _NUMBER.fullmatch(text) is not None


def invalid(detail: str) -> errors.SlsError:
    """The error of a query that cannot be understood."""
    sentence = f"ErrorType:OLSQueryParseError.ErrorMessage:{detail}"
    return errors.make("ParameterInvalid", detail=sentence)


def _tokens(query: str) -> list[_Token]:
    found, at = [], 0
    while query[at:].strip():
        token = _LEXER.match(query, at)
        if token is None:
            rest = query[at:].lstrip()
            what = "a quotation is not closed" if rest[0] in '"#' else "a lone backslash stands"
            raise invalid(f"{what} at character {len(query) - len(rest)}")
        kind = token.lastgroup or ""
        text = token[kind]
        if kind == "phrase":
            text = text[1:]
        if kind in {"phrase", "quoted"}:
            text = _ESCAPE.sub(r"\1", text[1:-1])
        found.append(_Token(kind, text, token.start(kind)))
        at = token.end()
    return found


def _pieces(word: _Token) -> tuple[str, ...]:
    """Texts, perhaps empty, with a wildcard between each two; one text where there is none."""
    if word.kind != "word":
        return (word.text,)
    found = [""]
    for escaped, wildcard, text in _PIECE.findall(word.text):
        if wildcard:
            found += [wildcard, ""]
        else:
            found[-1] += escaped or text
    return tuple(found)


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = self._terms = 0

    def either(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise invalid(f"the query is nested deeper than {MAX_DEPTH}")
        found = [self._both(depth)]
        while self._keyword("or"):
            found.append(self._both(depth))
        return found[0] if len(found) == 1 else Or(tuple(found))

    def end(self) -> None:
        if self._at < len(self._tokens):
            token = self._tokens[self._at]
            raise invalid(f"{token.text[:40]!r} is not expected at character {token.at}")

    def _both(self, depth: int) -> Node:
        found = [self._negated(depth)]
        while self._keyword("and") or self._begins_term():
            found.append(self._negated(depth))
        return found[0] if len(found) == 1 else And(tuple(found))

    def _negated(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise invalid(f"the query is nested deeper than {MAX_DEPTH}")
        if self._keyword("not"):
            return Not(self._negated(depth + 1))
        if self._mark("("):
            found = self.either(depth + 1)
            self._need(")")
            return found
        return self._term()

    def _term(self) -> Node:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise invalid(f"the query has more than {MAX_TERMS} keywords")
        first = self._word()
        if first.kind == "phrase":
            return _text("", first)
        if first.kind == "word" and first.text.lower() in {"and", "or"} and not self._peek(":"):
            raise invalid(f"{first.text!r} stands where a keyword is expected, at {first.at}")
        if self._mark(":"):
            return self._keyed(self._tag(first))
        found = self._compared(_plain(first))
        return found or _text("", first)

    def _tag(self, first: _Token) -> str:
        """The field's name; `__tag__:name:` has a colon within."""
        name = _plain(first)
        rest = self._tokens[self._at : self._at + 2]
        marks = {":", *_COMPARISONS}
        if name == _TAG and len(rest) == 2 and rest[0].kind != "mark" and rest[1].text in marks:
            self._at += 1
            name = f"{_TAG}:{_plain(rest[0])}"
            if rest[1].text == ":":
                self._at += 1
        return name

    def _keyed(self, field: str) -> Node:
        found = self._compared(field)
        if found is not None:
            return found
        if self._peek("["):
            return self._span(field)
        return _text(field, self._word())

    def _compared(self, field: str) -> Node | None:
        for sign in _COMPARISONS:
            if not self._mark(sign):
                continue
            bound = Bound(self._number(), open=sign in {">", "<"})
            low = bound if sign in {">", ">=", "="} else None
            return Range(field, low, bound if sign in {"<", "<=", "="} else None)
        if self._peek("in", 0, kind="word") and (self._peek("[", 1) or self._peek("(", 1)):
            self._at += 1
            return self._span(field)
        return None

    def _span(self, field: str) -> Node:
        low_open = self._mark("(")
        if not low_open:
            self._need("[")
        low, high = self._number(), self._number()
        high_open = self._mark(")")
        if not high_open:
            self._need("]")
        return Range(field, Bound(low, low_open), Bound(high, high_open))

    def _number(self) -> str:
        token = self._word()
        if not is_number(token.text):
            raise invalid(f"{token.text[:40]!r} at character {token.at} is no number")
        return token.text

    def _word(self) -> _Token:
        if self._at >= len(self._tokens):
            raise invalid("the query ends where a keyword is expected")
        token = self._tokens[self._at]
        if token.kind == "mark":
            raise invalid(f"{token.text!r} stands where a keyword is expected, at {token.at}")
        if len(token.text) > MAX_WORD_CHARS:
            raise invalid(f"the word at {token.at} is longer than {MAX_WORD_CHARS} characters")
        self._at += 1
        return token

    def _keyword(self, text: str) -> bool:
        if self._at < len(self._tokens):
            token = self._tokens[self._at]
            # `and: x` asks for a field of that name.
            if token.kind == "word" and token.text.lower() == text and not self._peek(":", 1):
                self._at += 1
                return True
        return False

    def _mark(self, text: str) -> bool:
        if self._peek(text):
            self._at += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._mark(text):
            where = self._tokens[self._at].at if self._at < len(self._tokens) else "the end"
            raise invalid(f"{text!r} is missing at {where}")

    def _peek(self, text: str, ahead: int = 0, kind: str = "mark") -> bool:
        at = self._at + ahead
        if at >= len(self._tokens):
            return False
        return self._tokens[at].kind == kind and self._tokens[at].text.lower() == text

    def _begins_term(self) -> bool:
        if self._at >= len(self._tokens):
            return False
        token = self._tokens[self._at]
        return token.text == "(" if token.kind == "mark" else token.text.lower() != "or"


def _plain(word: _Token) -> str:
    return _ESCAPE.sub(r"\1", word.text) if word.kind == "word" else word.text


def _text(field: str, word: _Token) -> Node:
    pieces = _pieces(word)
    if pieces == ("", "*", ""):
        return Exists(field) if field else Everything()
    if not field and word.kind == "quoted" and not word.text:
        return Everything()
    if field and not "".join(pieces):
        return Empty(field)
    if len(pieces) > 1 and not pieces[0]:
        raise invalid(f"{word.text[:40]!r} at character {word.at} begins with a wildcard")
    if len(pieces) // 2 > MAX_WILDCARDS:
        raise invalid(f"the word at {word.at} has more than {MAX_WILDCARDS} wildcards")
    return Text(field, pieces, phrase=word.kind == "phrase")
