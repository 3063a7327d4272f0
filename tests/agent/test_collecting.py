"""The loop between what is wanted and what the core runs."""

import asyncio
import contextlib

import pytest

from loghub_agent import catalog, collecting, credentials, errors, inventory, supervisor

KEY = credentials.Key("id", "secret")


class World:
    """A loop with a recording core and with everything that may change around it."""

    def __init__(self, core):
        self.core = core
        self.now = 0.0
        self.pods = inventory.Inventory(lambda: self.now)
        self.catalog = catalog.Catalog("loghub")
        self.keys = credentials.Keyring()
        self.keys.observe("key", KEY)
        self.news = []
        self.loop = collecting.Collecting(
            supervisor.Supervisor(core),
            pipelines=self.catalog,
            pods_here=self.pods,
            keys=self.keys,
            surroundings=collecting.Surroundings("/var/log/pods", "node-1"),
            clock=lambda: self.now,
        )
        self.loop.on_news = lambda good, pods: self.news.append((good, pods))

    def outcome(self, name="orders"):
        found = {outcome.name: outcome for outcome in self.catalog.outcomes()}[name]
        return found.generation, found.refusal


@pytest.fixture
def world(recording_core):
    return World(recording_core)


@pytest.fixture
def observe(world, make_spec):
    def observe(generation=1, logstore="orders", name="orders", **changes):
        spec = make_spec(destination={"logstore": logstore}, **changes)
        version = catalog.read_version(spec, name=name, namespace="loghub", generation=generation)
        world.catalog.observe(name, version)

    return observe


@pytest.fixture
async def running(world):
    task = asyncio.get_running_loop().create_task(world.loop.run())
    yield world
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_plan_reaches_the_core_with_its_keys_before_it(world, observe, make_pod):
    observe()
    world.pods.observe(make_pod())
    await world.loop.apply()
    assert world.core.keys == {"key": ("id", "secret")}
    assert list(world.core.sources()) == ["uid-of-shop-orders-1/app"]
    assert world.outcome() == (1, "")
    assert world.news == [(True, False)]


async def test_unchanged_plan_is_not_handed_over_again(world, observe):
    observe()
    await world.loop.apply()
    await world.loop.apply()
    assert len(world.core.plans) == 1


async def test_rotated_key_is_handed_over_without_a_plan(world, observe):
    observe()
    await world.loop.apply()
    world.keys.observe("key", credentials.Key("id2", "secret2"))
    await world.loop.apply()
    assert world.core.keys == {"key": ("id2", "secret2")}
    assert len(world.core.plans) == 1


async def test_removed_key_is_taken_from_the_core(world, observe):
    await world.loop.apply()
    world.keys.remove("key")
    await world.loop.apply()
    assert world.core.keys == {}


async def test_pipeline_without_its_key_is_planned_and_complained_about(world, observe):
    observe()
    world.keys.remove("key")
    await world.loop.apply()
    assert len(world.core.plans[-1]["pipelines"]) == 1
    assert "no credentials named key" in world.loop.troubles()["orders"]


async def test_generation_refused_by_the_core_leaves_the_good_one_with_fresh_sources(
    world, observe, make_pod
):
    observe(1)
    await world.loop.apply()
    world.core.refuses["bad"] = "bad pattern"
    observe(2, "bad")
    world.pods.observe(make_pod())
    await world.loop.apply()
    [pipeline] = world.core.plans[-1]["pipelines"]
    assert pipeline["generation"] == 1
    assert len(pipeline["sources"]) == 1
    assert world.outcome() == (1, "bad pattern")
    assert world.loop.plan.matches["orders"].pods == 1


async def test_refused_generation_is_tried_again_with_every_plan(world, observe):
    world.core.refuses["bad"] = "no memory"
    observe(1, "bad")
    await world.loop.apply()
    world.core.refuses.clear()
    await world.loop.apply()
    assert world.outcome() == (1, "")


async def test_other_pipelines_are_not_touched_by_a_refused_one(world, observe):
    world.core.refuses["bad"] = "bad pattern"
    observe(1)
    observe(1, "bad", name="broken")
    await world.loop.apply()
    assert world.outcome("orders") == (1, "")
    assert world.outcome("broken") == (0, "bad pattern")


async def test_core_that_fails_as_a_whole_gets_the_plan_again(world, observe):
    observe()
    world.core.fails_with = ValueError("broken")
    with pytest.raises(errors.CoreError, match="broken"):
        await world.loop.apply()
    world.core.fails_with = None
    await world.loop.apply()
    assert world.outcome() == (1, "")


async def test_deleted_pod_is_ended_until_the_core_has_drained_it(world, observe, make_pod):
    observe()
    world.pods.observe(make_pod())
    await world.loop.apply()
    world.pods.remove(make_pod().uid)
    await world.loop.apply()
    assert [source["ended"] for source in world.core.sources().values()] == [True]
    await world.loop.look()
    assert world.pods.gone == 1
    world.core.drained.add("uid-of-shop-orders-1/app")
    await world.loop.look()
    assert world.pods.gone == 0
    assert world.news[-1] == (False, True)
    await world.loop.apply()
    assert world.core.sources() == {}


async def test_deleted_pod_of_two_pipelines_waits_for_both(world, observe, make_pod):
    observe()
    observe(name="second", select={"containerNames": ["app"]})
    world.pods.observe(make_pod())
    world.pods.remove(make_pod().uid)
    await world.loop.apply()
    assert set(world.loop.plan.sources[make_pod().uid]) == {
        ("orders", "uid-of-shop-orders-1/app"),
        ("second", "uid-of-shop-orders-1/app"),
    }
    await world.loop.look()
    assert world.pods.gone == 1


async def test_deleted_pod_that_nobody_collects_goes_at_once(world, observe, make_pod):
    world.pods.observe(make_pod())
    world.pods.remove(make_pod().uid)
    await world.loop.apply()
    await world.loop.look()
    assert world.pods.gone == 0


async def test_pod_that_no_longer_matches_is_dropped_not_ended(world, observe, make_pod):
    observe(select={"podLabels": {"matchLabels": {"app": "shop"}}})
    world.pods.observe(make_pod(labels={"app": "shop"}))
    await world.loop.apply()
    world.pods.observe(make_pod(labels={"app": "other"}))
    await world.loop.apply()
    assert world.core.sources() == {}


async def test_delivery_errors_are_told_in_words_that_stay_the_same(world, observe):
    observe()
    await world.loop.apply()
    told = set()
    for request_id in ("5F3B2C1D4E5F6A7B8C9D0E1F", "0011223344556677889900AA"):
        world.core.last_errors["orders"] = f"401 Unauthorized (request {request_id})"
        await world.loop.look()
        told.update(world.loop.sentences())
    assert told == {"pipeline orders: … Unauthorized (request …)"}


async def test_burst_of_changes_is_one_plan_in_well_under_a_second(
    running, observe, make_pod, until
):
    loop = asyncio.get_running_loop()
    started = loop.time()
    observe()
    for number in range(50):
        running.pods.observe(make_pod(f"p{number}"))
        running.loop.poke()
    await until(lambda: running.core.plans)
    assert loop.time() - started < 1.0
    assert len(running.core.sources()) == 50
    assert len(running.core.plans) == 1


async def test_nothing_is_planned_before_everything_was_listed(running, observe, until):
    listed = False
    running.loop.may_plan = lambda: listed
    observe()
    running.loop.poke()
    await asyncio.wait([asyncio.ensure_future(running.loop.first_plan.wait())], timeout=0.4)
    assert not running.core.plans
    listed = True
    running.loop.poke()
    await until(lambda: running.core.plans)


async def test_grace_of_a_pod_deleted_by_force_ends_without_any_event(
    running, observe, make_pod, until
):
    observe()
    running.pods.observe(make_pod(running=True, grace_seconds=1))
    running.loop.poke()
    await until(lambda: running.core.plans)
    running.pods.remove(make_pod().uid)
    running.loop.poke()
    await until(lambda: running.pods.next_end() is not None)
    ended = {source["ended"] for source in running.core.sources().values()}
    assert ended == {False}
    running.now = 1.0
    await until(lambda: {s["ended"] for s in running.core.sources().values()} == {True})


async def test_error_about_files_of_an_opt_in_is_kept_until_its_pipeline_goes(
    world, observe, running
):
    files = {"containerFiles": {"paths": ["/nfs/*.log"]}}
    asked = {"optIn": {"logstore": "orders", "files": ["/nfs/*.log"]}}
    observe(input=files, select=asked)
    observe(name="other", logstore="other", input=files)
    world.loop.poke()
    await world.loop.first_plan.wait()
    for name in ("orders", "other"):
        world.core.last_errors[name] = "/nfs cannot be listed: Permission denied"
    await world.loop.look()
    for error in ("", "503 from the service"):
        world.core.last_errors["orders"] = error
        await world.loop.look()
        [(pipeline, sentence)] = world.loop.failing()
        assert pipeline.name == "orders"
        assert sentence == "/nfs cannot be listed: Permission denied"
    world.catalog.remove("orders")
    await world.loop.look()
    assert not world.loop.failing()


async def test_refusal_of_an_opt_ins_pipeline_is_told_to_who_asks(world, observe, running):
    world.core.refuses["orders"] = "multiline.start is too large"
    observe(select={"optIn": {"logstore": "orders"}})
    world.loop.poke()
    await world.loop.first_plan.wait()
    [(pipeline, sentence)] = world.loop.failing()
    assert (pipeline.name, sentence) == ("orders", "multiline.start is too large")
