"""What the operator may do grows only with what is switched on."""

import yaml

TAINTS = ("--set", "agent.startupTaint.remove=true")


def rights(text: str, kind: str, resource: str) -> set[str]:
    """The operator's verbs on a resource, in its ClusterRole or its Role."""
    found = [each for each in yaml.safe_load_all(text) if each and each["kind"] == kind]
    [role] = [each for each in found if each["metadata"]["name"] == "loghub-operator"]
    rules = [each for each in role["rules"] if resource in each["resources"]]
    return {verb for each in rules for verb in each["verbs"]}


def test_nodes_are_changed_only_where_start_up_taints_are_taken_away(render):
    assert rights(render(), "ClusterRole", "nodes") == {"list"}
    assert rights(render(), "Role", "pods") == set()
    assert rights(render(*TAINTS), "ClusterRole", "nodes") == {"get", "list", "patch"}
    assert rights(render(*TAINTS), "Role", "pods") == {"list"}


def test_start_up_taints_are_asked_for_by_the_default_pool(render):
    def pool(text: str) -> dict:
        found = [each for each in yaml.safe_load_all(text) if each]
        [made] = [each for each in found if each["kind"] == "CollectionAgent"]
        return dict(made["spec"])

    assert "startupTaint" not in pool(render())
    given = render(*TAINTS, "--set", "agent.startupTaint.timeoutSeconds=30")
    assert pool(given)["startupTaint"] == {"remove": True, "timeoutSeconds": 30}
