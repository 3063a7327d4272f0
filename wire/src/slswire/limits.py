"""Numbers and naming rules of the protocol, each with its source."""

import re
from typing import Final

MAX_BODY_BYTES: Final = 10 * 1024 * 1024
"""Largest PutLogs body, raw and on the wire: the service's text "must little than 10485760"."""

MAX_CLOCK_SKEW_SECONDS: Final = 15 * 60
"""A request signed further from the server's time is refused (common error codes page)."""

MAX_PULL_GROUPS: Final = 1000
"""Largest `count` of one PullLogs (API page)."""

MAX_NESTING: Final = 3
"""LogGroup -> Log -> Content is as deep as the format goes."""

_PROJECT: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_LOGSTORE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]")
_DOCUMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}[A-Za-z0-9]")


def is_project_name(name: str) -> bool:
    """3 to 63 lower-case letters, digits and `-`; a letter or digit at both ends."""
    return _PROJECT.fullmatch(name) is not None


def is_logstore_name(name: str) -> bool:
    """3 to 63 lower-case letters, digits, `-` and `_`; a letter or digit at both ends."""
    return _LOGSTORE.fullmatch(name) is not None


def is_consumer_group_name(name: str) -> bool:
    """2 to 128 letters, digits, `-`, `_` and `.`; a letter or digit at both ends.

    Wider than the documented rule (lower case only): official clients' own examples break that.
    """
    return _DOCUMENT.fullmatch(name) is not None


def is_config_name(name: str) -> bool:
    """Logtail configs and machine groups: as consumer groups, for the same reason."""
    return _DOCUMENT.fullmatch(name) is not None
