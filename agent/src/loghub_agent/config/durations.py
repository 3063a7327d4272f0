"""Durations as Kubernetes writes them (Go's syntax: `5s`, `1m30s`, `250ms`). Used by `plan`."""

import re
from typing import Final

_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_PART: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(h|ms|us|ns|m|s)")
_MAX_CHARACTERS: Final = 40
"""Longer than any sensible duration; keeps the match cheap."""


def seconds(text: str) -> float | None:
    """Return the duration in seconds, or None where `text` is not a duration."""
    if not text or len(text) > _MAX_CHARACTERS:
        return None
    total, position = 0.0, 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            return None
        total += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    return total
