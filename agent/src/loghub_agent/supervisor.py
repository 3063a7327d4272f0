"""The single door to the compiled core: every call, on one thread of its own, timed.

`agent` hands plans and keys in and gets verdicts and counters out. The core's calls may wait for
disks; on a thread they never stop the watches, and on one thread they keep their order.
"""

import asyncio
import concurrent.futures
import dataclasses
import json
import resource
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from loghub_agent import __version__, _core, credentials, errors, settings

_Result = TypeVar("_Result")

USER_AGENT: Final = f"loghub-agent/{__version__}"
"""How the agent names itself to destinations and to the API server."""
_MAX_ERROR: Final = 300
"""Characters kept of the core's last error per pipeline; a guess."""


class Core(Protocol):
    """What the control needs of `loghub_agent._core.Core`; JSON shapes as in its type stub."""

    def apply(self, plan_json: str, /) -> str:
        """Take the whole desired plan; return `{"failed": {name: sentence}}`."""

    def set_credentials(
        self, name: str, access_key_id: str, access_key_secret: str, trust: tuple[str, str, str], /
    ) -> None:
        """Set or swap the keys known under `name`; `trust` as in `credentials.Trust`."""

    def remove_credentials(self, name: str, /) -> None:
        """Forget the keys known under `name`."""

    def stats(self) -> str:
        """Return the counters and the state of every source as JSON."""

    def idle(self) -> bool:
        """Say whether all files are read and everything is acknowledged."""

    def drain(self, timeout_seconds: float, /) -> bool:
        """Stop reading and deliver what is in flight; say whether all was delivered in time."""

    def close(self) -> None:
        """End the core's threads."""


@dataclasses.dataclass(frozen=True, slots=True)
class PipelineStats:
    """Counters of one pipeline since the core started; bytes, lines, seconds."""

    counters: Mapping[str, float]
    """`readBytes`, `readLines`, `sentBytes`, `sentLines`, `sentRequests`, `retries`,
    `lostFiles`, `throttledSeconds`."""
    gauges: Mapping[str, float]
    """`lagSeconds`, `queueBytes`, `spoolBytes`."""
    lost: Mapping[str, float]
    """Bytes by reason."""
    parse_errors: Mapping[str, float]
    """Lines by reason; most of them arrive as they are."""
    dropped: Mapping[str, float]
    """Records left out because the pipeline asks for it, by reason."""
    last_error: str


@dataclasses.dataclass(frozen=True, slots=True)
class Stats:
    """One snapshot of the core."""

    pipelines: Mapping[str, PipelineStats]
    sources: Mapping[tuple[str, str], str]
    """State by pipeline name and source id: Reading, Waiting or Drained."""
    open_deleted_files: int
    checkpoint_writes: int
    complaints: tuple[str, ...] = ()
    """Sentences about the core's own state on disk."""


COUNTERS: Final = (
    "readBytes", "readLines", "sentBytes", "sentLines", "sentRequests", "retries",
    "lostFiles", "throttledSeconds",
)  # fmt: skip
GAUGES: Final = ("lagSeconds", "queueBytes", "spoolBytes")


MAX_OPEN_FILES: Final = 4096
"""Logs open at once unless a flag says otherwise; the core's own default."""


def _open_files(wanted: int | None) -> int:
    """Let this process open as many files as the system allows; return how many logs may be open.

    Half of them at the most: the rest is for connections, checkpoints and directories.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = wanted or MAX_OPEN_FILES
    return most if hard == resource.RLIM_INFINITY else max(1, min(most, hard // 2))


def open_core(chosen: settings.Settings) -> Core:
    """Start the compiled core, which restores its checkpoints.

    Raises:
        CoreError: its state directory cannot be used.
    """
    given = {
        "batchBytes": chosen.core.batch_bytes,
        "batchLogs": chosen.core.batch_logs,
        "batchSeconds": chosen.core.batch_seconds,
        "maxDeletedFiles": chosen.core.max_deleted_files,
        "maxOpenFiles": _open_files(chosen.core.max_open_files),
        "queueBytesPerDestination": chosen.core.queue_bytes_per_destination,
        "requestsPerDestination": chosen.core.requests_per_destination,
        "maxLineBytes": chosen.core.max_line_bytes,
        "scanSeconds": chosen.core.scan_seconds,
        "dataThreads": chosen.core.data_threads,
        "userAgent": USER_AGENT,
    }
    options = {key: value for key, value in given.items() if value is not None}
    try:
        return _core.Core(str(chosen.state), json.dumps(options))
    except (ValueError, RuntimeError, OSError) as fault:
        raise errors.CoreError(f"the core does not start: {fault}") from fault


class Supervisor:
    """Calls the core. Every method raises CoreError where the core fails as a whole."""

    def __init__(self, core: Core, clock: Callable[[], float] = time.monotonic) -> None:
        self._core = core
        self._clock = clock
        self._thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="core")
        self._pending: list[float] = []

    def stuck_seconds(self) -> float:
        """Return how long the oldest unanswered call has been waiting; 0.0 without one."""
        return self._clock() - self._pending[0] if self._pending else 0.0

    async def _call(self, work: Callable[[], _Result]) -> _Result:
        started = self._clock()
        self._pending.append(started)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (ValueError, RuntimeError, OSError, KeyError, TypeError) as fault:
            raise errors.CoreError(f"the core failed: {fault}") from fault
        finally:
            self._pending.remove(started)

    async def apply(self, plan: str) -> dict[str, str]:
        """Hand over the whole plan; return a sentence for each pipeline that the core refused."""
        answer = await self._call(lambda: json.loads(self._core.apply(plan)))
        return {str(name): str(sentence) for name, sentence in answer["failed"].items()}

    async def set_credentials(self, name: str, key: credentials.Key) -> None:
        """Set or swap the keys known under `name`, without a restart."""
        trust = dataclasses.astuple(key.trust)
        await self._call(lambda: self._core.set_credentials(name, key.key_id, key.secret, trust))

    async def remove_credentials(self, name: str) -> None:
        """Forget the keys known under `name`."""
        await self._call(lambda: self._core.remove_credentials(name))

    async def stats(self) -> Stats:
        """Return a snapshot of the counters."""
        return await self._call(lambda: _read_stats(json.loads(self._core.stats())))

    async def idle(self) -> bool:
        """Say whether everything is read and acknowledged."""
        return await self._call(self._core.idle)

    async def drain(self, timeout_seconds: float) -> bool:
        """Stop reading, deliver what is in flight; say whether that was done in time."""
        return await self._call(lambda: self._core.drain(timeout_seconds))

    async def close(self) -> None:
        """End the core and the thread that calls it."""
        await self._call(self._core.close)
        self._thread.shutdown(wait=False)


def _read_stats(document: Mapping[str, Any]) -> Stats:
    sources: dict[tuple[str, str], str] = {}
    for key, source in document["sources"].items():
        pipeline, _, source_id = key.partition("\0")
        sources[pipeline, source_id] = source["state"]
    return Stats(
        pipelines={
            name: PipelineStats(
                counters={key: pipeline[key] for key in COUNTERS},
                gauges={key: pipeline[key] for key in GAUGES},
                lost=dict(pipeline["lost"]),
                parse_errors=dict(pipeline["parseErrors"]),
                dropped=dict(pipeline["droppedLines"]),
                last_error=str(pipeline["lastError"])[:_MAX_ERROR],
            )
            for name, pipeline in document["pipelines"].items()
        },
        sources=sources,
        open_deleted_files=document["openDeletedFiles"],
        checkpoint_writes=document["checkpointWrites"],
        complaints=tuple(document.get("complaints", ())),
    )
