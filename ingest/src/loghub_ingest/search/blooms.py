"""Filters of log groups, in memory: a rare word is looked for in the few groups it can be in.

A packed group has its filter on disk. Another one that was searched for nothing gets it afterwards,
in a thread with low priority: writes pay nothing, and nobody pays for what is never searched. What
does not fit is forgotten, the least recently used first. Without a filter a group is scanned, so an
answer never depends on one.
"""

import contextlib
import os
import queue
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import Final

from loghub_ingest import _core
from loghub_ingest.storage import contract

MAX_BYTES: Final = 24 * 1024 * 1024
"""Of all filters: 2.2 % of the lines, so some 1.1 GB of them are covered."""

MAX_WAITING: Final = 10_000
"""Groups to be read for their filter; later ones are asked for again by the next search."""

NICE: Final = 10

Key = tuple[int, int, int]
"""Segment, offset, sequence; in a pack 0, as all groups of a frame have one filter."""


class Blooms:
    """The filters of one storage."""

    def __init__(self, storage: contract.LogStorage) -> None:
        self._storage = weakref.ref(storage)
        self._filters: dict[Key, bytes] = {}
        self._bytes = 0
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[contract.Entry] = queue.SimpleQueue()
        self._queued: set[Key] = set()
        self._thread: threading.Thread | None = None

    def possible(
        self, scanner: _core.Scanner, entries: Iterable[contract.Entry]
    ) -> Iterator[contract.Entry]:
        """Those of `entries` that can hold a match."""
        if not scanner.is_selective():
            yield from entries
            return
        last, may = None, True
        for entry in entries:
            key = _key(entry)
            if key != last:  # the groups of a frame mostly come one after the other
                found = self.get(entry)
                last, may = key, found is None or scanner.may_match(found)
            if may:
                yield entry

    def get(self, entry: contract.Entry) -> bytes | None:
        """The filter of a group, now the most recently used."""
        key = _key(entry)
        with self._lock:
            found = self._filters.pop(key, None)
            if found is not None:
                self._filters[key] = found
                return found
        # Those on disk are not kept here: they would push out the ones that had to be made.
        storage = self._storage()
        return None if storage is None else storage.bloom(entry)

    def want(self, entry: contract.Entry) -> None:
        """Have a filter made; soon."""
        with self._lock:
            key = _key(entry)
            full = entry.within >= 0 or len(self._queued) >= MAX_WAITING
            if full or key in self._queued or key in self._filters:
                return
            self._queued.add(key)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="blooms", daemon=True)
                self._thread.start()
        self._waiting.put(entry)

    @property
    def waiting(self) -> int:
        """Groups whose filter is still to be made."""
        return len(self._queued)

    def _run(self) -> None:
        # Linux counts niceness by thread.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        while True:
            entry = self._waiting.get()
            storage = self._storage()
            if storage is None:
                return
            # A file that retention dropped meanwhile, or one of a storage that closed.
            with contextlib.suppress(OSError, ValueError, KeyError):
                raw = storage.read(entry)
                if raw is not None:
                    self._keep(_key(entry), _core.bloom([raw]))
            with self._lock:
                self._queued.discard(_key(entry))

    def _keep(self, key: Key, found: bytes) -> None:
        with self._lock:
            self._bytes += len(found) - len(self._filters.pop(key, b""))
            self._filters[key] = found
            while self._bytes > MAX_BYTES:
                self._bytes -= len(self._filters.pop(next(iter(self._filters))))


_ALL: Final[weakref.WeakKeyDictionary[contract.LogStorage, Blooms]] = weakref.WeakKeyDictionary()
_ALL_LOCK: Final = threading.Lock()


def of(storage: contract.LogStorage) -> Blooms:
    """The filters of `storage`."""
    with _ALL_LOCK:
        found = _ALL.get(storage)
        if found is None:
            found = _ALL[storage] = Blooms(storage)
        return found


def _key(entry: contract.Entry) -> Key:
    return (entry.segment, entry.offset, 0 if entry.within >= 0 else entry.sequence)
