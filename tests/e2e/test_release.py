"""The chart over its life: values roll the agents, and an uninstall leaves what it must."""

import pytest

from stage import release, waiting, workloads

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]


def pods(cluster, component: str) -> set[str]:
    found = cluster.list(
        "pods", "-n", release.NAMESPACE, "-l", f"app.kubernetes.io/component={component}"
    )
    return {each["metadata"]["uid"] for each in found}


def test_changed_values_roll_the_agents(installed):
    before = pods(installed, "agent")
    assert before
    release.install(
        installed, "agent.extraEnv[0].name=LOGHUB_BATCH_SECONDS", "agent.extraEnv[0].value=0.5"
    )
    after = waiting.until(
        "every agent is new",
        lambda: (now := pods(installed, "agent")) and not now & before and now,
        seconds=180,
    )
    assert len(after) == len(before)
    release.install(installed)


def test_value_that_is_not_there_is_refused_by_name(installed):
    words = installed.helm(
        "upgrade",
        "loghub",
        "charts/loghub",
        "-n",
        release.NAMESPACE,
        "--set=ingst.enabled=true",
        check=False,
    )
    assert "ingst" in words


def test_helm_test_brings_a_line_through_agent_and_service(installed):
    # Helm 4 says little; the pod's own words are in its log where it fails.
    words = installed.helm("test", "loghub", "-n", release.NAMESPACE, "--timeout=3m", check=False)
    said = installed.kubectl(
        "-n", release.NAMESPACE, "logs", "pod/loghub-test", "--ignore-errors", check=False
    )
    assert "Succeeded" in words, words + said


def test_root_key_survives_an_upgrade(installed):
    before = installed.get("secret", "loghub-root", release.NAMESPACE)["data"]
    release.install(installed)
    assert installed.get("secret", "loghub-root", release.NAMESPACE)["data"] == before


def test_uninstall_leaves_definitions_and_data_and_nothing_stuck(installed, namespace):
    installed.apply(
        workloads.project("app", namespace, projectName=namespace),
        workloads.store("lines", namespace, "app"),
    )
    # A claim of a release before `ingest.sealing` has its key on the volume.
    service = installed.get("statefulset", "loghub-ingest", release.NAMESPACE)
    arguments = service["spec"]["template"]["spec"]["containers"][0]["args"]
    outside = any(each.startswith("--key-file=") for each in arguments)
    sealing = {"Secret/loghub-ingest-key"} if outside else set()
    release.uninstall(installed)
    try:
        kinds = "deployments,statefulsets,daemonsets,services,secrets,serviceaccounts,roles"
        kinds += ",rolebindings,leases,logpipelines.loghub.dev,agentreports.loghub.dev"

        def left() -> set[str]:
            found = installed.list(kinds, "-n", release.NAMESPACE)
            return {f"{each['kind']}/{each['metadata']['name']}" for each in found}

        waiting.until(
            "only the default account and what opens the data are left",
            lambda: left() == {"ServiceAccount/default"} | sealing,
            seconds=120,
        )
        claims = installed.list("persistentvolumeclaims", "-n", release.NAMESPACE)
        assert [each["metadata"]["name"] for each in claims] == ["data-loghub-ingest-0"]
        assert installed.get("collectionagent", "default") is None
        # Users' own objects stay, and can be deleted with no operator there to say yes.
        assert installed.get("logstore", "lines", namespace) is not None
        installed.kubectl(
            "-n", namespace, "delete", "logstore/lines", "logproject/app", "--timeout=30s"
        )
        for kind in ("clusterroles", "clusterrolebindings"):
            names = [each["metadata"]["name"] for each in installed.list(kind)]
            assert not [name for name in names if name.startswith("loghub")]
    finally:
        release.install(installed)
