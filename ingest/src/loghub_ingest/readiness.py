"""Whether requests should be sent here: listening, not draining, and the volume takes writes.

A full disk leaves the service ready: reads go on and writers are told to come back. A volume that
fails or hangs does not. `serving` runs the probe, `admin` shows the answer on /readyz.
"""

import asyncio
import errno
import logging
import os
import pathlib
import time
from collections.abc import Callable
from typing import Final

_log = logging.getLogger(__name__)

PROBE_SECONDS: Final = 10.0
HUNG_SECONDS: Final = 30.0
"""Longest age of the last finished probe; a slow disk syncs within a second or two."""

_PROBE: Final = ".probe"


class Readiness:
    """What is known now; `problem` is asked by the admin port."""

    def __init__(
        self,
        probe: Callable[[], str],
        *,
        listening: Callable[[], bool],
        draining: Callable[[], bool],
        writing: Callable[[], bool],
    ) -> None:
        """Of a storage.

        Args:
            probe: tells why nothing can be kept there, empty when it can; may take long.
            listening: whether requests are taken.
            draining: whether the service ends.
            writing: whether the storage's writing thread lives.
        """
        self._probe = probe
        self._listening, self._draining, self._writing = listening, draining, writing
        self._fault = ""
        self._probed = time.monotonic()

    def problem(self) -> str:
        """Why no requests should come, empty when they should."""
        if self._draining():
            return "draining"
        if not self._listening():
            return "starting"
        if not self._writing():
            return "the storage's writing thread has ended"
        if time.monotonic() - self._probed > HUNG_SECONDS:
            return f"the storage has not finished a write for {HUNG_SECONDS:.0f} s"
        return self._fault

    async def watch(self) -> None:
        """Probe now and then, for ever."""
        while True:
            fault = await asyncio.to_thread(self._probe)
            if fault != self._fault:
                _log.warning("the storage's state changed", extra={"fault": fault or "none"})
            self._fault, self._probed = fault, time.monotonic()
            await asyncio.sleep(PROBE_SECONDS)


def probe(data: pathlib.Path) -> str:
    """Why nothing can be kept in `data`, empty when it can; a full disk is no fault here."""
    try:
        handle = os.open(data / _PROBE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(handle, b"%020d" % time.time_ns(), 0)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as fault:
        if fault.errno in {errno.ENOSPC, errno.EDQUOT}:
            return ""
        return f"the data volume fails: {fault.strerror}"
    return ""
