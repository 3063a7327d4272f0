"""Reading pods as the API server sends them."""

import json

import pytest

from loghub_agent import errors, pods


def test_containers_of_every_kind_are_found(make_pod_object):
    document = make_pod_object()
    document["spec"]["initContainers"] = [{"name": "init", "image": "i"}]
    document["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "d"}]
    names = [container.name for container in pods.from_object(document).containers]
    assert names == ["init", "app", "debug"]


def test_static_pod_logs_under_its_configuration_hash(make_pod_object):
    config_hash = "0123456789abcdef0123456789abcdef"
    pod = pods.from_object(
        make_pod_object(
            "etcd-node-1", "kube-system", annotations={"kubernetes.io/config.hash": config_hash}
        )
    )
    assert pod.uid == "uid-etcd-node-1"
    assert pod.directory == f"kube-system_etcd-node-1_{config_hash}"


@pytest.mark.parametrize("forged", ["../../shop_other_uid", "a/b", "..", "", "x" * 65])
def test_forged_configuration_hash_never_leaves_the_pods_own_directory(make_pod_object, forged):
    document = make_pod_object(annotations={"kubernetes.io/config.hash": forged})
    assert pods.from_object(document).directory == "shop_orders-1_uid-orders-1"


def test_huge_annotation_is_not_kept(make_pod_object):
    document = make_pod_object(annotations={"big": "x" * 100_000, pods.LOGSTORE: "orders"})
    assert pods.from_object(document).annotations == {pods.LOGSTORE: "orders"}


@pytest.mark.parametrize(
    ("phase", "state", "finished", "running"),
    [
        ("Running", {"running": {}}, False, True),
        ("Succeeded", {"terminated": {"exitCode": 0}}, True, False),
        ("Failed", {"running": {"startedAt": "t"}}, True, True),
        ("Pending", {"waiting": {"reason": "ContainerCreating"}}, False, False),
    ],
)
def test_phase_and_container_states_are_kept_apart(
    make_pod_object, phase, state, finished, running
):
    document = make_pod_object()
    document["status"] |= {"phase": phase, "containerStatuses": [{"name": "app", "state": state}]}
    pod = pods.from_object(document)
    assert (pod.finished, pod.running) == (finished, running)


def test_pod_without_status_is_read(make_pod_object):
    document = make_pod_object()
    del document["status"]
    pod = pods.from_object(document)
    assert pod.ip == ""
    assert not pod.finished


@pytest.mark.parametrize(
    "document",
    [{}, {"metadata": {}}, {"metadata": {"uid": "u", "name": "n", "namespace": "s"}, "spec": None},
     {"metadata": [], "spec": {}}],
)  # fmt: skip
def test_what_is_no_pod_is_refused(document):
    with pytest.raises(errors.RefusedError, match="pod from the API server"):
        pods.from_object(document)


def test_state_gives_back_the_same_pod(make_pod):
    pod = make_pod(labels={"app": "shop"}, annotations=None, running=True, grace_seconds=7)
    assert pods.from_state(pods.to_state(pod)) == pod


@pytest.mark.parametrize("change", [{"containers": None}, {"unknown": 1}, {"containers": [["a"]]}])
def test_foreign_state_is_refused(make_pod, change):
    with pytest.raises(errors.StateError):
        pods.from_state(pods.to_state(make_pod()) | change)


def test_variables_of_ours_are_kept_and_survive_a_restart(make_pod_object):
    document = make_pod_object()
    document["spec"]["containers"][0]["env"] = [
        {"name": "PASSWORD", "value": "secret"},
        {"name": "aliyun_logs_web", "value": "stdout"},
        {"name": "aliyun_logs_empty"},
        {"name": "loong_logs_key", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]
    pod = pods.from_object(document)
    assert pod.containers[0].environment == (
        ("aliyun_logs_web", "stdout"),
        ("aliyun_logs_empty", ""),
        ("loong_logs_key", None),
    )
    assert pods.from_state(json.loads(json.dumps(pods.to_state(pod)))) == pod
