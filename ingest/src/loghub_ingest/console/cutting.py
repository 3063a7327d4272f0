"""Records as pages get them: a list of fields, long ones cut, so that an answer has a bound.

A record may be as large as a write, and a page shows a hundred. The whole of one is asked for by
itself (`showing.context`). Used by `showing`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

MAX_VALUE_CHARS: Final = 8 * 1024
"""Of one value: some hundred lines on a screen."""

MAX_NAME_CHARS: Final = 256
MAX_RECORD_CHARS: Final = 32 * 1024
MAX_FIELDS: Final = 200


def cut(record: Mapping[str, str]) -> dict[str, Any]:
    """`fields` as pairs; `cut` has the length of each field that is longer; `more` are left out."""
    fields: list[tuple[str, str]] = []
    longer: dict[str, int] = {}
    room = MAX_RECORD_CHARS
    for name, value in record.items():
        if len(fields) == MAX_FIELDS or room <= 0:
            break
        shown, text = name[:MAX_NAME_CHARS], value[: min(MAX_VALUE_CHARS, room)]
        fields.append((shown, text))
        room -= len(text) + len(shown)
        if len(text) < len(value):
            longer[shown] = len(value)
    return {"fields": fields, "cut": longer, "more": len(record) - len(fields)}


def whole(record: Mapping[str, str]) -> dict[str, Any]:
    """The same with nothing cut."""
    return {"fields": list(record.items()), "cut": {}, "more": 0}


def rows(found: Iterable[Iterable[str]]) -> list[list[str]]:
    """Rows of SQL, their cells cut."""
    return [[cell[:MAX_VALUE_CHARS] for cell in row] for row in found]
