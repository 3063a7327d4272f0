"""How much querying goes on at once: threads of its own, a short queue, then 503.

Writes have the event loop and the default threads to themselves; a heavy query can wait only for
other queries.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import os
import threading
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from slswire import errors

RUNNING: Final = 4
"""Queries at once: the compiled scan keeps a core busy each."""

WAITING: Final = 32
"""Beyond, clients are told to come back: their own time-outs would end them in the queue."""

NICE: Final = 15

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Admission:
    """Runs calls in its threads; refuses what would wait too long."""

    def __init__(self, running: int = RUNNING, waiting: int = WAITING) -> None:
        self._most = running + waiting
        self._inside = 0
        self._threads = concurrent.futures.ThreadPoolExecutor(running, "query", _give_way)

    async def run(self, work: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """The result of `work`.

        Raises:
            SlsError: ServerBusy.
        """
        if self._inside >= self._most:
            raise errors.make("ServerBusy")
        self._inside += 1
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._threads, functools.partial(work, *args, **kwargs))
        # Counted until the thread is free: a client that went away does not end the work.
        future.add_done_callback(self._left)
        return await asyncio.shield(future)

    def _left(self, _: "asyncio.Future[_R]") -> None:
        self._inside -= 1


def _give_way() -> None:
    # Linux counts niceness by thread: where both want the core, the write gets it.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


QUERIES: Final = Admission()
"""Of the whole process."""
