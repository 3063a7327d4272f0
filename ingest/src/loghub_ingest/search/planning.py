"""A query's tree and the index document become the program that `_core.Scanner` runs.

Names of fields are resolved and texts are cut into words here, once; the other side is
`crates/core/src/program.rs`. `scanning` runs it.
"""

import dataclasses
import json
import string
from typing import Any, Final

from loghub_ingest.search import document, grammar

_CJK: Final = (
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7AF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
"""Kana, ideographs, Hangul: the same as in `crates/core/src/text.rs`."""

_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_PLACEHOLDERS: Final = {"*": "\ue000", "?": "\ue001"}
"""Stand for wildcards while a text is cut into words: of private use, so no delimiters."""


@dataclasses.dataclass(frozen=True, slots=True)
class Term:
    """A word that was asked for, and where; an empty key is any field."""

    key: str
    term: str


def program(node: grammar.Node, index: document.Index) -> str:
    """The program as a JSON document.

    Raises:
        SlsError: ParameterInvalid for a field that the index cannot answer.
    """
    return json.dumps(_Planner(index).plan(node), ensure_ascii=False)


def terms(node: grammar.Node) -> list[Term]:
    """The words that a matching record shows; what is negated is not among them."""
    match node:
        case grammar.And(of=parts) | grammar.Or(of=parts):
            return [term for part in parts for term in terms(part)]
        case grammar.Text():
            return [Term(node.field, node.text)]
        case _:
            return []


def words(text: str, rules: document.Rules) -> list[str]:
    """The words of `text`, in order, folded as the rules say."""
    found, word = [], ""
    for sign in folded(text, rules):
        alone = rules.chn and _is_cjk(sign)
        if sign in rules.delimiters or alone:
            found += [word, sign] if alone and sign not in rules.delimiters else [word]
            word = ""
        else:
            word += sign
    return [each for each in [*found, word] if each]


def folded(text: str, rules: document.Rules) -> str:
    """`text` in the case in which it is compared; ASCII letters only, so offsets stay."""
    if rules.case:
        return text
    return text.translate(_LOWER)


def _is_cjk(sign: str) -> bool:
    return any(low <= ord(sign) <= high for low, high in _CJK)


class _Planner:
    def __init__(self, index: document.Index) -> None:
        self._index = index
        given = [index.line or document.Rules(), *(key.rules for key in index.keys.values())]
        self._rules = list(dict.fromkeys(given))
        """Every way in which a field of this index can be cut."""

        self._fields: dict[str, int | None] = {}
        for key in index.keys.values():
            # Without a full-text index, words are looked for in the fields that hold text.
            if index.line is not None or key.kind in {"text", "json"}:
                self._fields[key.name] = self._number(key.rules)
        if index.line is not None and index.include:
            line = self._number(index.line)
            self._fields = {name: self._fields.get(name, line) for name in index.include}
        self._fields |= dict.fromkeys(index.exclude)

    def plan(self, node: grammar.Node) -> dict[str, Any]:
        line = self._index.line
        everywhere = line is not None and not self._index.include
        return {
            "node": self._node(node),
            "rules": [dataclasses.asdict(each) for each in self._rules],
            "fields": self._fields,
            "line": self._number(line) if line is not None and everywhere else None,
        }

    def _number(self, rules: document.Rules) -> int:
        return self._rules.index(rules)

    def _node(self, node: grammar.Node) -> dict[str, Any]:
        match node:
            case grammar.Everything():
                found: dict[str, Any] = {"op": "all"}
            case grammar.And(of=parts) | grammar.Or(of=parts):
                name = "and" if isinstance(node, grammar.And) else "or"
                found = {"op": name, "of": [self._node(part) for part in parts]}
            case grammar.Not(of=part):
                found = {"op": "not", "of": self._node(part)}
            case grammar.Range():
                found = self._range(node)
            case grammar.Exists(field=field):
                found = {"op": "exists", "field": _field(self._place(field))}
            case grammar.Empty(field=field):
                found = {"op": "empty", "field": _field(self._place(field))}
            case grammar.Text():
                found = self._keyed(node) if node.field else self._full(node)
        return found

    def _place(self, name: str) -> document.Place:
        found = self._index.find(name)
        if found is None:
            raise grammar.invalid(
                f"key ({name[:80]}) is not config as key value config,if symbol : is in your log,"
                'please wrap : with quotation mark "'
            )
        return found

    def _range(self, node: grammar.Range) -> dict[str, Any]:
        place = self._place(node.field)
        if place.kind == "text":
            raise grammar.invalid(
                f"key ({node.field[:80]}) is of type text: set its type in the index to long or "
                "double to compare numbers"
            )
        return {
            "op": "range",
            "field": _field(place),
            "type": place.kind,
            "low": None if node.low is None else dataclasses.asdict(node.low),
            "high": None if node.high is None else dataclasses.asdict(node.high),
        }

    def _keyed(self, node: grammar.Text) -> dict[str, Any]:
        place = self._place(node.field)
        if place.kind == "text":
            return {
                "op": "field",
                "field": _field(place),
                "rules": self._number(place.rules),
                "words": _pattern(node, place.rules),
                "literal": _literal(node, place.rules) if node.phrase else None,
            }
        if not grammar.is_number(node.text):
            raise grammar.invalid(
                f"key ({node.field[:80]}) is of type {place.kind}, and {node.text[:40]!r} is no "
                "number"
            )
        bound = grammar.Bound(node.text, open=False)
        return self._range(grammar.Range(node.field, bound, bound))

    def _full(self, node: grammar.Text) -> dict[str, Any]:
        return {
            "op": "full",
            "words": [_pattern(node, rules) for rules in self._rules],
            "literal": [_literal(node, rules) for rules in self._rules] if node.phrase else None,
        }


def _field(place: document.Place) -> dict[str, Any]:
    return {"key": place.key, "path": list(place.path)}


def _pattern(node: grammar.Text, rules: document.Rules) -> list[dict[str, Any]]:
    """The words that must stand one after the other."""
    if not node.has_wildcards:
        return [{"exact": word} for word in words(node.text, rules)]
    marked = "".join(
        _PLACEHOLDERS[piece] if number % 2 else piece for number, piece in enumerate(node.pieces)
    )
    many, one = _PLACEHOLDERS.values()
    found: list[dict[str, Any]] = []
    for word in words(marked, rules):
        if many in word or one in word:
            found.append({"glob": word.replace(one, "?").split(many)})
        else:
            found.append({"exact": word})
    return found


def _literal(node: grammar.Text, rules: document.Rules) -> str:
    return folded(node.text, rules)
