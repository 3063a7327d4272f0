"""Puts the operator together: list everything, then watch, work the queue, resync. From `cli`."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import itertools
import logging
import random
import signal
import time
import typing
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import aiohttp
import kopf

from loghub_operator import (
    admin,
    cache,
    cluster,
    dispatching,
    events,
    kinds,
    leading,
    measuring,
    queueing,
    reporting,
    streams,
    watching,
)
from loghub_operator.reconciling import context, leaving, permitting

_log = logging.getLogger(__name__)

RESYNC_SECONDS: Final = 600.0
"""Drift of the remote is found within that; the looks are spread over it."""
_TURNS: Final = 30
"""Each object has its turn in one of so many parts of that time."""
RELIST_SECONDS: Final = 1800.0
"""Everything is listed anew then, for what no watch and no list between them has told."""


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """How to run."""

    kubeconfig: str
    admin_listen: tuple[str, int]
    leader_election: bool
    identity: str


async def run(options: Options, settings: context.Settings) -> None:
    """Run until a signal.

    Raises:
        ClusterError: the API server refuses at the start.
        LostError: another replica leads now.
    """
    api = await cluster.connect(options.kubeconfig)
    reports = reporting.Reports(settings.namespace)
    permits = permitting.Permits(api)
    ctx = context.Context(settings, api, cache.Cache(), events.Events(api), reports, permits)
    operator = Operator(ctx)
    probes = await admin.serve(
        *options.admin_listen, ready=lambda: operator.ready, stuck=operator.stuck
    )
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    lease = leading.Lease(api, await ctx.owned_metadata(leading.NAME), options.identity)
    try:
        working = asyncio.create_task(_work(operator, lease, options, stop))
        tasks: list[asyncio.Task[Any]] = [working, asyncio.create_task(stop.wait())]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()
        if options.leader_election:
            with contextlib.suppress(cluster.ClusterError):
                await lease.release()
    finally:
        await probes.cleanup()
        await ctx.services.close()
        await api.close()


async def _work(
    operator: "Operator", lease: leading.Lease, options: Options, stop: asyncio.Event
) -> None:
    if options.leader_election:
        await lease.acquire()
        operator.fence(lease.fresh)
    operator.ready = False
    measuring.LEADING.set(1)
    await operator.check_served()
    async with asyncio.TaskGroup() as group:
        group.create_task(operator.watch(stop))
        group.create_task(operator.work())
        group.create_task(operator.resync())
        group.create_task(measuring.keep_lag())
        if options.leader_election:
            group.create_task(lease.keep())


class Operator:
    """Knows the world, follows it, and works on what changes; `silent` is a watch's patience."""

    def __init__(self, ctx: context.Context, *, silent: float = watching.SILENT_SECONDS) -> None:
        self._ctx, self._silent = ctx, silent
        self.queue = queueing.Queue(self._reconcile)
        self.ready = True
        """Whether it knows the world; one that waits to lead is ready to."""
        self._watches = measuring.Watches()
        self._unlisted = set(kinds.WATCHED)
        self.known = asyncio.Event()
        """Set once every kind was listed."""
        ctx.later, ctx.changed, ctx.busy = self.queue.add_later, self._changed, self.queue.busy
        measuring.QUEUED.set_function(lambda: len(self.queue))

    def fence(self, fresh: Callable[[], bool]) -> None:
        """Let it write only while the lease is fresh."""
        self._ctx.cluster.may_write = fresh

    def stuck(self) -> Iterator[str]:
        """Sentences about what makes no progress and would after a restart."""
        longest = self.queue.longest()
        if longest is not None and longest[1] > measuring.STUCK_SECONDS:
            yield f"{'/'.join(longest[0])} has been worked on for {longest[1]:.0f} s"
        yield from self._watches.silent()

    async def check_served(self) -> None:
        """End here where a definition is missing: kopf would wait for it in silence.

        Raises:
            ClusterError: a kind is not served, or not to us.
        """
        for kind in kinds.WATCHED:
            await self._ctx.cluster.check_served(kind)

    async def listed(self, kind: kinds.Kind) -> None:
        """Take the API server's list of a kind as the truth."""
        listing = await self._ctx.cluster.listing(kind)
        if kind == kinds.REPORT:
            self._ctx.reports.replace(listing.items)
            self.queue.add_later(dispatching.REPORTS, dispatching.REPORT_SECONDS)
        else:
            watching.take_list(kind, listing, self._ctx.cache, self._changed)
        self._unlisted.discard(kind)
        if not self._unlisted and not self.known.is_set():
            self.look_at_all()
            self.known.set()
            self.ready = True

    def look_at_all(self) -> None:
        """Have everything looked at that is known."""
        self._ctx.reports.changes()  # they are looked at with the rest
        for key in dispatching.everything(self._ctx.cache):
            self.queue.add(key)

    async def work(self) -> None:
        """Work on what is queued, once the whole world is known."""
        await self.known.wait()
        await self.queue.run()

    async def watch(self, stop: asyncio.Event) -> None:
        """Follow changes until cancelled.

        `streams` lets nothing of the API server end it. What does all the same ends the process:
        kopf cancels every task then, the workers' too.
        """

        def open_session() -> tuple[str, aiohttp.ClientSession]:
            session = streams.open_session(
                self._ctx.cluster, kinds.WATCHED, listed=self.listed, heard=self._watches.hear
            )
            return self._ctx.cluster.server, session

        ctx = self._ctx
        registry = watching.registry(ctx.cache, ctx.reports, self._changed, open_session)
        await kopf.operator(
            registry=registry,
            settings=watching.settings(self._silent),
            clusterwide=True,
            # By default kopf asks who runs it, and the container's user has no name. A text, of
            # which kopf keeps the type to itself.
            identity=typing.cast("Any", "loghub-operator"),
        )
        # kopf takes the signals for itself and returns on one.
        stop.set()

    async def resync(self) -> None:
        """Look for drift all the time, and list everything again from time to time."""
        loop = asyncio.get_running_loop()
        relist = loop.time() + RELIST_SECONDS * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        for turn in itertools.count():
            pause = RESYNC_SECONDS / _TURNS
            await asyncio.sleep(pause)
            permits = self._ctx.settings.require_collect
            for key in dispatching.drifting(self._ctx.cache, permits=permits):
                if zlib.crc32("/".join(key).encode()) % _TURNS == turn % _TURNS:
                    self.queue.add_later(key, random.uniform(0.0, pause))  # noqa: S311 - jitter
            if turn % _TURNS == 0:
                await self._forget_nodes()
            if loop.time() < relist:
                continue
            relist = loop.time() + RELIST_SECONDS
            try:
                for kind in kinds.WATCHED:
                    await self.listed(kind)
                self.look_at_all()
            except cluster.ClusterError as fault:
                _log.warning("the resync failed: %s", fault)

    async def _forget_nodes(self) -> None:
        try:
            await leaving.forget_nodes(self._ctx, dt.datetime.now(dt.UTC))
        except cluster.ClusterError as fault:
            _log.warning("reports of nodes that are gone were not deleted: %s", fault)

    def _changed(self, kind: kinds.Kind, found: cache.Object, before: cache.Object | None) -> None:
        if kind == kinds.REPORT:
            self.queue.add_later(dispatching.REPORTS, dispatching.REPORT_SECONDS)
            return
        namespace, name = cache.place(found)
        gone = self._ctx.cache.get(kind, name, namespace) is None
        change = dispatching.Change(kind, found, before, gone)
        for key in dispatching.keys(change, self._ctx.cache):
            self.queue.add(key)

    async def _reconcile(self, key: queueing.Key) -> None:
        outcome, started = "done", time.monotonic()
        try:
            await dispatching.work(self._ctx, key)
        except queueing.AgainError as fault:
            outcome = "again"
            _log.info("not yet: %s", fault, extra={"key": "/".join(key)})
            raise
        except cluster.ClusterError as fault:
            outcome = "failed"
            _log.warning("the API server refused: %s", fault, extra={"key": "/".join(key)})
            raise queueing.AgainError(str(fault)) from fault
        except BaseException:
            outcome = "failed"
            raise
        finally:
            measuring.RECONCILED.labels(key[0], outcome).inc()
            measuring.RECONCILE_SECONDS.labels(key[0]).observe(time.monotonic() - started)
