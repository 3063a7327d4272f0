"""The operator against a real API server and the real service: what it makes, refuses and mends."""

import json
import urllib.error

import pytest

from slswire import errors
from stage import waiting, workloads

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(240)]

SYSTEM = "loghub-system"


def prepare(cluster, namespace: str, **config: object) -> None:
    """A project, a store and a config, all ready."""
    cluster.apply(
        workloads.project("app", namespace, projectName=namespace),
        workloads.store("lines", namespace, "app"),
        workloads.config("lines", namespace, "lines", **config),
    )
    cluster.until("LogStore", "lines", namespace, Ready="True")
    cluster.until("LogConfig", "lines", namespace, Ready="True")


def pipelines(cluster, namespace: str) -> list[dict]:
    """The LogPipelines that come from a namespace."""
    return [
        each
        for each in cluster.list("LogPipeline", SYSTEM)
        if each["spec"]["origin"]["namespace"] == namespace
    ]


def report(node: str, *stores: tuple[str, str]) -> dict:
    """An agent's report of opt-ins: (namespace, Logstore)."""
    return {
        "apiVersion": "loghub.dev/v1alpha1",
        "kind": "AgentReport",
        "metadata": {"name": node, "namespace": SYSTEM, "labels": {"loghub.dev/pool": "default"}},
        "report": {
            "node": node,
            "agent": {"version": "0", "pod": "p", "pool": "default", "startedAt": ""},
            "pipelines": [],
            "optIns": [{"namespace": space, "logstore": store} for space, store in stores],
            "errors": [],
        },
    }


async def test_resources_become_a_logstore_and_a_pipeline(cluster, namespace, service):
    prepare(cluster, namespace)
    async with service.client() as client:
        assert await client.list_logstores(namespace) == ["lines"]
        assert (await client.get_logstore(namespace, "lines"))["ttl"] == 30
        assert "line" in await client.get_index(namespace, "lines")
    [pipeline] = pipelines(cluster, namespace)
    destination = pipeline["spec"]["destination"]
    assert (destination["project"], destination["logstore"]) == (namespace, "lines")
    secret = cluster.get("Secret", destination["credentialsSecret"], SYSTEM)
    assert set(secret["data"]) >= {"accessKeyId", "accessKeySecret"}
    # The root key opens everything: it must never stand where an agent or an application reads.
    assert "accessKeySecret" not in json.dumps(pipeline)
    handed_out = cluster.get("Secret", "app-loghub-credentials", namespace)
    root = cluster.get("Secret", "loghub-root", SYSTEM)["data"]["accessKeySecret"]
    assert root not in json.dumps([secret["data"], handed_out["data"]])


async def test_retention_changed_outside_is_set_back(cluster, namespace, service, operator):
    prepare(cluster, namespace)
    async with service.client() as client:
        there = await client.get_logstore(namespace, "lines")
        await client.update_logstore(namespace, "lines", there | {"ttl": 3})
        # A touch stands for the resync, which comes every ten minutes.
        cluster.apply(workloads.store("lines", namespace, "app", retentionDays=31))
        cluster.until("LogStore", "lines", namespace, Ready="True")
        assert (await client.get_logstore(namespace, "lines"))["ttl"] == 31


async def test_deletion_policy_decides_over_the_data(cluster, namespace, service):
    cluster.apply(
        workloads.project("app", namespace, projectName=namespace),
        workloads.store("kept", namespace, "app"),
        workloads.store("gone", namespace, "app", deletionPolicy="Delete"),
    )
    for name in ("kept", "gone"):
        cluster.until("LogStore", name, namespace, Ready="True")
        cluster.delete("LogStore", name, namespace)
        waiting.until(
            f"{name} is deleted", lambda name=name: not cluster.get("LogStore", name, namespace)
        )
    async with service.client() as client:
        assert await client.list_logstores(namespace) == ["kept"]


async def test_logstore_that_is_there_already_is_not_taken_over_unless_asked(
    cluster, namespace, service
):
    async with service.client() as client:
        await client.create_project(namespace)
        await client.create_logstore(namespace, {"logstoreName": "lines", "ttl": 1})
    cluster.apply(
        workloads.project("app", namespace, projectName=namespace, adoptionPolicy="Adopt"),
        workloads.store("lines", namespace, "app", adoptionPolicy="Fail"),
    )
    cluster.until_refused("LogStore", "lines", namespace, "RemoteExists")
    async with service.client() as client:
        assert (await client.get_logstore(namespace, "lines"))["ttl"] == 1


def test_opt_in_lives_as_long_as_some_agent_reports_it(cluster, namespace):
    cluster.apply(workloads.project("app", namespace, projectName=namespace))
    cluster.until("LogProject", "app", namespace, Ready="True")
    nodes = [f"{namespace}-{number}" for number in (1, 2)]
    for node in nodes:
        cluster.apply(report(node, (namespace, "orders")))
    cluster.until("LogConfig", "optin-orders", namespace, Ready="True")
    assert cluster.get("LogStore", "orders", namespace) is not None
    cluster.apply(report(nodes[0]))
    waiting.until(
        "the report of the other node keeps it",
        lambda: cluster.get("AgentReport", nodes[0], SYSTEM)["report"]["optIns"] == [],
    )
    assert cluster.get("LogConfig", "optin-orders", namespace) is not None
    cluster.apply(report(nodes[1]))
    waiting.until(
        "nobody asks any more", lambda: not cluster.get("LogConfig", "optin-orders", namespace)
    )
    assert cluster.get("LogStore", "orders", namespace) is not None


@pytest.mark.parametrize("store", ["../x", "UPPER", "a" * 64, "x\ny", "", "_a"])
def test_hostile_opt_in_makes_nothing_and_disturbs_nobody(cluster, namespace, store):
    cluster.apply(workloads.project("app", namespace, projectName=namespace))
    cluster.until("LogProject", "app", namespace, Ready="True")
    cluster.apply(report(f"{namespace}-1", (namespace, store), (namespace, "good")))
    cluster.until("LogConfig", "optin-good", namespace, Ready="True")
    names = [each["metadata"]["name"] for each in cluster.list("LogConfig", namespace)]
    assert names == ["optin-good"]
    cluster.delete("AgentReport", f"{namespace}-1", SYSTEM)


def test_project_of_another_namespace_is_closed_until_its_owner_opens_it(cluster, namespace):
    guest = f"{namespace}-guest"
    cluster.apply(
        workloads.namespace(guest), workloads.project("app", namespace, projectName=namespace)
    )
    reference = {"name": "app", "namespace": namespace}
    cluster.apply(workloads.store("lines", guest, "app", projectRef=reference))
    found = cluster.until_refused("LogStore", "lines", guest, "NamespaceNotAllowed")
    assert namespace in found["message"]
    opened = {"from": "All"}
    cluster.apply(
        workloads.project("app", namespace, projectName=namespace, allowedNamespaces=opened)
    )
    cluster.until("LogStore", "lines", guest, Ready="True")


def test_broken_pattern_keeps_the_last_good_pipeline(cluster, namespace):
    prepare(cluster, namespace, multiline={"start": r"^\d"})
    [before] = pipelines(cluster, namespace)
    cluster.apply(workloads.config("lines", namespace, "lines", multiline={"start": "(["}))
    found = cluster.until("LogConfig", "lines", namespace, Valid="False")
    assert "multiline.start" in found["message"]
    [after] = pipelines(cluster, namespace)
    assert after["spec"] == before["spec"]


def test_deleted_config_takes_its_pipeline_along(cluster, namespace):
    prepare(cluster, namespace)
    cluster.delete("LogConfig", "lines", namespace)
    waiting.until("no pipeline is left", lambda: not pipelines(cluster, namespace))


def test_pipeline_deleted_or_changed_by_hand_is_made_again(cluster, namespace):
    prepare(cluster, namespace)
    [before] = pipelines(cluster, namespace)
    name = before["metadata"]["name"]
    cluster.delete("LogPipeline", name, SYSTEM)
    waiting.until("it is there again", lambda: pipelines(cluster, namespace))
    changed = before["spec"] | {"destination": before["spec"]["destination"] | {"logstore": "x"}}
    path = f"/apis/loghub.dev/v1alpha1/namespaces/{SYSTEM}/logpipelines/{name}"
    cluster.call("PATCH", path, {"spec": changed}, "merge-patch+json")
    waiting.until(
        "it is as it was",
        lambda: (now := pipelines(cluster, namespace)) and now[0]["spec"] == before["spec"],
    )


def test_what_happened_while_the_operator_was_dead_is_made_good(cluster, namespace, operator):
    prepare(cluster, namespace)
    operator.kill()
    cluster.delete("LogConfig", "lines", namespace)
    cluster.apply(
        workloads.store("more", namespace, "app"), workloads.config("more", namespace, "more")
    )
    operator.start()
    cluster.until("LogConfig", "more", namespace, Ready="True")
    waiting.until(
        "only the new pipeline is left",
        lambda: (
            [each["spec"]["origin"]["name"] for each in pipelines(cluster, namespace)] == ["more"]
        ),
    )


def test_agent_pool_becomes_a_daemon_set_that_stays_as_it_is(cluster, operator):
    pool = {
        "apiVersion": "loghub.dev/v1alpha1",
        "kind": "CollectionAgent",
        "metadata": {"name": "arm"},
        "spec": {"nodeSelector": {"kubernetes.io/arch": "arm64"}},
    }
    cluster.apply(pool)
    found = waiting.until(
        "the DaemonSet", lambda: cluster.get("DaemonSet", "loghub-agent-arm", SYSTEM)
    )
    pod = found["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"kubernetes.io/arch": "arm64"}
    assert pod["containers"][0]["image"] == "agent:1"
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    owner = found["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"]) == ("CollectionAgent", "arm")
    pool["metadata"]["annotations"] = {"touched": "yes"}
    cluster.apply(pool)
    later = waiting.until(
        "the touch is seen",
        lambda: (
            (now := cluster.get("CollectionAgent", "arm"))
            and now["metadata"]["annotations"]
            and cluster.get("DaemonSet", "loghub-agent-arm", SYSTEM)
        ),
    )
    assert later["metadata"]["generation"] == found["metadata"]["generation"]


def test_two_pools_share_no_node(cluster, operator):
    def pool(name: str, **labels: str) -> dict:
        return {
            "apiVersion": "loghub.dev/v1alpha1",
            "kind": "CollectionAgent",
            "metadata": {"name": name},
            "spec": {"nodeSelector": labels},
        }

    def left_out(name: str) -> list[dict]:
        found = cluster.get("DaemonSet", f"loghub-agent-{name}", SYSTEM) or {"spec": {}}
        pod = found["spec"].get("template", {}).get("spec", {})
        terms = pod.get("affinity", {}).get("nodeAffinity", {})
        required = terms.get("requiredDuringSchedulingIgnoredDuringExecution", {})
        return [
            one
            for each in required.get("nodeSelectorTerms", ())
            for one in (each["matchExpressions"])
        ]

    cluster.apply(pool("wide", tier="a"), pool("narrow", tier="a", disk="ssd"))
    try:
        waiting.until(
            "the wide pool leaves the narrow one's nodes out",
            lambda: {"key": "disk", "operator": "NotIn", "values": ["ssd"]} in left_out("wide"),
        )
        assert left_out("narrow") == []
        cluster.apply(pool("twin", tier="a", disk="ssd"))
        cluster.until_refused("CollectionAgent", "twin", "", "PoolConflict")
    finally:
        for each in cluster.list("CollectionAgent"):
            cluster.delete("CollectionAgent", each["metadata"]["name"])


def test_api_server_away_for_a_while_is_waited_for(cluster, namespace, control_plane):
    prepare(cluster, namespace)
    control_plane.stop()
    control_plane.start()
    cluster.apply(
        workloads.store("late", namespace, "app"), workloads.config("late", namespace, "late")
    )
    waiting.until(
        "the operator sees the new config",
        lambda: cluster.condition("LogConfig", "late", namespace, "Ready").get("status") == "True",
        seconds=120,
    )


@pytest.mark.parametrize(
    ("resource", "field"),
    [
        (workloads.project("app", "default", retention=3), "retention"),
        (workloads.store("lines", "default", "app", logStoreName="Bad Name"), "logStoreName"),
        (workloads.store("lines", "default", "app", retentionDays=0), "retentionDays"),
        (workloads.config("lines", "default", "x", selector={"podLabel": {}}), "podLabel"),
    ],
)
def test_api_server_refuses_by_the_fields_name(cluster, resource, field):
    path = f"/apis/loghub.dev/v1alpha1/namespaces/default/{resource['kind'].lower()}s"
    with pytest.raises(urllib.error.HTTPError) as caught:
        cluster.call("POST", f"{path}?fieldValidation=Strict", resource)
    assert field in json.load(caught.value)["message"]


async def test_service_away_is_said_and_made_good(cluster, namespace, service):
    prepare(cluster, namespace)
    service.kill()
    cluster.apply(workloads.store("later", namespace, "app"))
    cluster.until_refused("LogStore", "later", namespace, "Unreachable")
    service.start()
    cluster.until("LogStore", "later", namespace, Ready="True")
    async with service.client() as client:
        with pytest.raises(errors.SlsError):
            await client.create_logstore(namespace, {"logstoreName": "later"})
