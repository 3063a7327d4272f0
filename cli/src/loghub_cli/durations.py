"""Spans of time as people write them: `90s`, `15m`, `2h`, `7d`. Used by `cli`."""

import re
from typing import Final

from loghub_cli import errors

_SHAPE: Final = re.compile(r"(\d{1,6})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> int:
    """The span in seconds.

    Raises:
        UsageError: `text` is no span.
    """
    found = _SHAPE.fullmatch(text)
    if not found:
        raise errors.UsageError(f"{text!r} is no span of time: write 90s, 15m, 2h or 7d.")
    return int(found.group(1)) * _SECONDS[found.group(2)]
