"""Waits until the kernel says that a pod or a container came or went. Used by `running`.

`containers` asks to follow the pods directory and each pod's own. Where the kernel has no watch
left, `running` looks at the directory's time again and again instead.
"""

import asyncio
import logging
from typing import Final

from loghub_agent import _core

_log = logging.getLogger(__name__)

_LIMITS: Final = "the limits are fs.inotify.max_user_instances and fs.inotify.max_user_watches"


class Notice:
    """One queue of the kernel's events; use it in the loop that made it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._refused = False
        self._watch: _core.DirectoryWatch | None = None
        try:
            self._watch = _core.DirectoryWatch()
        except OSError as fault:
            self._say(fault)
            return
        asyncio.get_running_loop().add_reader(self._watch.fileno(), self._hear)

    def follow(self, directory: str) -> bool:
        """Hear of names in a directory too, from any thread; say whether that is so."""
        if self._watch is None:
            return False
        try:
            self._watch.follow(directory)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as fault:
            self._say(fault)
            return False
        return True

    async def wait(self, seconds: float) -> None:
        """Wait for an event since the last call's end, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()

    def close(self) -> None:
        """Hear nothing any more."""
        if self._watch is not None:
            asyncio.get_running_loop().remove_reader(self._watch.fileno())
            self._watch = None

    def _hear(self) -> None:
        try:
            heard = self._watch is not None and self._watch.heard()
        except OSError as fault:
            self._say(fault)
            self.close()
            heard = True
        if heard:
            self._event.set()

    def _say(self, fault: OSError) -> None:
        if not self._refused:
            self._refused = True
            _log.warning(
                "new pods are looked for instead of heard of, which costs CPU",
                extra={"reason": f"{fault}; {_LIMITS}"},
            )
