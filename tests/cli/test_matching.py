"""Which pods a LogConfig takes, and every reason why not."""

import pathlib

import pytest
import yaml

from loghub_cli import explaining, granting, matching

GOLDEN = pathlib.Path(__file__).parent / "golden"


@pytest.fixture
def scene():
    return yaml.safe_load((GOLDEN / "explain.yaml").read_text())


def pod(name, node="node-1", containers=("nginx",), **labels):
    return {
        "metadata": {"namespace": "shop", "name": name, "labels": labels, "annotations": {}},
        "spec": {"nodeName": node, "containers": [{"name": each} for each in containers]},
    }


def matched(scene, name, pods, **fields):
    [config] = [each for each in scene["configs"] if each["metadata"]["name"] == name]
    around = granting.Surroundings([config], scene["projects"], scene["stores"], {})
    known = {"reports": scene["reports"], "pipelines": scene["pipelines"]} | fields
    return matching.match(config, pods, explaining.Facts(around, **known))


def ready(scene):
    """The scene with `front` ready, and current on node-1."""
    front = scene["configs"][1]
    front["status"]["conditions"][0] |= {"status": "True"}
    scene["pipelines"][1]["metadata"]["generation"] = 1
    return scene


def test_taken_pods_and_all_that_is_left_out_are_shown_by_reason(scene):
    scene["configs"][1]["status"]["matched"] = {"pods": 1, "containers": 1}
    pods = [
        pod("web-2", "node-2", tier="front"),
        pod("web-1", containers=("setup", "nginx"), tier="back"),
    ]
    pods += [pod(f"db-{number}", tier="db") for number in range(5)] + [pod("job")]
    found = matched(scene, "front", pods)
    assert "\n".join(matching.lines(found)) + "\n" == (GOLDEN / "matches.txt").read_text()
    assert not found.works


def test_config_whose_pods_are_all_current_works(scene):
    found = matched(ready(scene), "front", [pod("web-1", tier="front")])
    assert found.works
    [taken] = found.taken
    assert taken.containers == ["nginx"]
    assert taken.agent == "node-1 applied pipeline shop-front, generation 1"


def test_config_that_takes_nothing_does_not_work(scene):
    found = matched(ready(scene), "front", [pod("db", tier="db")])
    assert not found.works
    assert found.refused[0].why_not == ["label tier must be In front, back; the pod has 'db'"]
    assert not matched(ready(scene), "front", []).works


def test_node_whose_agent_is_behind_is_not_well(scene):
    ready(scene)["pipelines"][1]["metadata"]["generation"] = 2
    found = matched(scene, "front", [pod("web-1", tier="front")])
    assert not found.works
    assert "NOT WELL: the agent of node-1 runs generation 1, 2 is current" in "\n".join(
        matching.lines(found)
    )


def test_pod_without_a_wanted_container_is_refused_by_each_of_them(scene):
    found = matched(ready(scene), "front", [pod("web-1", containers=("a", "setup"), tier="front")])
    [refused] = found.refused
    assert refused.why_not == [
        "container a: spec.selector.containerNames takes nginx, setup only",
        "container setup: spec.selector.excludeContainerNames leaves it out",
    ]


@pytest.mark.parametrize(("pods", "notes"), [(1, 0), (3, 1)])
def test_agents_that_report_another_number_of_pods_are_noted_and_not_judged(scene, pods, notes):
    ready(scene)["configs"][1]["status"]["matched"] = {"pods": pods, "containers": pods}
    waiting = pod("web-2", "", tier="front")
    found = matched(scene, "front", [pod("web-1", tier="front"), waiting])
    assert len(found.notes) == notes
    assert found.works


def test_what_could_not_be_read_is_said(scene):
    found = matched(ready(scene), "front", [], reports=None, unreadable=["Not considered: x"])
    assert found.notes == ["Not considered: x"]
