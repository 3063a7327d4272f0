"""Whatever happens in whatever order, the operator arrives at one state, and makes nothing twice.

The real reconcilers, compiler, cache, dispatching and index of reports, over an imagined API server
and log service: events come late, requests fail before or after they took effect, the operator is
killed and started anew, several keys are worked on at once. Then the faults end, everything that
is under way comes, and the state must be what an operator that starts now makes of the same.
"""

import asyncio
import copy
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import imagined
from loghub_operator import compiling, kinds
from loghub_operator.reconciling import configs, observing
from stage import workloads
from stepped import SPACES, SYSTEM, World, fresh_from

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
    st.tuples(st.just("rush"), st.sampled_from([kinds.REPORT.plural]) | WATCHES),
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
    elif what == "rush":
        await world.rush(how)
    elif what == "faults":
        world.api.plan, world.service.plan = list(how[0]), list(how[1])
    elif what == "restart":
        world.restart()
    else:
        await world.settle()


def _said(*, failed: bool) -> tuple[str, Any]:
    return "put", _reported("a", "shop", "", failed)


OPENED = (
    kinds.PROJECT,
    workloads.project("app", "shop", projectName="shop-app", allowedNamespaces={"from": "All"}),
)
HOST = (kinds.STORE, workloads.store("a", "shop", "app"))
GUEST = (
    kinds.STORE,
    workloads.store("a", "web", "app", projectRef={"name": "app", "namespace": "shop"}),
)
LABELLED = (
    kinds.CLUSTER_CONFIG,
    workloads.cluster_config(
        "all", "shop", "a", selector={"namespaces": {"labels": {"matchLabels": {"team": "x"}}}}
    ),
)
FIRST_CONFIG = (kinds.CONFIG, workloads.config("a", "shop", "a"))
REPORTS, CONFIGURED = kinds.REPORT.plural, kinds.CONFIG.plural
BACK_AND_FORTH = [
    _said(failed=False),
    ("rest", None),
    _said(failed=True),
    ("rush", REPORTS),
    _said(failed=False),
    ("rush", REPORTS),
]
"""A status is changed and changed back before its watch has told of the first change."""


@example(BACK_AND_FORTH)
# The first change is told of when the status is to become that again.
@example([*BACK_AND_FORTH, ("deliver", (CONFIGURED, 1)), _said(failed=True), ("rush", REPORTS)])
# The first change is written and its answer lost, and then it is to be as it was.
@example(
    [
        *BACK_AND_FORTH[:3],
        ("faults", (["after"], [])),
        ("rush", REPORTS),
        _said(failed=False),
        ("rush", REPORTS),
    ]
)
# Of two LogStores for one Logstore the older one goes.
@example([("put", OPENED), ("put", GUEST), ("rest", None), ("remove", HOST)])
# A namespace gets the label that a config for many namespaces selects.
@example([("put", LABELLED), ("rest", None), ("put", _labelled("web", "x"))])
# A config is deleted and made again, and the watch has told of the end alone.
@example(
    [
        ("rest", None),
        ("remove", FIRST_CONFIG),
        ("put", FIRST_CONFIG),
        ("deliver", (CONFIGURED, 1)),
        ("rush", REPORTS),
    ]
)
@given(st.lists(MOVES, min_size=10, max_size=60))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
        wanted = {key: each["ttl"] for key, each in fresh.service.stores.items()}
        there = world.service.stores  # with those whose LogStore is gone: they are retained
        assert {key: there[key]["ttl"] for key in wanted if key in there} == wanted
        for each in world.api.all(kinds.PIPELINE):
            kind, *where = configs.origin(each)
            assert kind is not None
            assert (kind.plural, where[1], where[0]) in world.api.objects, "its config is gone"
        for each, there in world.api.deletions:
            kind, *where = configs.origin(each)
            gone = kind is None or (kind.plural, where[1], where[0]) not in there
            assert each["kind"] != kinds.PIPELINE.name or gone, "a running pipeline was stopped"
        made = [key for key in world.api.creations if key[0] == kinds.STORE.plural]
        removed = [how for what, how in moves if what == "remove" and how[0] == kinds.STORE]
        assert len(made) <= len(set(made)) + len(removed)
        # A key whose making or keeping failed half-way is made again; each fault may do that once.
        faults = sum(len(how[0]) + len(how[1]) for what, how in moves if what == "faults")
        assert len(world.service.keys) <= len(world.service.projects) + faults

    # Time does not pass here, and what waits for it is another test's.
    with (
        mock.patch.object(observing, "FIGURES_SECONDS", 0.0),
        mock.patch.object(observing, "_PROGRESS_SECONDS", 0.0),
    ):
        asyncio.run(play())
