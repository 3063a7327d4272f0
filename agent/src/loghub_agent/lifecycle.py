"""How a run ends on SIGTERM and leaves nothing undelivered that time allows.

Both ways of running (`cluster.running`, `standalone.running`) are built from these pieces.
"""

import asyncio
import logging
import signal
from collections.abc import Coroutine
from typing import Any

from loghub_agent import supervisor

_log = logging.getLogger(__name__)


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def run_until(stop: asyncio.Event, *jobs: Coroutine[Any, Any, None]) -> None:
    """Run `jobs` side by side until `stop` is set, then cancel them.

    A job that fails ends the others and the run: a half-running agent would look alive.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
        await stop.wait()
        for task in tasks:
            task.cancel()


async def finish(core: supervisor.Supervisor, seconds: float) -> bool:
    """Drain and close the core; say whether everything read was delivered.

    What was not is read again at the next start, from the checkpoint.

    Raises:
        CoreError: the core failed.
    """
    _log.info("draining", extra={"seconds": seconds})
    delivered = await core.drain(seconds)
    if delivered:
        _log.info("drained")
    else:
        _log.warning("not drained in time; the rest is delivered after the next start")
    await core.close()
    return delivered
