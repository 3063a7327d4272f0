"""Keeps what the reflectors brought on disk, so that the next start needs no API server.

One file per watch, items and the resource version they stand for together: the next start resumes
the watch there, and a fleet that restarts does not list. `running` restores through `restore` and
lets `run` write; `state` is the disk.
"""

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from loghub_agent import errors, state

_log = logging.getLogger(__name__)

SETTLE_SECONDS: Final = 1.0
"""Changes within this time are written together."""
VERSION_SECONDS: Final = 60.0
"""How often a file is rewritten for a newer resource version alone. Bookmarks come once a minute;
the API server remembers versions for at least five."""


class Watch(Protocol):
    """What the keeper needs of a reflector."""

    resource_version: str
    has_picture: bool

    def resume(self, resource_version: str, /) -> None:
        """Go on from a saved version."""


@dataclasses.dataclass(slots=True)
class Memory:
    """One file: which watch it belongs to, how its content is taken and given back."""

    name: str
    watch: Watch
    snapshot: Callable[[], list[Any]]
    restore: Callable[[list[Any]], None]
    dirty: bool = False
    saved_version: str = ""
    saved_at: float = 0.0


class Keeper:
    """Restores at the start, writes after changes and once more at the end."""

    def __init__(
        self,
        directory: state.Directory,
        memories: Sequence[Memory],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._memories = memories
        self._clock = clock
        self._wake = asyncio.Event()
        self.complaint = ""
        """Why the last write failed; empty while all is well."""

    def restore(self) -> None:
        """Fill every sink from disk; one that cannot be read is logged and listed anew."""
        for memory in self._memories:
            try:
                saved = self._directory.load(memory.name)
                if saved is None:
                    continue
                memory.restore(saved.items)
            except errors.StateError as fault:
                _log.warning("saved state not used", extra={"reason": str(fault)})
                continue
            memory.saved_version = saved.resource_version
            memory.watch.resume(saved.resource_version)
            _log.info(
                "saved state restored", extra={"watch": memory.name, "objects": len(saved.items)}
            )

    def mark(self, name: str) -> None:
        """Note that the content of the file `name` has changed."""
        for memory in self._memories:
            if memory.name == name:
                memory.dirty = True
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            try:
                async with asyncio.timeout(VERSION_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(SETTLE_SECONDS)
            self._wake.clear()
            await self.save()

    async def save(self) -> None:
        """Write what has changed."""
        for memory in self._memories:
            if memory.watch.has_picture and self._is_due(memory):
                await self._write(memory)

    def _is_due(self, memory: Memory) -> bool:
        if memory.dirty:
            return True
        waited = self._clock() - memory.saved_at
        return memory.saved_version != memory.watch.resource_version and waited >= VERSION_SECONDS

    async def _write(self, memory: Memory) -> None:
        # Both are taken without a wait in between: the version stands for exactly these items.
        saved = state.Saved(memory.watch.resource_version, memory.snapshot())
        memory.dirty = False
        try:
            await asyncio.to_thread(self._directory.save, memory.name, saved)
        except errors.StateError as fault:
            memory.dirty = True
            self.complaint = str(fault)
            _log.warning("state not saved", extra={"reason": self.complaint})
            return
        self.complaint = ""
        memory.saved_version = saved.resource_version
        memory.saved_at = self._clock()

    async def finish(self) -> None:
        """Write everything once more before the program ends."""
        for memory in self._memories:
            memory.dirty = memory.dirty or memory.saved_version != memory.watch.resource_version
        await self.save()
