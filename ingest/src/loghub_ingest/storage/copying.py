"""Copies a data directory while it is served, and back. Used by `upkeep`.

Closed segments never change until they are packed, so they are linked or copied once: a second
backup to the same place costs what is new. The newest segment may end in the middle of a write, as
after a crash; whoever opens the copy cuts that off. Names are copied before the log: log groups of
a Logstore that came in between belong to nobody and are passed over. The key file is not copied:
whoever finds a backup should not be able to open the secrets in it.
"""

import contextlib
import os
import pathlib
import shutil
import sqlite3
from collections.abc import Callable
from typing import Final

METADATA: Final = "metadata.sqlite"
SEGMENTS: Final = "segments"

_INDEXES: Final = {".log": ".idx", ".pack": ".pdx"}
"""Files of log groups, and the index of each."""


class NotEmptyError(Exception):
    """The directory to restore into has something in it."""


def back_up(data: pathlib.Path, target: pathlib.Path, progress: Callable[[str], None]) -> int:
    """Copy what `data` holds now; returns how many segments had to be copied.

    Raises:
        OSError, sqlite3.Error: it could not be read or written; the copy is not complete.
    """
    (target / SEGMENTS).mkdir(parents=True, exist_ok=True)
    _copy_names(data / METADATA, target / METADATA)
    stems = sorted({path.stem for path in (data / SEGMENTS).iterdir() if path.suffix in _INDEXES})
    kept: set[str] = set()
    copied = 0
    for number, stem in enumerate(stems, start=1):
        progress(f"segment {number} of {len(stems)}")
        copied += _copy_segment(data / SEGMENTS / stem, target / SEGMENTS, kept)
    for path in (target / SEGMENTS).iterdir():
        if path.name not in kept:
            path.unlink()
    _sync(target / SEGMENTS)
    _sync(target)
    return copied


def restore(source: pathlib.Path, data: pathlib.Path, progress: Callable[[str], None]) -> int:
    """Copy a backup into an empty directory; returns how many segments.

    Raises:
        NotEmptyError: `data` has something in it.
        OSError, sqlite3.Error: it could not be read or written.
    """
    if data.exists() and any(data.iterdir()):
        raise NotEmptyError(f"{data} is not empty: restore into a new directory")
    if not (source / METADATA).is_file():
        raise FileNotFoundError(f"{source} is no backup: there is no {METADATA} in it")
    return back_up(source, data, progress)


def _copy_names(source: pathlib.Path, target: pathlib.Path) -> None:
    fresh = target.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as there,
        contextlib.closing(sqlite3.connect(fresh)) as here,
    ):
        there.backup(here)
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(target)


def _copy_segment(source: pathlib.Path, target: pathlib.Path, kept: set[str]) -> bool:
    """Copy the pack or else the log; `kept` gets the names of what there is to keep."""
    # A log may be packed and go while others are copied: its pack is looked for again.
    for suffix in (".pack", ".log", ".pack"):
        path = source.with_suffix(suffix)
        with contextlib.suppress(FileNotFoundError):
            copied = _copy_file(path, target / path.name)
            kept |= {path.name, path.with_suffix(_INDEXES[suffix]).name}
            return copied
    return False  # retention took it in between


def _copy_file(path: pathlib.Path, target: pathlib.Path) -> bool:
    index = path.with_suffix(_INDEXES[path.suffix])
    closed = index.exists()
    if closed and target.exists() and target.stat().st_size == path.stat().st_size:
        return False
    _copy(path, target, link=closed)
    if closed:
        _copy(index, target.with_suffix(index.suffix), link=True)
    return True


def _copy(path: pathlib.Path, target: pathlib.Path, *, link: bool) -> None:
    fresh = target.with_suffix(target.suffix + ".new")
    fresh.unlink(missing_ok=True)
    if link:
        try:
            fresh.hardlink_to(path)
        except OSError:  # another file system
            link = False
    if not link:
        shutil.copyfile(path, fresh)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
    fresh.replace(target)


def _sync(directory: pathlib.Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
