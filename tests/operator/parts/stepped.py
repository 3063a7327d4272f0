"""One operator after another over an imagined API server and log service, stepped by hand.

The real reconcilers, compiler, cache, dispatching and index of reports; only the queue's timers and
kopf's watches are the test's, which decides what is heard and worked on when.
"""

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator
from typing import Any

import imagined
from loghub_operator import (
    cache,
    dispatching,
    events,
    kinds,
    queueing,
    reporting,
    watching,
)
from loghub_operator.cluster import ClusterError
from loghub_operator.reconciling import context, permitting
from stage import workloads

SYSTEM = "loghub-system"
SPACES = ("shop", "web")
STEPS = 20_000
"""More keys than any run of the test needs; an endless loop among reconcilers needs more."""

SETTINGS = context.Settings(
    namespace=SYSTEM,
    agent_image="agent:1",
    ingest_endpoint="http://ingest",
    root_secret="root",
    default_project=None,
)


class Context(context.Context):
    """With the imagined log service."""

    service: imagined.LogService

    @contextlib.asynccontextmanager
    async def remote(self, project: context.Object) -> AsyncIterator[Any]:
        yield self.service


class World:
    """The API server, the log service, and one operator after another."""

    settings = SETTINGS

    def __init__(self) -> None:
        self.api, self.service = imagined.ApiServer(), imagined.LogService()
        for name in (SYSTEM, *SPACES):
            self.api.put(kinds.NAMESPACE, workloads.namespace(name))
        self.pending: dict[queueing.Key, None] = {}
        self.busy: set[queueing.Key] = set()
        self.waiting: set[queueing.Key] = set()
        """Failed, and not told of since: the queue would try them after a pause."""
        self.restart()

    def restart(self) -> None:
        """A new operator: it lists, and then hears what comes after."""
        reports = reporting.Reports(SYSTEM)
        told = events.Events(self.api)  # type: ignore[arg-type]
        permits = permitting.Permits(self.api)  # type: ignore[arg-type]
        self.ctx = Context(
            self.settings,
            self.api,
            cache.Cache(),
            told,
            reports,
            permits,  # type: ignore[arg-type]
        )
        self.ctx.service = self.service
        self.ctx.later = lambda key, _seconds: self._wake(key)
        self.ctx.changed = self._changed
        self.ctx.busy = lambda key: (
            key in self.busy or (key in self.pending and key not in self.waiting)
        )
        self.ctx.pace.wait = lambda _key: 0.0  # type: ignore[method-assign]
        self.api.news.clear()
        for kind in kinds.WATCHED:
            if kind == kinds.REPORT:
                reports.replace(self.api.all(kind))
            else:
                self.ctx.cache.replace(kind, self.api.all(kind))
        self.pending = dict.fromkeys(dispatching.everything(self.ctx.cache))

    def deliver(self, plural: str, count: int) -> None:
        """The next events of one watch; each watch is in order, and none waits for another."""
        for kind in kinds.WATCHED:
            news = self.api.news.get(kind.plural, []) if kind.plural == plural else []
            for what, found in news[:count]:
                self._hear(kind, found, deleted=what == "DELETED")
            del news[:count]

    def _hear(self, kind: kinds.Kind, found: imagined.Object, *, deleted: bool) -> None:
        if kind == kinds.REPORT:
            watching.take_report(self.ctx.reports, found, deleted=deleted)
            self._wake(dispatching.REPORTS)
        else:
            watching.take(kind, found, self.ctx.cache, self._changed, deleted=deleted)

    def _changed(self, kind: kinds.Kind, found: cache.Object, before: cache.Object | None) -> None:
        gone = self.ctx.cache.get(kind, *reversed(cache.place(found))) is None
        change = dispatching.Change(kind, found, before, gone)
        for key in dispatching.keys(change, self.ctx.cache):
            self._wake(key)

    def _wake(self, key: queueing.Key) -> None:
        self.pending.setdefault(key)
        self.waiting.discard(key)

    async def work(self, picks: list[int]) -> None:
        """Work on some pending keys at once."""
        keys = list(self.pending)
        chosen = list(dict.fromkeys(keys[pick % len(keys)] for pick in picks)) if keys else []
        for key in chosen:
            del self.pending[key]
        self.busy.update(chosen)
        await asyncio.gather(*map(self._one, chosen))

    async def _one(self, key: queueing.Key) -> None:
        try:
            await dispatching.work(self.ctx, key)
        except queueing.SoonError:
            self.pending.setdefault(key)  # what it waits for is done before it is tried again
        except (queueing.AgainError, ClusterError):
            if key not in self.pending:
                self.pending[key] = None
                self.waiting.add(key)
        finally:
            self.busy.discard(key)

    async def rush(self, plural: str) -> None:
        """One watch is up to date, the others say nothing, and everything is worked on."""
        for _ in range(STEPS):
            self.deliver(plural, len(self.api.news.get(plural, ())))
            fresh = [key for key in self.pending if key not in self.waiting]
            if not fresh:
                return
            del self.pending[fresh[0]]
            await self._one(fresh[0])

    async def settle(self) -> None:
        """No more faults; everything under way comes, and every key is worked on."""
        self.api.plan.clear()
        self.service.plan.clear()
        self.waiting.clear()
        for _ in range(STEPS):
            for plural, news in list(self.api.news.items()):
                self.deliver(plural, len(news))
            fresh = [key for key in self.pending if key not in self.waiting]
            if not fresh:
                return
            del self.pending[fresh[0]]
            await self._one(fresh[0])
        raise AssertionError(f"it never rests: {list(self.pending)[:5]}")

    def state(self) -> dict[str, Any]:
        """What a user sees, without times."""
        found: dict[str, Any] = {}
        ready = set()
        for kind in (kinds.PROJECT, kinds.STORE, *kinds.CONFIGS):
            for each in self.api.all(kind):
                place = (kind.plural, *cache.place(each))
                status = each.get("status") or {}
                told = [(c["type"], c["status"], c["reason"]) for c in status["conditions"]]
                running = {("Ready", "True", "Compiled"), ("Ready", "False", "AgentsFailed")}
                said: tuple[Any, ...] = ()
                if running.intersection(told):
                    ready.add(status["pipeline"])
                    said = (status.get("matched"), status.get("nodeErrors"), status.get("lines"))
                found["/".join(place)] = (sorted(told), said, each["spec"])
        for each in self.api.all(kinds.PIPELINE):
            # One whose config waits for something runs on in its last good form, whichever it was.
            if each["metadata"]["name"] in ready:
                found[each["metadata"]["name"]] = each["spec"]
        return found


def fresh_from(world: World) -> World:
    """The same users' objects, reports and LogStores before an operator that starts now."""
    found = World()
    for key, each in world.api.objects.items():
        if key[0] in {kinds.PIPELINE.plural, kinds.SECRET.plural, kinds.EVENT.plural}:
            continue
        copied = copy.deepcopy(each)
        copied.pop("status", None)
        found.api.objects[key] = copied
    found.api.versions = world.api.versions  # they never go back
    found.restart()
    return found
