"""status, explain, stores and agents against a real API server and what the real operator wrote."""

import json

import pytest

from stage import workloads

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(240)]

SYSTEM = "loghub-system"
LOGSTORE = "loghub.dev/logstore"


def report(node, namespace, *pods, pipelines=()):
    """What the agent of `node` would report: opt-ins of pods, and pipelines that it applied."""
    asked = [
        {"namespace": namespace, "logstore": logstore, "project": "", "pods": [name]}
        for name, logstore in pods
    ]
    applied = [
        {"name": name, "generation": 1, "state": "Applied", "message": ""} for name in pipelines
    ]
    agent = {"version": "0.1.0", "pod": "p", "pool": "default", "startedAt": ""}
    return {
        "apiVersion": "loghub.dev/v1alpha1",
        "kind": "AgentReport",
        "metadata": {"name": node, "namespace": SYSTEM},
        "report": {
            "node": node, "agent": agent, "pipelines": applied, "optIns": asked, "errors": [],
        },
    }  # fmt: skip


@pytest.fixture
def shop(apply, cluster, namespace):
    """A namespace with a project and two pods on a node: one asks for a store, one in vain."""
    node = f"node-{namespace}"
    account = {"metadata": {"name": "default", "namespace": namespace}}
    apply({"apiVersion": "v1", "kind": "ServiceAccount", **account})
    pods = (("web", "access"), ("bad", "UPPER"))
    apply(
        workloads.project("app", namespace, projectName=namespace),
        *(
            workloads.pod(name, namespace, ["true"], annotations={LOGSTORE: store}, node=node)
            for name, store in pods
        ),
    )
    cluster.until("LogProject", "app", namespace, Ready="True")
    apply(report(node, namespace, *pods))
    cluster.until("LogConfig", "optin-access", namespace, Ready="True")
    pipeline = cluster.get("LogConfig", "optin-access", namespace)["status"]["pipeline"]
    apply(report(node, namespace, *pods, pipelines=[pipeline]))
    yield namespace
    cluster.delete("AgentReport", node, SYSTEM)


def test_explain_says_why_one_pod_is_collected_and_the_other_is_not(shop, loghub):
    good = loghub("explain", "pod", "web", "-n", shop)
    assert good.returncode == 0, good.stdout + good.stderr
    assert f"Granted: LogConfig {shop}/optin-access" in good.stdout
    assert f"Logstore access, project {shop}, at http://" in good.stdout
    assert f"node-{shop} applied pipeline" in good.stdout
    bad = loghub("explain", "pod", "bad", "-n", shop)
    assert bad.returncode == 1
    assert "'UPPER' is no name" in bad.stdout


def test_explain_of_a_pod_that_is_not_there_names_those_that_are_alike(shop, loghub, apply):
    account = workloads.pod("web-7d9f-abcde", shop, ["true"])
    apply(account)
    done = loghub("explain", "pod", "web-7d9f", "-n", shop)
    assert done.returncode == 1
    assert "There is no pod web-7d9f" in done.stderr
    assert "There are web-7d9f-abcde." in done.stderr


def test_explain_of_a_workload_is_that_of_its_newest_pod(shop, loghub, apply):
    labels = {"app": "front"}
    pod = workloads.pod("front-1", shop, ["true"], labels=labels, annotations={LOGSTORE: "access"})
    template = {"metadata": {"labels": labels}, "spec": pod["spec"]}
    apply(
        pod,
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "front", "namespace": shop},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {**template, "spec": {**pod["spec"], "restartPolicy": "Always"}},
            },
        },
    )
    done = loghub("explain", "deploy", "front", "-n", shop)
    assert f"{shop}/front-1" in done.stdout
    assert "deployment front: the newest of its 1 pods stands for all." in done.stderr
    gone = loghub("explain", "deployment", "back", "-n", shop)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert f"There is no deployment back in namespace {shop}" in gone.stderr


def test_explain_as_json_has_the_same_answer(shop, loghub):
    found = json.loads(loghub("explain", "pod", "web", "-n", shop, "-o", "json").stdout)
    assert found["collected"] is True
    [decision] = found["configs"]
    assert (decision["matches"], decision["optIn"], decision["whyNot"]) == (True, True, [])


def test_matches_names_the_pod_that_a_config_takes_and_why_not_the_other(shop, loghub):
    done = loghub("matches", "optin-access", "-n", shop)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"LogConfig {shop}/optin-access: takes 1 container of 1 of the" in done.stdout
    [row] = [each for each in done.stdout.splitlines() if each.startswith("web ")]
    assert f"node-{shop} applied pipeline" in row
    assert "takes containers that ask for access; asked: UPPER" in done.stdout
    found = json.loads(loghub("matches", "optin-access", "-n", shop, "-o", "json").stdout)
    assert (found["works"], found["taken"][0]["containers"]) == (True, ["app"])
    assert [each["pod"] for each in found["refused"]] == ["bad"]


def test_matches_of_a_config_that_is_not_there_names_those_that_are(shop, loghub):
    done = loghub("matches", "gone", "-n", shop)
    assert done.returncode == 1
    assert f"no LogConfig gone in namespace {shop} (there: optin-access" in done.stderr


def test_search_finds_the_store_and_its_key_in_the_cluster(shop, loghub):
    done = loghub("search", "access", "* | SELECT count(*) AS n", "-n", shop)
    assert (done.returncode, done.stdout.split()) == (0, ["n", "0"]), done.stderr


def test_developer_who_may_read_one_namespace_only_gets_what_is_there(shop, apply, loghub):
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        {"apiGroups": ["loghub.dev"], "resources": ["*"], "verbs": ["get", "list"]},
    ]
    api, metadata = "rbac.authorization.k8s.io", {"name": "dev", "namespace": shop}
    kind = {"apiVersion": f"{api}/v1", "metadata": metadata}
    subject = {"apiGroup": api, "kind": "User", "name": f"dev-{shop}"}
    role = {"apiGroup": api, "kind": "Role", "name": "dev"}
    apply(
        {**kind, "kind": "Role", "rules": rules},
        {**kind, "kind": "RoleBinding", "roleRef": role, "subjects": [subject]},
    )
    done = loghub("explain", "pod", "web", "-n", shop, user=f"dev-{shop}", groups=("devs",))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"LogConfig {shop}/optin-access (made for the pods' annotation): matches" in done.stdout
    assert "Not considered: its agent's report" in done.stdout
    whole = loghub("status", user=f"dev-{shop}", groups=("devs",))
    assert whole.returncode == 1
    assert "forbidden" in whole.stderr


def test_status_names_what_is_not_well_and_what_to_do(shop, apply, cluster, loghub):
    apply(workloads.store("lost", shop, "nowhere"))
    cluster.until_refused("LogStore", "lost", shop, "ProjectNotFound")
    done = loghub("status", "-o", "json")
    assert done.returncode == 1
    found = json.loads(done.stdout)["problems"]
    by_name = {(each["kind"], each["namespace"], each["name"]): each for each in found}
    lost = by_name["LogStore", shop, "lost"]
    assert lost["reason"] == "ProjectNotFound"
    assert f"LogProject {shop}/nowhere" in lost["message"]
    assert "spec.projectRef" in lost["advice"]
    assert by_name["Pod", shop, "bad"]["reason"] == "OptInNotGranted"
    assert ("LogProject", shop, "app") not in by_name


def test_stores_and_agents_are_listed(shop, loghub):
    stores = loghub("stores", "-n", shop)
    assert stores.returncode == 0, stores.stderr
    assert stores.stdout.splitlines()[1].split() == [
        shop, "access", "access", shop, "30d", "2", "True", "Provisioned", f"{shop}/optin-access",
    ]  # fmt: skip
    agents = loghub("agents")
    assert agents.returncode == 1
    assert f"node-{shop}: it has a report, and no agent's pod runs there any more" in agents.stdout
