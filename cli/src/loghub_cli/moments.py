"""The span of time that a search looks at, as people write its ends. Pure; used by `cli`.

An end is a moment (RFC 3339, or unix seconds) or a span ago (`2h`); `durations` reads spans.
"""

import datetime as dt
import math
import re
from typing import Final

from loghub_cli import durations, errors

DEFAULT_SINCE: Final = "15m"
_UNIX: Final = re.compile(r"\d{1,10}")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*")


def within(since: str | None, begin: str | None, end: str | None, now: float) -> tuple[int, int]:
    """The half-open span in unix seconds that `--since`, `--from` and `--to` mean.

    Args:
        since: a span before the end; None where `begin` is given, or for the default.
        begin: a moment; None for a span.
        end: a moment; None for now.
        now: unix seconds.

    Raises:
        UsageError: one of them is no span or moment, or nothing lies between them.
    """
    # A record of the running second belongs to "until now".
    last = math.ceil(_moment(end, "--to", now)) if end is not None else int(now) + 1
    first = (
        math.floor(_moment(begin, "--from", now))
        if begin is not None
        else max(0, last - durations.seconds(DEFAULT_SINCE if since is None else since))
    )
    if first >= last:
        raise errors.UsageError(
            f"Nothing lies between --from {_shown(first)} and --to {_shown(last)}: --from must be "
            "before --to."
        )
    return first, last


def _shown(moment: int) -> str:
    return dt.datetime.fromtimestamp(moment, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str, option: str, now: float) -> float:
    if _UNIX.fullmatch(text):
        return int(text)
    if _DATE.fullmatch(text):
        return _date(text, option)
    try:
        return max(0.0, now - durations.seconds(text))
    except errors.UsageError:
        raise errors.UsageError(
            f"{option} {text!r} is no moment: write 2026-11-25T10:00:00Z, unix seconds, or how "
            "long ago it is (2h)."
        ) from None


def _date(text: str, option: str) -> float:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as fault:
        raise errors.UsageError(
            f"{option} {text!r} is no date and time ({fault}): write 2026-11-25T10:00:00Z."
        ) from fault
    if found.tzinfo is None:
        raise errors.UsageError(
            f"{option} {text!r} says no time zone: add Z, or an offset as +08:00."
        )
    # Year 1 with an offset has no timestamp of its own; before 1970 no record is.
    return max(0.0, (found - dt.datetime.fromtimestamp(0, dt.UTC)).total_seconds())
