"""A work queue of keys: each key is worked on by one task at a time, and never forgotten.

A key added while it is worked on is worked on again. A failure brings it back after a pause that
doubles, with jitter. Level-triggered: work looks at the state of the world, not at the event.
Namespaces take turns, and none has more than half of what others leave: a tenant whose log service
takes its time for each of a thousand LogStores does not keep the others waiting.
"""

import asyncio
import collections
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

_log = logging.getLogger(__name__)

Key = tuple[str, str, str]
"""Plural of the kind, namespace, name."""

WORKERS: Final = 32
"""Keys that are worked on at once, of one namespace the half: they wait for the API server or a log
service most of the time."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 60.0


class AgainError(Exception):
    """Not yet: the key comes back after a pause. The sentence is in a condition already."""


class SoonError(AgainError):
    """Not yet, and nothing is said of it: what it waits for is being worked on at this moment."""


class Queue:
    """Keys to work on."""

    def __init__(self, work: Callable[[Key], Awaitable[None]]) -> None:
        self._work = work
        self._ready: dict[str, collections.deque[Key]] = {}
        """By namespace; whose turn it is next comes first."""
        self._changed = asyncio.Event()
        self._held: collections.Counter[str] = collections.Counter()
        """Keys that are worked on, by namespace."""
        self._queued: set[Key] = set()
        self._working: dict[Key, float] = {}
        """When work on each began; monotonic."""
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    def add(self, key: Key) -> None:
        """Work on `key` soon."""
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if key in self._working:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.setdefault(key[1], collections.deque()).append(key)
            self._changed.set()

    def add_later(self, key: Key, seconds: float) -> None:
        """Work on `key` after a while, unless it is worked on before."""
        if key in self._queued:
            return
        loop = asyncio.get_running_loop()
        if (timer := self._timers.get(key)) is not None:
            if timer.when() <= loop.time() + seconds:
                return
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                while (key := self._next()) is not None:
                    group.create_task(self._one(key))
                self._changed.clear()
                await self._changed.wait()

    def busy(self, key: Key) -> bool:
        """Whether `key` is worked on or about to be: what it will be like is not known yet."""
        return key in self._queued or key in self._working

    def longest(self) -> tuple[Key, float] | None:
        """The key that has been worked on for longest, and its seconds."""
        if not self._working:
            return None
        key = min(self._working, key=self._working.__getitem__)
        return key, time.monotonic() - self._working[key]

    def __len__(self) -> int:
        return len(self._queued) + len(self._working)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _next(self) -> Key | None:
        """A key to work on now, taken out of those that wait; None where all have to."""
        free = WORKERS - len(self._working)
        for namespace in self._ready:
            if self._held[namespace] < free:
                break
        else:
            return None
        keys = self._ready.pop(namespace)
        key = keys.popleft()
        if keys:
            self._ready[namespace] = keys  # behind all others
        self._queued.discard(key)
        self._working[key] = time.monotonic()
        self._held[namespace] += 1
        return key

    async def _one(self, key: Key) -> None:
        try:
            await self._work(key)
            self._failures.pop(key, None)
        except AgainError:
            self._retry(key)
        except Exception:  # noqa: BLE001 - one object's trouble must not end the others' work
            _log.exception("reconciling failed; it is tried again", extra={"key": key})
            self._retry(key)
        finally:
            del self._working[key]
            self._release(key[1])
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    def _release(self, namespace: str) -> None:
        self._held[namespace] -= 1
        if not self._held[namespace]:
            del self._held[namespace]
        self._changed.set()

    def _retry(self, key: Key) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause = min(_FIRST_PAUSE * 2 ** min(failures, 10), _LONGEST_PAUSE)
        self.add_later(key, pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
