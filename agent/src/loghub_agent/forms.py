"""How what a container asks for is to be read: which files, how lines join, what parses them. Pure.

Part of a `wishes.Wish`. Containers that ask for one Logstore in one form share a LogConfig, so the
form is in the AgentReport, and comes back in a pipeline's `select.optIn` for `matching`.
"""

import dataclasses
import functools
import json
from typing import Any, Final

from loghub_agent import _core, paths
from loghub_agent.config import raw

PARSERS: Final = ("json", "keyValue", "syslog", "nginx", "apache")
"""Those of a LogConfig's that need no setting; the last two read the format `combined`."""


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Form:
    """One of them; the empty one is the container's output, line by line."""

    files: tuple[str, ...] = ()
    """Paths inside the container, sorted; empty: its output."""
    parser: str = ""
    """One of PARSERS."""
    multiline: str = ""
    """One of `raw.PRESETS`, or `^` and a pattern that the first line of a record matches."""

    def document(self) -> dict[str, Any]:
        """Return the fields that say something, as the contract spells them."""
        every = {"files": list(self.files), "parser": self.parser, "multiline": self.multiline}
        return {key: value for key, value in every.items() if value}


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


@functools.lru_cache(maxsize=1024)
def multiline_fault(word: str) -> str:
    """Return what is wrong with a preset or pattern; empty if it is one."""
    if word in raw.PRESETS:
        return ""
    if not word.startswith("^") or not word.isprintable():
        return f"is {word[:80]!r}; write one of {', '.join(raw.PRESETS)}, or ^ and a pattern"
    try:
        rules = {"start": word, "flushSeconds": 1.0, "maxBytes": 1024}
        _core.try_lines(json.dumps({"multiline": rules, "shaping": None}), [], (0, 0))
    except ValueError as fault:
        return f"is no pattern: {str(fault)[:200]}"
    return ""
