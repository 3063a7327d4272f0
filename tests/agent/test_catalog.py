"""Pipelines and their last good forms."""

import json

import pytest

from loghub_agent import catalog, errors


@pytest.fixture
def read(make_spec):
    def read(generation, logstore="orders", written=0, **changes):
        spec = make_spec(destination={"logstore": logstore}, **changes)
        return catalog.read_version(
            spec, name="orders", namespace="loghub", generation=generation, written=written
        )

    return read


@pytest.fixture
def pipelines():
    return catalog.Catalog("loghub")


def running(pipelines):
    return {name: version.generation for name, version in pipelines.wanted().items()}


def accept(pipelines):
    return pipelines.settle(pipelines.wanted(), {})


def outcome(pipelines):
    [found] = pipelines.outcomes()
    return found.generation, found.refusal


def test_good_pipeline_runs(pipelines, read):
    pipelines.observe("orders", read(1))
    assert accept(pipelines)
    assert outcome(pipelines) == (1, "")


def test_unreadable_generation_leaves_the_last_good_one_running(pipelines, read):
    pipelines.observe("orders", read(1))
    accept(pipelines)
    assert pipelines.observe("orders", read(2, surprise=True))
    assert running(pipelines) == {"orders": 1}
    accept(pipelines)
    generation, refusal = outcome(pipelines)
    assert generation == 1
    assert "spec.surprise is not a field" in refusal


def test_pipeline_that_was_never_good_does_not_run(pipelines, read):
    pipelines.observe("orders", read(1, surprise=True))
    assert pipelines.wanted() == {}
    assert outcome(pipelines)[0] == 0


def test_generation_refused_by_the_core_falls_back_to_the_last_good_one(pipelines, read):
    pipelines.observe("orders", read(1))
    accept(pipelines)
    bad = read(2, "bad")
    pipelines.observe("orders", bad)
    assert running(pipelines) == {"orders": 2}
    assert not pipelines.settle(pipelines.wanted(), {"orders": "bad pattern"})
    assert pipelines.has_fallback("orders", bad)
    fallback = pipelines.wanted(["orders"])
    assert {name: version.generation for name, version in fallback.items()} == {"orders": 1}
    pipelines.settle(fallback, {})
    assert outcome(pipelines) == (1, "bad pattern")


def test_generation_refused_by_the_core_without_a_former_one_does_not_run(pipelines, read):
    version = read(1, "bad")
    pipelines.observe("orders", version)
    pipelines.settle(pipelines.wanted(), {"orders": "bad pattern"})
    assert not pipelines.has_fallback("orders", version)
    assert pipelines.wanted(["orders"]) == {}
    assert outcome(pipelines) == (0, "bad pattern")


def test_mended_generation_clears_the_refusal(pipelines, read):
    pipelines.observe("orders", read(1, "bad"))
    pipelines.settle(pipelines.wanted(), {"orders": "bad pattern"})
    pipelines.observe("orders", read(2))
    accept(pipelines)
    assert outcome(pipelines) == (2, "")


def test_outcome_names_the_generations_of_the_resource_and_of_what_is_refused(pipelines, read):
    pipelines.observe("orders", read(1, origin={"generation": 12}))
    accept(pipelines)
    pipelines.observe("orders", read(2, origin={"generation": 13}, surprise=True))
    [found] = pipelines.outcomes()
    assert (found.generation, found.origin_generation, found.refused_generation) == (1, 12, 2)


def test_resource_version_is_said_once_everything_up_to_it_is_settled(pipelines, read):
    assert pipelines.written() == 0
    pipelines.observe("a", read(1, written=50))
    assert pipelines.written() == 0
    accept(pipelines)
    assert pipelines.written() == 50
    pipelines.observe("b", read(1, written=70))
    pipelines.observe("a", read(1, written=60))  # metadata only: nothing to settle
    assert pipelines.written() == 60
    pipelines.observe("a", read(2, written=65, surprise=True))
    assert pipelines.written() == 65  # a refusal is an answer too
    accept(pipelines)
    assert pipelines.written() == 70
    pipelines.remove("b")
    assert pipelines.written() == 65


def test_verdict_on_an_older_version_is_not_taken_for_the_newer_one(pipelines, read):
    pipelines.observe("orders", read(1))
    accept(pipelines)
    pipelines.observe("orders", read(2))
    asked = pipelines.wanted()
    pipelines.observe("orders", read(3, "bad"))  # comes while the core thinks about 2
    pipelines.settle(asked, {})
    pipelines.settle(pipelines.wanted(), {"orders": "bad pattern"})
    assert pipelines.wanted(["orders"])["orders"].generation == 2


def test_same_version_again_is_no_change(pipelines, read):
    pipelines.observe("orders", read(1))
    accept(pipelines)
    assert not pipelines.observe("orders", read(1))
    assert not accept(pipelines)


def test_list_without_a_pipeline_forgets_it(pipelines, read):
    pipelines.observe("orders", read(1))
    assert pipelines.replace({"other": read(1)})
    assert list(pipelines.wanted()) == ["other"]
    assert not pipelines.replace({"other": read(1)})


def test_one_bad_pipeline_among_a_thousand_changes_no_other(pipelines, make_spec):
    for number in range(1000):
        spec = make_spec() | ({"oops": 1} if number == 500 else {})
        name = f"p{number}"
        version = catalog.read_version(spec, name=name, namespace="loghub", generation=1)
        pipelines.observe(name, version)
    accept(pipelines)
    assert [found.name for found in pipelines.outcomes() if found.refusal] == ["p500"]
    assert len(pipelines.wanted()) == 999


def restarted(pipelines):
    again = catalog.Catalog("loghub")
    again.restore(json.loads(json.dumps(pipelines.to_state())))
    return again


def test_last_good_form_survives_a_restart(pipelines, read):
    pipelines.observe("orders", read(1))
    accept(pipelines)
    pipelines.observe("orders", read(2, surprise=True))
    again = restarted(pipelines)
    assert running(again) == {"orders": 1}
    accept(again)
    generation, refusal = outcome(again)
    assert generation == 1
    assert "spec.surprise" in refusal


def test_good_pipeline_survives_a_restart_and_the_same_object_is_no_change(pipelines, read):
    pipelines.observe("orders", read(1))
    accept(pipelines)
    again = restarted(pipelines)
    assert running(again) == {"orders": 1}
    assert not again.observe("orders", read(1))


def test_pipeline_never_accepted_has_no_good_form_after_a_restart(pipelines, read):
    pipelines.observe("orders", read(1, "bad"))
    again = restarted(pipelines)
    again.settle(again.wanted(), {"orders": "bad pattern"})
    assert again.wanted(["orders"]) == {}


@pytest.mark.parametrize(
    "items", [[{}], [{"name": "x"}], [{"name": "x", "current": {"generation": 1, "document": "{"}}]]
)
def test_foreign_state_is_refused(pipelines, items):
    with pytest.raises(errors.StateError):
        pipelines.restore(items)
