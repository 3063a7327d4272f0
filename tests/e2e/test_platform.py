"""Configs for many namespaces, configs that are tried first, and what their status says."""

import pytest

from stage import waiting, workloads
from stage.kubernetes import condition
from test_collecting import COLLECTED, all_numbers, prepare

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def status_of(cluster, kind: str, name: str, namespace: str = "") -> dict:
    return (cluster.get(kind, name, namespace) or {}).get("status") or {}


def test_cluster_config_takes_the_namespaces_with_the_label_and_says_what_came(
    installed, namespace, service
):
    tenants = [f"{namespace}-{letter}" for letter in "ab"]
    for name in tenants:
        tenant = workloads.namespace(name)
        tenant["metadata"]["labels"] = {"tenant-of": namespace}
        installed.add_namespace(tenant)
    selector = {"namespaces": {"labels": {"matchLabels": {"tenant-of": namespace}}}}
    try:
        installed.apply(
            workloads.project("app", namespace, projectName=namespace),
            workloads.store("lines", namespace, "app"),
            workloads.cluster_config(namespace, namespace, "lines", selector=selector),
            workloads.pod("p", tenants[0], workloads.counting(1, 20)),
            workloads.pod("p", tenants[1], workloads.counting(21, 40)),
            workloads.pod("p", namespace, workloads.counting(100, 110)),
        )
        assert sorted(all_numbers(service, namespace, 40)) == list(range(1, 41))
        waiting.until(
            "its status has the lines",
            lambda: status_of(installed, "clusterlogconfig", namespace).get("lines") == 40,
            seconds=120,
        )
        found = status_of(installed, "clusterlogconfig", namespace)
        assert found["matched"]["pods"] == 2
        assert found["lastLogTime"]
    finally:
        installed.kubectl("delete", "clusterlogconfig", namespace, "--ignore-not-found")
        installed.kubectl("delete", "namespace", *tenants, "--wait=false")


def test_preview_ships_nothing_and_collect_ships_all(installed, namespace, service):
    prepare(installed, namespace, mode="Preview")
    installed.apply(workloads.pod("p", namespace, workloads.counting(1, 30), labels=COLLECTED))
    waiting.until(
        "it is matched",
        lambda: (
            status_of(installed, "logconfig", "lines", namespace).get("matched", {}).get("pods")
        ),
    )
    before = status_of(installed, "logconfig", "lines", namespace)
    assert before["matched"]["samples"] == [f"{namespace}/p"]
    assert not before["lines"]
    selector = {"podLabels": {"matchLabels": COLLECTED}}
    installed.apply(workloads.config("lines", namespace, "lines", selector=selector))
    assert all_numbers(service, namespace, 30) == list(range(1, 31))


def test_sample_that_becomes_something_else_is_named_and_the_form_before_runs_on(
    installed, namespace, service
):
    prepare(installed, namespace)
    rules = {
        "selector": {"podLabels": {"matchLabels": COLLECTED}},
        "parser": {"regex": {"pattern": r"(\S+) (\d+)", "keys": ["word", "number"]}},
        "samples": [{"line": "line 0000001", "expect": {"number": "1"}}],
    }
    installed.apply(workloads.config("lines", namespace, "lines", **rules))

    def refused() -> dict:
        found = condition(installed.get("logconfig", "lines", namespace), "Valid")
        return found if found.get("status") == "False" else {}

    found = waiting.until("Valid is False", refused, seconds=60)
    assert found["reason"] == "SampleMismatch"
    assert "spec.samples[0].expect.number: expected '1', got '0000001'" in found["message"]
    installed.apply(workloads.pod("p", namespace, workloads.counting(1, 20), labels=COLLECTED))
    assert all_numbers(service, namespace, 20) == list(range(1, 21))
