"""The AgentReport's content."""

import pytest

from loghub_agent import catalog, figures, optins, planning, reports

IDENTITY = reports.Identity("node-1", "0.1.0", "agent-abc", "default", "2026-01-01T00:00:00Z")


@pytest.fixture
def build():
    def build(outcomes=(), matches=None, troubles=None, residents=(), errors=(), **more):
        return reports.build(
            IDENTITY,
            outcomes=outcomes,
            matches=matches or {},
            troubles=troubles or {},
            asked=optins.report(residents),
            errors=errors,
            **more,
        )

    return build


def test_report_has_the_contracts_shape(build):
    report = build(
        [catalog.Outcome("orders", 3, "")],
        {"orders": planning.Match(2, 4, ["shop/orders-1"])},
        written=41,
    )
    assert report == {
        "node": "node-1",
        "agent": {
            "version": "0.1.0",
            "pod": "agent-abc",
            "pool": "default",
            "startedAt": "2026-01-01T00:00:00Z",
        },
        "pipelinesVersion": "41",
        "applied": 1,
        "pipelines": [
            {
                "name": "orders",
                "generation": 3,
                "state": "Applied",
                "message": "",
                "pods": 2,
                "containers": 4,
                "samplePods": ["shop/orders-1"],
            }
        ],
        "optIns": [],
        "problems": [],
        "errors": [],
    }


def test_refused_pipeline_is_failed_with_the_generation_that_runs(build):
    [entry] = build([catalog.Outcome("orders", 2, "spec.x is wrong")])["pipelines"]
    assert (entry["state"], entry["generation"]) == ("Failed", 2)
    assert entry["message"] == "spec.x is wrong"


def test_pipeline_without_credentials_is_failed(build):
    [entry] = build([catalog.Outcome("orders", 2, "")], troubles={"orders": "no key"})["pipelines"]
    assert (entry["state"], entry["message"]) == ("Failed", "no key")


def test_pipeline_that_takes_nothing_here_is_only_counted(build):
    outcomes = [catalog.Outcome(name, 1, "") for name in ("idle", "busy")]
    report = build(outcomes, numbers={"busy": figures.Figures(lines=3)})
    assert report["applied"] == 2
    assert [(each["name"], each["lines"]) for each in report["pipelines"]] == [("busy", 3)]


def test_long_lists_keep_failures_and_say_what_is_missing(build):
    outcomes = [catalog.Outcome(f"p{n:04}", 1, "") for n in range(reports.MAX_PIPELINES + 5)]
    matches = {each.name: planning.Match(1, 1, []) for each in outcomes}
    outcomes[-1] = catalog.Outcome(outcomes[-1].name, 0, "broken")
    matches[outcomes[-2].name] = planning.Match(2, 2, [])
    del matches[outcomes[-1].name]
    report = build(outcomes, matches)
    names = [entry["name"] for entry in report["pipelines"]]
    assert len(names) == reports.MAX_PIPELINES
    assert names == sorted(names)
    assert {outcomes[-1].name, outcomes[-2].name} <= set(names)
    assert report["errors"] == ["only 1000 of 1005 pipelines are listed here"]


def test_sentences_are_bounded_and_not_repeated(build):
    report = build(errors=["a" * 10_000, "b", "b", *map(str, range(30))])
    assert len(report["errors"]) == reports.MAX_ERRORS
    assert len(report["errors"][0]) == 500
    assert report["errors"].count("b") == 1
