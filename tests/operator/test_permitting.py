"""The right to collect, by real RBAC; and what becomes of a config that has it no more."""

import dataclasses
import uuid

import pytest

from loghub_operator import cluster as clusters
from loghub_operator import kinds
from loghub_operator.reconciling import permitting
from stage import workloads
from stepped import SETTINGS, World

RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"


@pytest.fixture
async def api(control_plane):
    connected = await clusters.connect(str(control_plane.kubeconfig))
    yield connected
    await connected.close()


def grant(cluster, home: str, store: str, namespace: str) -> None:
    """What the sentence of the condition says, as kubectl would do it."""
    name = {"metadata": {"name": f"collect-{store}"}}
    rule = {
        "apiGroups": ["loghub.dev"],
        "resources": ["logstores"],
        "resourceNames": [store],
        "verbs": ["collect"],
    }
    cluster.call("POST", f"{RBAC}/{home}/roles", {**name, "rules": [rule]})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": f"collect-{store}"}
    subject = {"kind": "ServiceAccount", "namespace": namespace, "name": "default"}
    body = {**name, "roleRef": role, "subjects": [subject]}
    cluster.call("POST", f"{RBAC}/{home}/rolebindings", body)


@pytest.mark.apiserver
async def test_account_may_collect_into_the_store_it_was_granted_and_no_other(cluster, api):
    home, guest = (f"test-{uuid.uuid4().hex[:8]}" for _ in range(2))
    cluster.apply(workloads.namespace(home), workloads.namespace(guest))
    now = [0.0]
    permits = permitting.Permits(api, lambda: now[0])
    account = (guest, "default")
    assert not await permits.may(account, (home, "lines"))
    grant(cluster, home, "lines", guest)
    assert not await permits.may(account, (home, "lines")), "the answer is kept for a while"
    for _ in range(100):  # the authorizer learns of a Role by a watch
        now[0] += permitting.KEPT_SECONDS
        if await permits.may(account, (home, "lines")):
            break
    assert await permits.may(account, (home, "lines"))
    assert not await permits.may(account, (home, "other"))
    assert not await permits.may((guest, "robot"), (home, "lines"))


class Strict(World):
    """Where the right to collect is asked for."""

    settings = dataclasses.replace(SETTINGS, require_collect=True)


async def test_config_without_the_right_reads_nothing_until_it_has_it():
    world = Strict()
    answers = {"allowed": True}

    async def may(_account, _store):
        return answers["allowed"]

    world.ctx.permits.may = may
    world.api.put(kinds.PROJECT, workloads.project("app", "shop", projectName="shop-app"))
    world.api.put(kinds.STORE, workloads.store("a", "shop", "app"))
    world.api.put(kinds.CONFIG, workloads.config("a", "shop", "a"))
    await world.settle()
    [made] = world.api.all(kinds.PIPELINE)
    assert "mode" not in made["spec"]
    for allowed, mode in ((False, "Paused"), (True, None)):
        answers["allowed"] = allowed
        world.pending[kinds.CONFIG.plural, "shop", "a"] = None
        await world.settle()
        [now] = world.api.all(kinds.PIPELINE)
        assert now["spec"].get("mode") == mode
        [found] = world.api.all(kinds.CONFIG)
        told = {each["type"]: each for each in found["status"]["conditions"]}
        assert (told["Ready"]["reason"] == "CollectNotAllowed") == (not allowed)
        if not allowed:
            assert "--verb=collect --resource=logstores.loghub.dev" in told["Ready"]["message"]


async def test_paused_store_is_left_alone_and_taken_up_again():
    world = World()
    world.api.put(kinds.PROJECT, workloads.project("app", "shop", projectName="shop-app"))
    world.api.put(kinds.STORE, workloads.store("a", "shop", "app"))
    await world.settle()
    paused = workloads.store("a", "shop", "app", retentionDays=9)
    paused["metadata"]["annotations"] = {"loghub.dev/paused": "true"}
    world.api.put(kinds.STORE, paused)
    await world.settle()
    assert world.service.stores["shop-app", "a"]["ttl"] == 30
    paused["metadata"]["annotations"] = {"loghub.dev/paused": "false"}
    world.api.put(kinds.STORE, paused)
    await world.settle()
    assert world.service.stores["shop-app", "a"]["ttl"] == 9
    [found] = world.api.all(kinds.STORE)
    told = {each["type"]: each["status"] for each in found["status"]["conditions"]}
    assert told == {"Paused": "False", "Ready": "True"}
