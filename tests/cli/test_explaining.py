"""Why a pod is collected or not: golden text, and each reason by itself."""

import pathlib

import pytest
import yaml

from loghub_cli import explaining, granting

GOLDEN = pathlib.Path(__file__).parent / "golden"


@pytest.fixture
def scene():
    return yaml.safe_load((GOLDEN / "explain.yaml").read_text())


def explained(scene, **fields):
    around = {"namespace_labels": {"team": "shop"}, "default_project": "logs/central"}
    around |= {key: scene[key] for key in ("configs", "projects", "stores")}
    around |= {key: fields.pop(key) for key in list(fields) if key in around}
    known = {"reports": scene["reports"], "pipelines": scene["pipelines"]} | fields
    facts = explaining.Facts(granting.Surroundings(**around), **known)
    return explaining.explain(scene["pod"], facts)


def opt_in(scene, annotations, **around):
    """The outcome of the opt-in of a pod with these annotations."""
    scene["pod"]["metadata"]["annotations"] = annotations
    found = explained(scene, **around).annotations
    return next(each for each in found if each.annotation == granting.LOGSTORE)


def only(scene, *names):
    """The scene with these LogConfigs alone, and the pod's own keys that work alone."""
    scene["configs"] = [each for each in scene["configs"] if each["metadata"]["name"] in names]
    scene["pod"]["metadata"]["annotations"] = {granting.LOGSTORE: "access"}
    return scene


def test_pod_with_much_around_it_is_explained_in_full(scene):
    text = "\n".join(explaining.lines(explained(scene))) + "\n"
    assert text == (GOLDEN / "explain.txt").read_text()


def test_pod_whose_every_key_and_config_works_is_collected(scene):
    scene["projects"] = scene["projects"][:1]
    found = explained(only(scene, "optin-access", "orders"))
    assert found.collected


@pytest.mark.parametrize(
    ("reports", "words"),
    [
        ([], "no agent has reported from node-1"),
        ([{"report": {"node": "node-1"}}], "has not taken up"),
        (
            [{"report": {"node": "node-1", "pipelines": [
                {"name": "shop-optin-access", "state": "Failed", "message": "bad"}]}}],
            "refuses it: bad",
        ),
    ],
)  # fmt: skip
def test_config_that_the_nodes_agent_does_not_run_is_not_collected(scene, reports, words):
    found = explained(only(scene, "optin-access"), reports=reports)
    assert not found.collected
    assert words in found.configs[0].troubles[0]


def test_generation_that_is_behind_is_said(scene):
    scene["pipelines"][0]["metadata"]["generation"] = 7
    found = explained(only(scene, "optin-access"))
    [trouble] = found.configs[0].troubles
    assert trouble == "the agent of node-1 runs generation 1, 7 is current"


def test_excluded_pod_is_taken_by_no_config(scene):
    scene["pod"]["metadata"]["annotations"]["loghub.dev/exclude"] = "true"
    found = explained(scene)
    assert not found.collected
    assert not any(each.matches for each in found.configs)
    assert "loghub.dev/exclude=true" in found.configs[0].why_not[0]


def test_exclude_with_another_value_does_nothing_and_says_so(scene):
    scene["pod"]["metadata"]["annotations"] = {"loghub.dev/exclude": "yes"}
    [key] = explained(scene).annotations
    assert not key.works
    assert '"true"' in key.message


@pytest.mark.parametrize("name", ["UPPER", "_ab", "ab", "x" * 64, "-ab", ""])
def test_opt_in_with_a_name_that_no_store_can_have_is_refused(scene, name):
    assert "is no name" in opt_in(scene, {granting.LOGSTORE: name}).message


def test_opt_in_into_a_project_that_is_not_there_is_refused(scene):
    found = opt_in(scene, {granting.LOGSTORE: "access", granting.PROJECT: "gone"})
    assert "LogProject shop/gone" in found.message


def test_project_other_than_that_of_the_store_is_said_to_do_nothing(scene):
    scene["stores"][0]["spec"]["projectRef"] = {"name": "shop"}
    found = explained(scene)
    key = next(each for each in found.annotations if each.annotation == granting.PROJECT)
    assert not key.works
    assert "in LogProject shop/shop" in key.message


def test_opt_in_where_the_namespace_has_several_projects_must_name_one(scene):
    scene["projects"][1]["metadata"]["namespace"] = "shop"
    assert "several" in opt_in(scene, {granting.LOGSTORE: "access"}).message


def test_opt_in_without_any_project_takes_the_default_one(scene):
    scene["projects"] = scene["projects"][1:]
    wanted = {granting.LOGSTORE: "access"}
    assert opt_in(scene, wanted).works
    assert "no LogProject" in opt_in(scene, wanted, default_project="").message


def test_opt_in_into_a_project_closed_to_the_namespace_is_refused(scene):
    wanted = {granting.LOGSTORE: "access", granting.PROJECT: "logs/central"}
    assert "is not open to namespace shop" in opt_in(scene, wanted, namespace_labels={}).message
    scene["projects"][1]["spec"] = {"allowedNamespaces": {"from": "All"}}
    assert opt_in(scene, wanted, namespace_labels={}).works
    scene["projects"][1]["spec"] = {}
    assert "is not open" in opt_in(scene, wanted).message


def test_policy_of_the_project_decides_on_opt_ins(scene):
    wanted = {granting.LOGSTORE: "fresh"}
    scene["projects"][0]["spec"] = {"optIn": {"autoCreateLogStores": False}}
    assert "create the LogStore" in opt_in(scene, wanted).message
    scene["projects"][0]["spec"] = {"optIn": {"annotations": "Disabled"}}
    assert "spec.optIn.annotations" in opt_in(scene, wanted).message


def test_opt_in_that_is_allowed_but_not_made_yet_is_not_called_granted(scene):
    found = opt_in(scene, {granting.LOGSTORE: "fresh"})
    assert not found.works
    assert "optin-fresh is not there" in found.message


def test_namespace_without_configs_says_how_to_begin(scene):
    scene["configs"] = []
    assert "create one" in explained(scene).notes[0]


def test_reports_that_may_not_be_read_are_said_and_fall_back_to_the_status(scene):
    scene["configs"][0]["status"]["agents"] = {"summary": "2/2"}
    only(scene, "optin-access")
    found = explained(scene, reports=None, pipelines=[], unreadable=["Not considered: x"])
    assert "2/2" in found.configs[0].agent
    assert found.notes[0] == "Not considered: x"


@pytest.mark.parametrize(
    ("select", "words"),
    [
        ({"namespaces": []}, ""),
        ({"namespaces": ["shop"]}, ""),
        ({"namespaces": ["other"]}, "spec.selector.namespaces does not take namespace shop"),
        ({"excludeNamespaces": ["shop"]}, "spec.selector.namespaces does not take namespace shop"),
        (None, "is not known"),
    ],
)
def test_cluster_config_is_judged_by_the_namespaces_of_its_pipeline(scene, select, words):
    scene = only(scene, "orders")
    config = {
        "kind": "ClusterLogConfig",
        "metadata": {"name": "all", "generation": 1},
        "spec": {"logStoreRef": {"name": "orders", "namespace": "shop"}},
        "status": {"pipeline": "cluster-all"},
    }
    scene["configs"].append(config)
    if select is not None:
        made = {"metadata": {"name": "cluster-all", "generation": 1}, "spec": {"select": select}}
        scene["pipelines"].append(made)
    found = explained(scene)
    [decision] = [each for each in found.configs if each.config == "all"]
    assert decision.matches == (not words)
    assert words in " ".join(decision.why_not)
    assert any(line.startswith("ClusterLogConfig all: ") for line in explaining.lines(found))
