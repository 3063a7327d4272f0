"""Paths of files that a pod names by its own keys: whether one may stand there, and why not. Pure.

`wishes` and `variables` ask for each path. What passes here passes the LogConfig's schema, the
operator and the core too: anybody who can make a pod writes these, and one bad path must cost no
more than one Warning event.
"""

import re
from collections.abc import Iterator
from typing import Final

MAX_PATHS: Final = 16
"""Of one key; a guess: more of them are a LogConfig's business."""
MAX_CHARACTERS: Final = 1024
"""Of one path, as in a LogConfig."""
MAX_WILD: Final = 4
"""Names with wildcards in one path: each multiplies what a walk looks at. A guess, and enough for
`/srv/*/logs/**/*-[0-9].log`."""

_KERNEL: Final = frozenset(("proc", "sys", "dev"))
"""File systems that hold no logs, and of which a read may have effects."""
_WILD: Final = re.compile(r"[*?\[]")
_RANGE: Final = r"(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_.])"
_CLASS: Final = re.compile(rf"\[!?{_RANGE}+\]")
_SPAN: Final = re.compile(r"(.)-(.)")


def fault(path: str) -> str:
    """Return what is wrong with a path inside a container, in words that follow it; empty if fine.

    Wildcards are `*`, `?` and `[a-z]` within a name, and `**` for directories, at most once.
    """
    return next(_faults(path), "")


def _faults(path: str) -> Iterator[str]:
    if not path.startswith("/"):
        yield "is relative: write the path as the container sees it, from /"
    if len(path) > MAX_CHARACTERS or not path.isprintable():
        yield f"is longer than {MAX_CHARACTERS} characters or has some that cannot be printed"
    if path.endswith("/"):
        yield "names a directory: write which files are meant, as in /var/log/app/*.log"
    names = path.split("/")[1:]
    if any(name in {"", ".", ".."} for name in names):
        yield "has an empty name, '.' or '..' in it: write the path without"
    if names[0] in _KERNEL:
        yield f"is in /{names[0]}, which is the kernel's and holds no logs"
    yield from _wildness(names)


def _wildness(names: list[str]) -> Iterator[str]:
    if _WILD.search(names[0]):
        yield "searches the container's whole file system: begin with a directory, as /var/log"
    if names.count("**") > 1 or sum(bool(_WILD.search(name)) for name in names) > MAX_WILD:
        yield (
            f"has wildcards too deep: ** may stand in it once, and {MAX_WILD} names may have some"
        )
    for name in names:
        if any(character in name for character in "\\{}"):
            yield r"has one of \ { }, which these paths cannot have: write several paths"
        if "**" in name and name != "**":
            yield "has ** within a name: it stands alone between two /, and * within a name"
        yield from _class_faults(name)


def _class_faults(name: str) -> Iterator[str]:
    rest = _CLASS.sub("", name)
    spans = (span for each in _CLASS.findall(name) for span in _SPAN.findall(each))
    if "[" in rest or "]" in rest or any(first > last for first, last in spans):
        yield "has [ ] that are no set of characters: write them as [0-9] or [abc]"
