"""Reads a Logstore: `tail` follows its shards, `logs` asks for a span of time.

`discovery` and `forward` said where; records go to a sink one by one as they come.
"""

import asyncio
import collections
import functools
import time
from collections.abc import Awaitable, Callable
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

SHARDS_SECONDS: Final = 30.0
"""Between two looks for shards that a split made."""

PATIENCE_SECONDS: Final = 120.0
"""A service that is away longer than this ends a tail."""

_PASSING: Final = frozenset({"ServerBusy", "InternalServerError", "ReadQuotaExceed"})


async def logs(
    client: Client,
    where: tuple[str, str],
    *,
    query: str,
    within: tuple[int, int],
    limit: int,
    sink: Sink,
) -> bool:
    """The newest `limit` records within a span (unix seconds, half-open), oldest first.

    Returns:
        False when the service looked at a part of the span only.
    """
    project, logstore = where
    found: collections.deque[rendering.Record] = collections.deque()
    complete = True
    while len(found) < limit:
        line = min(PAGE, limit - len(found))
        page = await client.get_logs(
            project, logstore, query, within=within, line=line, offset=len(found), reverse=True
        )
        found.extendleft(page.logs)
        complete = complete and page.complete
        if len(page.logs) < line:
            break
    for record in found:
        sink(record)
    return complete


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
