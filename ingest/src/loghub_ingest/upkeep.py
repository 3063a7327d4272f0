"""`loghub-ingest check`, `backup` and `restore`: a data directory looked after. Called by `cli`."""

import argparse
import pathlib
import sqlite3
import sys
import time
from typing import Any, Final

from loghub_ingest.storage import checking, copying, embedded, segments

_PROGRESS_SECONDS: Final = 1.0

_TROUBLES: Final = (
    copying.NotEmptyError,
    embedded.InUseError,
    OSError,
    sqlite3.Error,
)

COMMANDS: Final = ("check", "backup", "restore")


class _Progress:
    """A line on stderr for work that takes longer than a second."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, words: str) -> None:
        if time.monotonic() - self._said >= _PROGRESS_SECONDS:
            self._said = time.monotonic()
            print(words, file=sys.stderr, flush=True)  # noqa: T201 - a command line speaks


def add_commands(commands: Any) -> None:
    """The three subcommands of the parser."""
    check = commands.add_parser(
        "check", help="verify every byte of a directory that is not being served"
    )
    check.add_argument("data", type=pathlib.Path, metavar="DIR")
    check.add_argument("--repair", action="store_true", help="write damaged indexes anew")
    backup = commands.add_parser(
        "backup", help="copy a directory, also while it is served; not its key file"
    )
    backup.add_argument("data", type=pathlib.Path, metavar="DIR")
    backup.add_argument("--to", required=True, type=pathlib.Path, metavar="TARGET")
    restore = commands.add_parser("restore", help="make a directory from a backup")
    restore.add_argument("source", type=pathlib.Path, metavar="BACKUP")
    restore.add_argument("--to", required=True, type=pathlib.Path, metavar="DIR")


def run(options: argparse.Namespace) -> int:
    """Run one of them.

    Returns:
        The exit status: 0 fine, 1 damage was found or the work could not be done.
    """
    try:
        match options.command:
            case "check":
                return _check(options.data, repair=options.repair)
            case "backup":
                _must_exist(options.data)
                count = copying.back_up(options.data, options.to, _Progress())
                _say(f"{options.to}: {count} segments copied; those that were there are kept")
            case _:
                count = copying.restore(options.source, options.to, _Progress())
                _say(
                    f"{options.to}: {count} segments. Put the key file back (secrets.key in it, or "
                    f"wherever --key-file says), then serve it with --data {options.to}"
                )
    except _TROUBLES as fault:
        print(f"loghub-ingest {options.command}: {fault}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _check(data: pathlib.Path, *, repair: bool) -> int:
    _must_exist(data)
    with embedded.locked(data):
        stores = checking.store_names(data / copying.METADATA)
        log = segments.Segments(data / copying.SEGMENTS, lambda _number, _size: None)
        result = checking.check(stores, log, repair=repair, progress=_Progress())
    for damage in result.damages:
        _say(f"damaged: {damage.bytes} bytes of segment {damage.segment} at offset {damage.offset}")
    for lost in result.lost:
        _say(
            f"lost: {lost.count} log groups of {lost.logstore} shard {lost.shard}, "
            f"from sequence {lost.first} on"
        )
    for number in result.bad_indexes:
        done = "was written anew" if repair else "is made again at the next start, or by --repair"
        _say(f"index of segment {number} {done}")
    if result.torn is not None:
        _say(
            f"segment {result.torn.segment} ends in {result.torn.bytes} bytes of an unfinished "
            "write, which was never acknowledged"
        )
    _say(f"{result.groups} log groups, {result.files} segments, {result.bytes} bytes read")
    return 0 if result.clean or (repair and not result.damages) else 1


def _must_exist(data: pathlib.Path) -> None:
    if not (data / copying.METADATA).is_file():
        raise FileNotFoundError(f"{data} is no data directory: no {copying.METADATA} in it")


def _say(words: str) -> None:
    print(words)  # noqa: T201 - what the command is for
