"""Whatever happens in whatever order, the operator arrives at one state, and makes nothing twice.

The real reconcilers, compiler, cache, dispatching and index of reports, over an imagined API server
and log service: events come late, requests fail before or after they took effect, the operator is
killed and started anew, several keys are worked on at once. Then the faults end, everything that
is under way comes, and the state must be what an operator that starts now makes of the same.
"""

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import imagined
from loghub_operator import (
    cache,
    compiling,
    dispatching,
    events,
    kinds,
    queueing,
    reporting,
    watching,
)
from loghub_operator.cluster import ClusterError
from loghub_operator.reconciling import context, observing
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

    def __init__(self) -> None:
        self.api, self.service = imagined.ApiServer(), imagined.LogService()
        for name in (SYSTEM, *SPACES):
            self.api.put(kinds.NAMESPACE, workloads.namespace(name))
        self.pending: dict[queueing.Key, None] = {}
        self.waiting: set[queueing.Key] = set()
        """Failed, and not told of since: the queue would try them after a pause."""
        self.restart()

    def restart(self) -> None:
        """A new operator: it lists, and then hears what comes after."""
        reports = reporting.Reports(SYSTEM)
        told = events.Events(self.api)  # type: ignore[arg-type]
        self.ctx = Context(SETTINGS, self.api, cache.Cache(), told, reports)  # type: ignore[arg-type]
        self.ctx.service = self.service
        self.ctx.later = lambda key, _seconds: self._wake(key)
        self.ctx.changed = self._changed
        self.ctx.pace.allows = lambda: True  # type: ignore[method-assign]
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
        await asyncio.gather(*map(self._one, chosen))

    async def _one(self, key: queueing.Key) -> None:
        try:
            await dispatching.work(self.ctx, key)
        except (queueing.AgainError, ClusterError):
            if key not in self.pending:
                self.pending[key] = None
                self.waiting.add(key)

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


NAMES = st.sampled_from(["a", "b"])
SPACE = st.sampled_from(SPACES)
PROJECTS = st.builds(
    lambda space, opened: (
        kinds.PROJECT,
        workloads.project(
            "app", space, projectName=f"{space}-app", allowedNamespaces={"from": opened}
        ),
    ),
    SPACE,
    st.sampled_from(["Same", "All"]),
)
STORES = st.builds(
    lambda name, space, home, days: (
        kinds.STORE,
        workloads.store(
            name, space, "app", projectRef={"name": "app", "namespace": home}, retentionDays=days
        ),
    ),
    NAMES,
    SPACE,
    SPACE,
    st.integers(1, 2),
)
CONFIGS = st.builds(
    lambda name, space, store, start: (
        kinds.CONFIG,
        workloads.config(name, space, store, multiline={"start": start}),
    ),
    NAMES,
    SPACE,
    NAMES,
    st.sampled_from(["^a", "^b", "(["]),
)
CLUSTER_CONFIGS = st.builds(
    lambda space, store, label: (
        kinds.CLUSTER_CONFIG,
        workloads.cluster_config(
            "all",
            space,
            store,
            selector={"namespaces": {"labels": {"matchLabels": {"team": label}}}},
        ),
    ),
    SPACE,
    NAMES,
    st.sampled_from(["x", "y"]),
)


def _labelled(space: str, label: str) -> tuple[kinds.Kind, imagined.Object]:
    found = workloads.namespace(space)
    found["metadata"]["labels"] = {"team": label}
    return kinds.NAMESPACE, found


def _reported(node: str, space: str, wish: str, failed: bool) -> tuple[kinds.Kind, imagined.Object]:
    wished = [{"namespace": space, "logstore": wish}] if wish else []
    state = "Failed" if failed else "Applied"
    name = compiling.pipeline_name("shop", "a")
    entry = {"name": name, "state": state, "message": "m", "pods": 1, "lines": 3}
    report = {"node": node, "pipelinesVersion": "0", "pipelines": [entry], "optIns": wished}
    return kinds.REPORT, {"metadata": {"name": node, "namespace": SYSTEM}, "report": report}


OBJECTS = (
    PROJECTS
    | STORES
    | CONFIGS
    | CLUSTER_CONFIGS
    | st.builds(_labelled, SPACE, st.sampled_from(["x", "y"]))
    | st.builds(_reported, NAMES, SPACE, st.sampled_from(["", "wish"]), st.booleans())
)
WATCHES = st.sampled_from([kind.plural for kind in kinds.WATCHED])
FAULTS = st.lists(st.sampled_from(["before", "after", "none"]), max_size=4)
MOVES = st.one_of(
    st.tuples(st.just("put"), OBJECTS),
    st.tuples(st.just("remove"), STORES | CONFIGS | CLUSTER_CONFIGS | PROJECTS),
    st.tuples(st.just("deliver"), st.tuples(WATCHES, st.integers(1, 4))),
    st.tuples(st.just("work"), st.lists(st.integers(0, 50), min_size=1, max_size=4)),
    st.tuples(st.just("work"), st.lists(st.integers(0, 50), min_size=1, max_size=4)),
    st.tuples(st.just("faults"), st.tuples(FAULTS, FAULTS)),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("rest"), st.none()),
)


FIRST = (
    (kinds.PROJECT, workloads.project("app", "shop", projectName="shop-app")),
    (kinds.STORE, workloads.store("a", "shop", "app")),
    (kinds.CONFIG, workloads.config("a", "shop", "a")),
    (kinds.CLUSTER_CONFIG, workloads.cluster_config("all", "shop", "a")),
)
"""There from the beginning, so that most histories have something that works."""


async def move(world: World, what: str, how: Any) -> None:
    if what == "put":
        world.api.put(*how)
    elif what == "remove":
        kind, found = how
        world.api.remove(kind, found["metadata"]["name"], found["metadata"].get("namespace", ""))
    elif what == "deliver":
        world.deliver(*how)
    elif what == "work":
        await world.work(how)
    elif what == "faults":
        world.api.plan, world.service.plan = list(how[0]), list(how[1])
    elif what == "restart":
        world.restart()
    else:
        await world.settle()


@given(st.lists(MOVES, min_size=10, max_size=60))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_history_ends_in_the_state_that_a_fresh_operator_makes(moves):
    async def play() -> None:
        world = World()
        for what, how in FIRST:
            world.api.put(what, copy.deepcopy(how))
        for what, how in moves:
            await move(world, what, how)
        await world.settle()
        fresh = fresh_from(world)
        await fresh.settle()
        assert world.state() == fresh.state()
        made = [key for key in world.api.creations if key[0] == kinds.STORE.plural]
        removed = [how for what, how in moves if what == "remove" and how[0] == kinds.STORE]
        assert len(made) <= len(set(made)) + len(removed)
        assert len(world.service.keys) <= len(world.service.projects) + sum(
            what == "faults" for what, _ in moves
        )

    # Time does not pass here, and what waits for it is another test's.
    with (
        mock.patch.object(observing, "FIGURES_SECONDS", 0.0),
        mock.patch.object(observing, "_PROGRESS_SECONDS", 0.0),
    ):
        asyncio.run(play())
