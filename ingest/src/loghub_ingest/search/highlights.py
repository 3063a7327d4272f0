"""Marks in an answer's records the words that the query asked for."""

from collections.abc import Sequence
from typing import Final

from loghub_ingest.search import document, planning, scanning

OPEN: Final = "<em>"
CLOSE: Final = "</em>"


def mark(
    records: Sequence[scanning.Record], terms: Sequence[planning.Term], index: document.Index
) -> list[dict[str, str]]:
    """For each record the fields that hold a word, the word between the two marks."""
    return [_marked(record, terms, index) for record in records]


def _marked(
    record: scanning.Record, terms: Sequence[planning.Term], index: document.Index
) -> dict[str, str]:
    found = {}
    for key, value in record.items():
        place = index.find(key)
        if place is None or place.kind != "text":
            continue
        wanted = {
            word
            for term in terms
            if term.key in {"", key}
            for word in planning.words(term.term.rstrip("*"), place.rules)
        }
        text = _with_marks(value, wanted, place.rules)
        if text != value:
            found[key] = text
    return found


def _with_marks(value: str, wanted: set[str], rules: document.Rules) -> str:
    found, at = [], 0
    folded = planning.folded(value, rules)
    for word in planning.words(value, rules):
        start = folded.index(word, at)
        end = start + len(word)
        text = value[start:end]
        found += [value[at:start], f"{OPEN}{text}{CLOSE}" if word in wanted else text]
        at = end
    return "".join([*found, value[at:]])
