"""Reads a Logstore: `tail` follows its shards, `search` asks for a span of time.

`discovery` and `forward` said where; what is followed goes to a sink as it comes.
"""

import asyncio
import collections
import dataclasses
import functools
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import aiohttp

from loghub_cli import rendering
from slswire import errors as sls
from slswire.client import Client

_T = TypeVar("_T")
Sink = Callable[[rendering.Record], None]

POLL_SECONDS: Final = 0.5
"""Between two looks at a shard that had nothing new."""

PAGE: Final = 100
"""Records of one query page, the API's own limit."""

MAX_RECORDS: Final = 100_000
"""Of one search, all in memory; services page no further back."""

SHARDS_SECONDS: Final = 30.0
"""Between two looks for shards that a split made."""

PATIENCE_SECONDS: Final = 120.0
"""A service that is away longer than this ends a tail."""

_PASSING: Final = frozenset({"ServerBusy", "InternalServerError", "ReadQuotaExceed"})


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What a query found."""

    records: Sequence[rendering.Record]
    """Oldest first; rows of SQL in its own order."""
    complete: bool
    """False when the service looked at a part of the span only."""
    analysed: bool = False
    """Whether they are rows of SQL."""
    columns: Sequence[str] = ()
    """Of SQL, in its own order."""
    left_out: int = 0
    """Rows of SQL beyond the limit."""


async def search(
    client: Client, where: tuple[str, str], *, query: str, within: tuple[int, int], limit: int
) -> Found:
    """The newest `limit` records within a span (unix seconds, half-open), or the rows of SQL."""
    project, logstore = where
    found: collections.deque[rendering.Record] = collections.deque()
    complete = True
    while len(found) < limit:
        line = min(PAGE, limit - len(found))
        page = await client.get_logs(
            project, logstore, query, within=within, line=line, offset=len(found), reverse=True
        )
        complete = complete and page.complete
        if page.analysed:
            # All rows come at once, in the order that the SQL asks for; it has no pages.
            left = max(0, len(page.logs) - limit)
            return Found(page.logs[:limit], complete, True, page.columns, left)
        found.extendleft(page.logs)
        if len(page.logs) < line:
            break
    # Shards answer side by side: within a second the writer's own clock says what was first.
    return Found(sorted(found, key=_moment), complete)


def _moment(found: rendering.Record) -> tuple[int, str]:
    when = found.get("__time__", "")
    return int(when) if when.isdecimal() else 0, found.get("_time_", "")


async def tail(client: Client, where: tuple[str, str], *, since: int, sink: Sink) -> None:
    """Every record received from `since` seconds ago on, until cancelled; shards side by side."""
    start = "end" if since == 0 else str(int(time.time()) - since)
    following: dict[int, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as group:
        while True:
            for shard in await _patient(functools.partial(client.list_shards, *where)):
                number = int(shard["shardID"])
                if number not in following:
                    task = _follow(client, where, number, start=start, sink=sink)
                    following[number] = group.create_task(task)
            start = "begin"  # a shard that appears later is read from its first record
            await asyncio.sleep(SHARDS_SECONDS)


async def _follow(
    client: Client, where: tuple[str, str], shard: int, *, start: str, sink: Sink
) -> None:
    cursor = await _patient(functools.partial(client.get_cursor, *where, shard, start))
    while True:
        result = await _patient(functools.partial(client.pull_logs, *where, shard, cursor))
        for group in result.groups:
            for log in group.logs:
                sink(rendering.record(group, log))
        cursor = result.next_cursor
        if not result.count:
            await asyncio.sleep(POLL_SECONDS)


async def _patient(call: Callable[[], Awaitable[_T]]) -> _T:
    # A follower outlives a restart of the service; only a lasting refusal ends it.
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = POLL_SECONDS
    while True:
        try:
            return await call()
        except sls.SlsError as fault:
            if fault.code not in _PASSING or time.monotonic() > deadline:
                raise
        except (aiohttp.ClientError, TimeoutError):
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, 5.0)
