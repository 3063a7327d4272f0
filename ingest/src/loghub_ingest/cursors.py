"""Cursors: the sequence of a log group as decimal digits in base64; clients reckon with them."""

import base64
import binascii
from typing import Final

_MAX_CHARS: Final = 64
"""Three times what a cursor needs."""


def encode(sequence: int) -> str:
    """The cursor of a sequence."""
    return base64.b64encode(str(sequence).encode()).decode()


def decode(cursor: str) -> int:
    """The sequence of a cursor; white space around it is passed over, as SDKs add some.

    Raises:
        ValueError: it is none.
    """
    text = cursor.strip()
    if len(text) > _MAX_CHARS:
        raise ValueError("too long")
    try:
        digits = base64.b64decode(text, validate=True)
    except binascii.Error as fault:
        raise ValueError("no base64") from fault
    if not digits.isdigit():
        raise ValueError("no number")
    return int(digits)
