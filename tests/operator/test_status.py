"""What a config's status says of the agents, and configs for many namespaces."""

import pytest

from stage import waiting, workloads

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(240)]

SYSTEM = "loghub-system"


@pytest.fixture
def home(cluster, namespace):
    """A namespace with a project and a ready store `lines`."""
    cluster.apply(
        workloads.project("app", namespace, projectName=namespace),
        workloads.store("lines", namespace, "app"),
    )
    cluster.until("LogStore", "lines", namespace, Ready="True")
    return namespace


@pytest.fixture
def say(cluster, namespace):
    """Agents' reports: `say(NODE, version=..., pipelines=[...])`; they go with the test."""
    # Of tests before: their agents would be waited for.
    for left in cluster.list("AgentReport", SYSTEM):
        cluster.delete("AgentReport", left["metadata"]["name"], SYSTEM)
    told = set()
    for each in cluster.list("AgentReport", SYSTEM):  # of other tests: they would be counted
        cluster.delete("AgentReport", each["metadata"]["name"], SYSTEM)

    def say(node: str, *pipelines: dict, version: int) -> None:
        name = f"{namespace}-{node}"
        told.add(name)
        about = {"version": "0", "pod": "p", "pool": "default", "startedAt": ""}
        cluster.apply(
            {
                "apiVersion": "loghub.dev/v1alpha1",
                "kind": "AgentReport",
                "metadata": {"name": name, "namespace": SYSTEM},
                "report": {
                    "node": name,
                    "agent": about,
                    "pipelinesVersion": str(version),
                    "applied": len(pipelines),
                    "pipelines": list(pipelines),
                    "optIns": [],
                    "problems": [],
                    "errors": [],
                },
            }
        )

    yield say
    for name in told:
        cluster.delete("AgentReport", name, SYSTEM)


def pipeline_of(cluster, name: str, namespace: str) -> dict:
    """The LogPipeline of a config once it is written."""

    def look() -> dict | None:
        for each in cluster.list("LogPipeline", SYSTEM):
            origin = each["spec"]["origin"]
            if (origin["namespace"], origin["name"]) == (namespace, name):
                return each
        return None

    return waiting.until(f"a pipeline of {name}", look, every=0.1)


def entry(pipeline: dict, **more: object) -> dict:
    """What an agent says of a pipeline that it runs."""
    return {
        "name": pipeline["metadata"]["name"],
        "generation": pipeline["metadata"]["generation"],
        "originGeneration": pipeline["spec"]["origin"]["generation"],
        "state": "Applied",
        "message": "",
        "pods": 1,
        "containers": 2,
        "samplePods": ["shop/web-1"],
        **more,
    }


def version_of(pipeline: dict) -> int:
    return int(pipeline["metadata"]["resourceVersion"])


def until_status(cluster, kind: str, name: str, namespace: str, **wanted: object) -> dict:
    """The status once it has these fields."""

    def look() -> dict | None:
        status = (cluster.get(kind, name, namespace) or {}).get("status", {})
        return status if wanted.items() <= status.items() else None

    return waiting.until(f"{name}: {wanted}", look, every=0.1)


def test_status_sums_up_what_agents_report(cluster, home, say):
    cluster.apply(workloads.config("lines", home, "lines"))
    pipeline = pipeline_of(cluster, "lines", home)
    busy = {
        "lines": 120,
        "bytes": 9000,
        "lagSeconds": 60,
        "lostBytes": {"Deleted": 7},
        "lastLogTime": "2026-01-01T00:00:00Z",
    }
    say("a", entry(pipeline, **busy), version=version_of(pipeline))
    say("b", entry(pipeline, lines=3, bytes=100), version=version_of(pipeline))
    say("c", version=version_of(pipeline))  # runs it, takes nothing, and so lists nothing
    matched = {"pods": 2, "containers": 4, "samples": ["shop/web-1", "shop/web-1"]}
    agents = {
        "desired": 3, "applied": 3, "failed": 0, "oldestGeneration": 1, "summary": "3/3",
    }  # fmt: skip
    found = until_status(cluster, "LogConfig", "lines", home, matched=matched, agents=agents)
    assert (found["lines"], found["bytes"], found["lagSeconds"]) == (123, 9100, 60)
    assert (found["lostBytes"], found["lastLogTime"]) == ({"Deleted": 7}, "2026-01-01T00:00:00Z")


def test_first_lines_are_shown_soon_after_the_rest(cluster, home, say):
    cluster.apply(workloads.config("lines", home, "lines"))
    pipeline = pipeline_of(cluster, "lines", home)
    say("a", entry(pipeline), version=version_of(pipeline))
    matched = {"pods": 1, "containers": 2, "samples": ["shop/web-1"]}
    until_status(cluster, "LogConfig", "lines", home, matched=matched)
    say("a", entry(pipeline, lines=7), version=version_of(pipeline))

    def look() -> bool:
        return cluster.get("LogConfig", "lines", home)["status"].get("lines") == 7

    # Numbers alone would wait for a minute; a slow machine does not take half of that.
    waiting.until("the first lines", look, seconds=30, every=0.2)


def test_object_that_becomes_ready_has_an_event_that_says_so(cluster, home):
    def told() -> set[str]:
        about = [each for each in cluster.list("Event", home) if each["type"] == "Normal"]
        return {f"{each['involvedObject']['kind']} {each['reason']}" for each in about}

    waiting.until("good news", lambda: told() >= {"LogProject Provisioned", "LogStore Provisioned"})


def test_agent_that_lags_and_agent_that_refuses_are_told_apart(cluster, home, say):
    cluster.apply(workloads.config("lines", home, "lines"))
    old = pipeline_of(cluster, "lines", home)
    say("a", entry(old), version=version_of(old))
    cluster.until("LogConfig", "lines", home, Ready="True")
    cluster.apply(workloads.config("lines", home, "lines", tags={"static": {"a": "b"}}))
    new = waiting.until(
        "the new form",
        lambda: (
            (found := pipeline_of(cluster, "lines", home))["metadata"]["generation"] == 2 and found
        ),
    )
    say("b", entry(new, state="Failed", message="cannot"), version=version_of(new))
    found = cluster.until("LogConfig", "lines", home, Ready="False")
    assert found["reason"] == "AgentsFailed"
    assert "cannot" in found["message"]
    agents = {
        "desired": 2, "applied": 0, "failed": 1, "oldestGeneration": 1, "summary": "0/2",
    }  # fmt: skip
    until_status(cluster, "LogConfig", "lines", home, agents=agents)
    say("a", entry(new), version=version_of(new))
    say("b", entry(new), version=version_of(new))
    cluster.until("LogConfig", "lines", home, Ready="True")


def test_sample_that_agents_refute_makes_the_form_invalid_and_is_named(cluster, home, say):
    sample = {"line": "GET 200", "expect": {"status": "20"}}
    parser = {"regex": {"pattern": r"(\S+) (\d+)", "keys": ["method", "status"]}}
    cluster.apply(workloads.config("lines", home, "lines", parser=parser, samples=[sample]))
    pipeline = pipeline_of(cluster, "lines", home)
    assert pipeline["spec"]["samples"] == [sample]
    cluster.until("LogConfig", "lines", home, Valid="Unknown")
    words = "LogPipeline x: spec.samples[0].expect.status: expected '20', got '200'"
    refused = {"state": "Failed", "message": words, "generation": 0, "refusedGeneration": 1}
    say("a", entry(pipeline, **refused), version=version_of(pipeline))
    found = cluster.until("LogConfig", "lines", home, Valid="False")
    assert (found["reason"], found["message"]) == (
        "SampleMismatch",
        "spec.samples[0].expect.status: expected '20', got '200'",
    )
    sample["expect"]["status"] = "200"
    cluster.apply(workloads.config("lines", home, "lines", parser=parser, samples=[sample]))
    mended = waiting.until(
        "the new form",
        lambda: (now := pipeline_of(cluster, "lines", home))["metadata"]["generation"] == 2 and now,
    )
    say("a", entry(mended), version=version_of(mended))
    cluster.until("LogConfig", "lines", home, Valid="True")


@pytest.mark.parametrize("mode", ["Preview", "Paused"])
def test_mode_is_the_agents_and_the_reason_says_it(cluster, home, mode):
    cluster.apply(workloads.config("lines", home, "lines", mode=mode))
    found = cluster.until("LogConfig", "lines", home, Ready="True")
    assert found["reason"] == mode
    assert pipeline_of(cluster, "lines", home)["spec"]["mode"] == mode


def test_numbers_that_move_by_themselves_are_written_seldom(cluster, home, say):
    cluster.apply(workloads.config("lines", home, "lines"))
    pipeline = pipeline_of(cluster, "lines", home)
    say("a", entry(pipeline, lines=1), version=version_of(pipeline))
    until_status(cluster, "LogConfig", "lines", home, lines=1)
    before = cluster.get("LogConfig", "lines", home)["metadata"]["resourceVersion"]
    say("a", entry(pipeline, lines=2), version=version_of(pipeline))
    # What comes after it and matters is written at once, and takes the numbers along.
    say(
        "a",
        entry(pipeline, lines=3, state="Failed", message="cannot"),
        version=version_of(pipeline),
    )
    cluster.until("LogConfig", "lines", home, Ready="False")
    after = cluster.get("LogConfig", "lines", home)
    assert after["status"]["lines"] == 3
    assert after["metadata"]["resourceVersion"] != before


def select_of(cluster, name: str) -> dict:
    return pipeline_of(cluster, name, "")["spec"]["select"]


@pytest.fixture
def everywhere(cluster, home):
    """Applies a ClusterLogConfig that is gone after the test: it would bear on the others'."""

    def apply(**namespaces: object) -> str:
        selector = {"namespaces": namespaces}
        cluster.apply(workloads.cluster_config(home, home, "lines", selector=selector))
        cluster.until("ClusterLogConfig", home, "", Ready="True")
        return home

    yield apply
    cluster.delete("ClusterLogConfig", home)


def test_cluster_config_takes_all_but_the_release(cluster, everywhere):
    name = everywhere()
    found = pipeline_of(cluster, name, "")
    assert found["spec"]["origin"]["kind"] == "ClusterLogConfig"
    assert found["spec"]["select"]["namespaces"] == []
    assert SYSTEM in found["spec"]["select"]["excludeNamespaces"]


def test_namespace_that_comes_later_or_changes_its_labels_is_seen(cluster, home, everywhere):
    name = everywhere(labels={"matchLabels": {"team": home}})
    assert select_of(cluster, name)["namespaces"] == ["-"]
    late = workloads.namespace(f"{home}-late")
    cluster.apply(late)
    late["metadata"]["labels"] = {"team": home}
    cluster.apply(late)
    waiting.until("it is taken", lambda: select_of(cluster, name)["namespaces"] == [f"{home}-late"])
    late["metadata"]["annotations"] = {"loghub.dev/exclude": "true"}
    cluster.apply(late)
    waiting.until("it is left out", lambda: select_of(cluster, name)["namespaces"] == ["-"])


def test_deleted_cluster_config_takes_its_pipeline_along(cluster, home):
    cluster.apply(workloads.cluster_config(home, home, "lines"))
    cluster.until("ClusterLogConfig", home, "", Ready="True")
    cluster.delete("ClusterLogConfig", home)
    waiting.until(
        "its pipeline is gone",
        lambda: (
            not [
                each
                for each in cluster.list("LogPipeline", SYSTEM)
                if each["spec"]["origin"]["name"] == home
            ]
        ),
    )


def test_report_outside_the_releases_namespace_says_nothing(cluster, home):
    cluster.apply(workloads.config("lines", home, "lines"))
    pipeline = pipeline_of(cluster, "lines", home)
    forged = {"node": "x", "pipelines": [entry(pipeline, state="Failed", message="forged")]}
    cluster.apply(
        {
            "apiVersion": "loghub.dev/v1alpha1",
            "kind": "AgentReport",
            "metadata": {"name": "forged", "namespace": home},
            "report": forged,
        },
        workloads.config("more", home, "lines"),
    )
    cluster.until("LogConfig", "more", home, Ready="True")
    assert cluster.condition("LogConfig", "lines", home, "Ready")["status"] == "True"
