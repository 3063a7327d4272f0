"""What `loghub status` says of an installation: golden text, and each judgement by itself."""

import pathlib

import pytest
import yaml

from loghub_cli import installation

GOLDEN = pathlib.Path(__file__).parent / "golden"


@pytest.fixture
def ill():
    return yaml.safe_load((GOLDEN / "status.yaml").read_text())


def judged(found, component, kind, **fields):
    """The reasons of the problems with one workload of `found`, changed by `fields`."""
    workload = next(each for each in found["workloads"] if component in each["metadata"]["name"])
    workload |= fields
    problems = installation.judge(found["workloads"], [], []).problems
    return [each.reason for each in problems if each.kind == kind]


def test_installation_that_is_not_well_says_what_and_what_to_do(ill):
    found = installation.judge(**ill)
    assert "\n".join(installation.lines(found)) + "\n" == (GOLDEN / "status.txt").read_text()


def test_installation_that_is_well_says_so(ill):
    agents = ill["workloads"][2]
    operator = ill["workloads"][0] | {"status": {"readyReplicas": 2}}
    found = installation.judge([agents, operator], ill["declared"][4:], [])
    assert not found.problems
    assert "\n".join(installation.lines(found)) == (
        "PART              READY   IS\n"
        "agents            2/2     daemonset loghub-system/loghub-agent-default\n"
        "operator          2/2     deployment loghub-system/loghub-operator\n"
        "CollectionAgent   1/1     -\n"
        "\n"
        "Everything is well."
    )


def test_no_operator_is_the_first_problem(ill):
    found = installation.judge([], ill["declared"], [])
    assert found.problems[0].reason == "Missing"
    assert "helm install" in found.problems[0].advice


def test_agents_without_a_node_are_a_problem(ill):
    assert judged(ill, "agent", "DaemonSet", status={}) == ["NoNodes"]


def test_replicas_left_out_mean_one(ill):
    spec = {"selector": ill["workloads"][0]["spec"]["selector"]}
    assert judged(ill, "operator", "Deployment", spec=spec, status={}) == ["NotReady"]
    assert not judged(ill, "operator", "Deployment", spec=spec, status={"readyReplicas": 1})


def test_opt_in_that_became_a_config_is_no_problem(ill):
    ill["reports"][0]["report"] = {"optIns": [{"namespace": "shop", "logstore": "orders"}]}
    asked = installation.judge([], [], ill["reports"])
    assert "OptInNotGranted" in [each.reason for each in asked.problems]
    config = ill["declared"][3]
    config["metadata"]["name"] = "optin-orders"
    granted = installation.judge([], [config], ill["reports"])
    assert "OptInNotGranted" not in [each.reason for each in granted.problems]
