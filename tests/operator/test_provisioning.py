"""Real API server, real service: drift of every property, immutable ones, keys, tenants."""

import asyncio
import base64
import json
import urllib.error

import pytest

from slswire import errors
from slswire.signature import Credentials
from stage import waiting, workloads

SYSTEM = "loghub-system"

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(240)]


def ready(cluster, namespace: str, **spec: object) -> None:
    """A project and a LogStore `lines`, both ready."""
    cluster.apply(
        workloads.project("app", namespace, projectName=namespace),
        workloads.store("lines", namespace, "app", **spec),
    )
    cluster.until("LogStore", "lines", namespace, Ready="True")


def touch(cluster, kind: str, name: str, namespace: str, **annotations: str) -> None:
    """What the periodic look does anyway, at once; the generation stays."""
    path = f"/apis/loghub.dev/v1alpha1/namespaces/{namespace}/{kind.lower()}s/{name}"
    body = {"metadata": {"annotations": annotations or {"touched": "yes"}}}
    cluster.call("PATCH", path, body, "merge-patch+json")


async def until(what: str, look, seconds: int = 60):
    """Like `waiting.until` for an async look; polls twice a second."""
    for _ in range(seconds * 2):
        if found := await look():
            return found
        await asyncio.sleep(0.5)
    raise AssertionError(f"not within {seconds} s: {what}")


async def test_every_property_changed_outside_is_set_back_and_told(cluster, namespace, service):
    fields = [{"name": "status", "type": "Long"}, {"name": "message"}]
    ready(cluster, namespace, retentionDays=30, shardCount=2, index={"fields": fields})
    where = (namespace, "lines")
    async with service.client() as client:
        there = await client.get_logstore(*where)
        index = await client.get_index(*where)
        other = {
            "ttl": 3, "enable_tracking": True, "autoSplit": True,
            "appendMeta": True, "mode": "query", "hot_ttl": 7,
        }  # fmt: skip
        await client.update_logstore(*where, there | other)
        await client.update_index(*where, {"line": index["line"], "keys": {"x": {"type": "text"}}})
        [first, *_] = await client.list_shards(*where)
        middle = f"{1 << 126:032x}"
        await client.split_shard(*where, first["shardID"], middle)
        touch(cluster, "LogStore", "lines", namespace)

        async def restored() -> bool:
            now = await client.get_logstore(*where)
            shards = await client.list_shards(*where)
            keys = (await client.get_index(*where))["keys"]
            return (
                all(now[key] == there[key] for key in other)
                and sum(each["status"] == "readwrite" for each in shards) == 2
                and keys == index["keys"]
            )

        await until("everything is as it was", restored)
    status = waiting.until(
        "the drift is in status",
        lambda: (cluster.get("LogStore", "lines", namespace)["status"]).get("drift"),
    )
    told = json.dumps(status)
    for field in ("retentionDays", "webTracking", "autoSplit", "mode", "shardCount", "status"):
        assert field in told


async def test_shards_follow_the_spec_up_and_down(cluster, namespace, service):
    ready(cluster, namespace, shardCount=1)
    async with service.client() as client:
        for count in (5, 2):
            cluster.apply(workloads.store("lines", namespace, "app", shardCount=count))

            async def right(count: int = count) -> bool:
                shards = await client.list_shards(namespace, "lines")
                return sum(each["status"] == "readwrite" for each in shards) == count

            await until(f"{count} shards", right)
    shown = cluster.until("LogStore", "lines", namespace, Ready="True")
    assert shown["reason"] == "Provisioned"


async def test_logstore_made_for_another_telemetry_is_refused(cluster, namespace, service):
    async with service.client() as client:
        await client.create_project(namespace)
        document = {"logstoreName": "lines", "ttl": 1, "telemetryType": "Metrics"}
        await client.create_logstore(namespace, document)
    cluster.apply(
        workloads.project("app", namespace, projectName=namespace),
        workloads.store("lines", namespace, "app"),
    )
    found = cluster.until_refused("LogStore", "lines", namespace, "ImmutableRemote")
    assert "telemetryType" in found["message"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"hotRetentionDays": 3}, "at least 7"),
        ({"hotRetentionDays": 40}, "7 to retentionDays"),
        ({"infrequentAccessDays": 10}, "at least 30"),
        ({"shardCount": 80}, "maxShardCount"),
        ({"index": {"fields": [{"name": "a"}, {"name": "a"}]}}, "Duplicate"),
        ({"index": {"fields": [{"name": "a", "paths": [{"name": "b"}]}]}}, "type: JSON"),
    ],
)
def test_rules_hold_at_the_api_server(cluster, spec, words):
    path = "/apis/loghub.dev/v1alpha1/namespaces/default/logstores"
    with pytest.raises(urllib.error.HTTPError) as caught:
        cluster.call("POST", path, workloads.store("lines", "default", "app", **spec))
    assert words in json.load(caught.value)["message"]


@pytest.mark.parametrize("field", ["telemetryType", "encryption"])
def test_what_can_never_change_is_refused_with_the_reason(cluster, namespace, field):
    before, after = {
        "telemetryType": ("Logs", "Metrics"),
        "encryption": ({"type": "Default"}, {"type": "SM4"}),
    }[field]
    cluster.apply(workloads.store("held", namespace, "absent", **{field: before}))
    with pytest.raises(urllib.error.HTTPError) as caught:
        cluster.apply(workloads.store("held", namespace, "absent", **{field: after}))
    assert "immutable" in json.load(caught.value)["message"]


def test_project_of_another_tenant_is_not_handed_out(cluster, namespace):
    ready(cluster, namespace)
    thief = f"{namespace}-thief"
    cluster.apply(
        workloads.namespace(thief), workloads.project("app", thief, projectName=namespace)
    )
    found = cluster.until_refused("LogProject", "app", thief, "NameTaken")
    assert namespace not in found["message"].replace(f"Project {namespace} ", "")
    assert cluster.get("Secret", "app-loghub-credentials", thief) is None


def test_wrong_key_is_unauthorized_with_the_request_id(cluster, namespace, service):
    halves = {"accessKeyId": "nobody", "accessKeySecret": "nothing"}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "wrong", "namespace": namespace},
        "stringData": halves,
    }
    url = {"endpoint": service.url, "projectIn": "Header", "signature": "V1"}
    project = workloads.project(
        "far", namespace, projectName=namespace, credentialsSecretRef={"name": "wrong"}
    )
    project["spec"]["service"] = {"url": url}
    cluster.apply(secret, project)
    found = cluster.until_refused("LogProject", "far", namespace, "Unauthorized")
    assert "(request " in found["message"]


def test_logstore_whose_project_is_gone_can_be_deleted(cluster, namespace):
    ready(cluster, namespace, deletionPolicy="Delete")
    cluster.delete("LogProject", "app", namespace)
    waiting.until("no project", lambda: not cluster.get("LogProject", "app", namespace))
    cluster.delete("LogStore", "lines", namespace)
    waiting.until("no LogStore", lambda: not cluster.get("LogStore", "lines", namespace))


def test_bundled_project_has_a_service_of_its_name_as_long_as_it_lives(cluster, namespace):
    ready(cluster, namespace)
    found = cluster.get("Service", namespace, SYSTEM)
    assert found["spec"]["selector"]["app.kubernetes.io/component"] == "ingest"
    assert [(port["port"], port["targetPort"]) for port in found["spec"]["ports"]] == [(80, "http")]
    project = cluster.get("LogProject", "app", namespace)
    assert project["status"]["hostEndpoint"] == f"http://{SYSTEM}.svc"
    data = cluster.get("Secret", "app-loghub-credentials", namespace)["data"]
    assert base64.b64decode(data["hostEndpoint"]).decode() == f"http://{SYSTEM}.svc"
    cluster.delete("LogProject", "app", namespace)
    waiting.until("no Service", lambda: not cluster.get("Service", namespace, SYSTEM))


def test_service_of_somebody_else_is_not_taken_over_by_a_projects_name(cluster, namespace):
    foreign = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": namespace, "namespace": SYSTEM},
        "spec": {"selector": {"app": "other"}, "ports": [{"port": 443}]},
    }
    cluster.apply(foreign)
    ready(cluster, namespace)
    assert cluster.get("Service", namespace, SYSTEM)["spec"]["selector"] == {"app": "other"}
    assert cluster.get("LogProject", "app", namespace)["status"]["hostEndpoint"] == ""
    cluster.delete("LogProject", "app", namespace)
    waiting.until("it is gone", lambda: not cluster.get("LogProject", "app", namespace))
    assert cluster.get("Service", namespace, SYSTEM) is not None


async def test_guest_in_an_open_project_cannot_change_or_delete_anothers_logstore(
    cluster, namespace, service
):
    ready(cluster, namespace, retentionDays=30)
    opened = {"from": "All"}
    cluster.apply(
        workloads.project("app", namespace, projectName=namespace, allowedNamespaces=opened)
    )
    guest = f"{namespace}-guest"
    spec = {"projectRef": {"name": "app", "namespace": namespace}, "deletionPolicy": "Delete"}
    # Ages are compared by the second: the guest's must be younger by one.
    await asyncio.sleep(1.1)
    cluster.apply(
        workloads.namespace(guest),
        workloads.store("lines", guest, "app", retentionDays=1, webTracking=True, **spec),
    )
    found = cluster.until("LogStore", "lines", guest, Ready="True")
    assert found["reason"] == "Shared"
    cluster.delete("LogStore", "lines", guest)
    waiting.until("it is gone", lambda: not cluster.get("LogStore", "lines", guest))
    async with service.client() as client:
        there = await client.get_logstore(namespace, "lines")
        assert (there["ttl"], there["enable_tracking"]) == (30, False)


async def test_rotated_key_and_the_one_before_both_work(cluster, namespace, service):
    ready(cluster, namespace)

    def key() -> Credentials:
        data = cluster.get("Secret", "app-loghub-credentials", namespace)["data"]
        halves = (data["accessKeyId"], data["accessKeySecret"])
        return Credentials(*(base64.b64decode(half).decode() for half in halves))

    old = key()
    touch(cluster, "LogProject", "app", namespace, **{"loghub.dev/rotate-credentials": "1"})
    new = waiting.until("a new key", lambda: (now := key()) != old and now)
    for each in (old, new):
        async with service.client(each) as client:
            assert await client.list_logstores(namespace) == ["lines"]
    async with service.client(Credentials("nobody", "nothing")) as client:
        with pytest.raises(errors.SlsError):
            await client.list_logstores(namespace)
