"""How what a container asks for is to be read: which files, how lines join, what parses them. Pure.

Part of a `wishes.Wish`. Containers that ask for one Logstore in one form share a LogConfig, so the
form is in the AgentReport, and comes back in a pipeline's `select.optIn` for `matching`.
"""

import dataclasses
from typing import Any, Final

from loghub_agent import paths
from loghub_agent.config import raw

PARSERS: Final = ("json", "keyValue", "syslog", "nginx", "apache")
"""Those of a LogConfig's that need no setting; the last two read the format `combined`."""


JOINERS: Final = ("start", "continue", "end")
"""Which line of a record a pattern matches: its first one, further ones, its last one."""
MAX_PATTERN: Final = 1024
"""Characters of one pattern (contract)."""
MAX_FILTERS: Final = 8
"""Patterns that lines must match or not (contract)."""


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Form:
    """One of them; the empty one is the container's output, line by line."""

    files: tuple[str, ...] = ()
    """Paths inside the container, sorted; empty: its output."""
    parser: str = ""
    """One of PARSERS."""
    multiline: str = ""
    """One of `raw.PRESETS`, or one of JOINERS, a colon and a pattern."""
    include: tuple[str, ...] = ()
    """Patterns, all of which a record must match; only `aliases` give some."""
    exclude: tuple[str, ...] = ()
    """Patterns of which it may match none."""

    def document(self) -> dict[str, Any]:
        """Return the fields that say something, as the contract spells them."""
        every = {
            field.name: list(value) if isinstance(value, tuple) else value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name))
        }
        return dict(every)


PLAIN: Final = Form()


def split_files(text: str) -> tuple[tuple[str, ...], list[str]]:
    """Read a list of paths between commas: the good ones, and sentences about the others."""
    given = list(dict.fromkeys(each.strip() for each in text.split(",")))
    faults = [f"has {path[:80]!r}, which {why}" for path in given if (why := paths.fault(path))]
    if len(given) > paths.MAX_PATHS:
        faults.append(f"has {len(given)} paths; at most {paths.MAX_PATHS} are read")
    good = [path for path in given if not paths.fault(path)]
    return tuple(sorted(good[: paths.MAX_PATHS])), faults


def parser_fault(word: str) -> str:
    """Return what is wrong with a parser's name; empty if it is one."""
    if word in PARSERS:
        return ""
    return f"is {word[:80]!r}; write one of {', '.join(PARSERS)}, or a LogConfig for more"


def split_multiline(word: str) -> str:
    """Return a preset or pattern as a form has it: `^` alone begins what a first line matches."""
    return f"start:{word}" if word.startswith("^") else word


def multiline_fault(word: str) -> str:
    """Return what is wrong with a preset or the shape of a pattern; empty if nothing is."""
    joiner, colon, pattern = split_multiline(word).partition(":")
    if word in raw.PRESETS:
        return ""
    if not colon or joiner not in JOINERS:
        known = ", ".join(raw.PRESETS)
        return f"is {word[:80]!r}; write one of {known}, or ^ and a pattern of the first line"
    return pattern_fault(pattern)


def pattern_fault(pattern: str) -> str:
    """Return what is wrong with the shape of a regular expression; empty if nothing is.

    The operator judges whether it is one: to compile what any pod may ask for would cost a node's
    agent up to a tenth of a second each.
    """
    if not pattern or len(pattern) > MAX_PATTERN or not pattern.isprintable():
        return f"is no pattern of 1 to {MAX_PATTERN} characters that can be printed"
    return ""
