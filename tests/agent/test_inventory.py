"""Live and deleted pods: single rules, and random histories against a model."""

import dataclasses

import pytest
from hypothesis import stateful
from hypothesis import strategies as st

from loghub_agent import inventory, pods


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def here(clock):
    return inventory.Inventory(clock)


def residents(here):
    return {resident.pod.name: resident for resident in here.residents()}


def always(_):
    return True


def never(_):
    return False


def test_pod_seen_twice_alike_is_no_change(here, make_pod):
    assert here.observe(make_pod())
    assert not here.observe(make_pod())
    assert here.observe(make_pod(ip="10.9.9.9"))


def test_deleted_pod_stays_ended_until_drained(here, make_pod):
    here.observe(make_pod("a"))
    here.remove("uid-of-shop-a")
    assert residents(here)["a"].ended
    assert residents(here)["a"].gone
    sources = {"uid-of-shop-a": (("orders", "uid-of-shop-a/app"),)}
    assert not here.release(sources, never)
    assert here.release(sources, always)
    assert not residents(here)


def test_deleted_pod_that_no_plan_has_seen_is_not_released(here, make_pod):
    here.observe(make_pod("a"))
    here.remove("uid-of-shop-a")
    assert not here.release({}, always)


def test_pod_deleted_while_running_stays_open_for_its_grace(here, make_pod, clock):
    here.observe(make_pod("a", running=True, grace_seconds=30))
    here.remove("uid-of-shop-a")
    assert here.next_end() == clock.now + 30
    assert not residents(here)["a"].ended
    assert not here.release({"uid-of-shop-a": ()}, always)
    clock.now += 30
    assert here.next_end() is None
    assert residents(here)["a"].ended
    assert here.release({"uid-of-shop-a": ()}, always)


def test_last_form_of_a_deleted_pod_counts(here, make_pod):
    here.observe(make_pod("a", running=True))
    here.remove("uid-of-shop-a", make_pod("a", running=False))
    assert residents(here)["a"].ended


def test_finished_pod_is_ended_only_when_nothing_runs_any_more(here, make_pod):
    here.observe(make_pod("a", finished=True, running=True))
    here.observe(make_pod("b", finished=True))
    assert {name: resident.ended for name, resident in residents(here).items()} == {
        "a": False,
        "b": True,
    }


def test_list_without_a_pod_means_that_it_is_deleted(here, make_pod):
    here.observe(make_pod("a"))
    here.observe(make_pod("b"))
    assert here.replace([make_pod("b"), make_pod("c")])
    assert {name: resident.gone for name, resident in residents(here).items()} == {
        "a": True,
        "b": False,
        "c": False,
    }


def test_equal_list_is_no_change(here, make_pod):
    here.replace([make_pod("a")])
    assert not here.replace([make_pod("a")])


def test_deleted_pods_are_bounded_and_the_oldest_is_given_up_and_counted(here, make_pod):
    for number in range(inventory.MAX_GONE + 3):
        here.observe(make_pod(f"p{number}"))
        here.remove(f"uid-of-shop-p{number}")
    assert here.gone == inventory.MAX_GONE
    assert here.abandoned == 3
    assert "p2" not in residents(here)
    assert "p3" in residents(here)


def test_state_gives_back_live_and_deleted_pods(here, make_pod, clock):
    here.observe(make_pod("a"))
    here.observe(make_pod("b", running=True))
    here.remove("uid-of-shop-b")
    again = inventory.Inventory(clock)
    again.restore((item["gone"], pods.from_state(item["pod"])) for item in here.to_state())
    assert residents(again) == residents(here)


NAMES = st.sampled_from(["a", "b", "c"])


class InventoryMachine(stateful.RuleBasedStateMachine):
    """Any order of events: a deleted pod is there, ended, until drained; a live one always is."""

    def __init__(self):
        super().__init__()
        self.clock = Clock()
        self.here = inventory.Inventory(self.clock)
        self.live = {}
        self.gone = {}

    def make(self, name, running):
        container = (pods.Container("app", ""),)
        return pods.Pod(
            name, name, "shop", name, "n", "", {}, {}, container, running=running, grace_seconds=10
        )

    @stateful.rule(name=NAMES, running=st.booleans())
    def observe(self, name, running):
        pod = self.make(name, running)
        self.here.observe(pod)
        self.live[name] = pod
        self.gone.pop(name, None)

    def forget(self, name, pod):
        del self.live[name]
        self.gone[name] = (pod, self.clock.now + (10 if pod.running else 0))

    @stateful.rule(name=NAMES, running=st.booleans(), with_last=st.booleans())
    def remove(self, name, running, with_last):
        last = self.make(name, running) if with_last else None
        self.here.remove(name, last)
        if name in self.live:
            self.forget(name, last or self.live[name])

    @stateful.rule(names=st.sets(NAMES), running=st.booleans())
    def replace(self, names, running):
        listed = {name: self.make(name, running) for name in names}
        self.here.replace(listed.values())
        for name in [name for name in self.live if name not in listed]:
            self.forget(name, self.live[name])
        for name, pod in listed.items():
            self.live[name] = pod
            self.gone.pop(name, None)

    @stateful.rule(seconds=st.sampled_from([1, 5, 10]))
    def wait(self, seconds):
        self.clock.now += seconds

    @stateful.rule(drained=st.sets(NAMES))
    def release(self, drained):
        sources = {name: ((name, "x"),) for name in ("a", "b", "c")}
        self.here.release(sources, lambda key: key[0] in drained)
        for name in drained:
            if name in self.gone and self.clock.now >= self.gone[name][1]:
                del self.gone[name]

    @stateful.invariant()
    def residents_are_the_models(self):
        found = {resident.pod.name: resident for resident in self.here.residents()}
        assert found.keys() == self.live.keys() | self.gone.keys()
        for name, pod in self.live.items():
            assert dataclasses.astuple(found[name])[1:] == (False, False)
            assert found[name].pod == pod
        for name, (pod, ends_at) in self.gone.items():
            assert found[name].gone
            assert found[name].ended == (self.clock.now >= ends_at)
            assert found[name].pod == pod


TestInventoryHistories = InventoryMachine.TestCase
