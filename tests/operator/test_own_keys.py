"""From a pod's own keys to its lines in the service: a real agent, operator, API server, service.

No kubelet runs here, so the test makes the pods and writes their logs.
"""

import asyncio
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.control_plane import ControlPlane
from harness.ingest import ROOT_KEY
from harness.ports import free_port
from loghub_agent import runtime
from slswire import errors
from stage import service as arrivals
from stage import waiting, workloads

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(240)]


def logged(line: str) -> str:
    """A line as the runtime writes it down."""
    return f"2026-01-02T03:04:05.000000001Z stdout F {line}\n"


def status_of(container: str, ident: str, *, ended: bool = False) -> dict:
    """A container's state as the kubelet tells of it."""
    since = {"startedAt": "2026-01-02T03:04:05Z"}
    state = {"terminated": since | {"exitCode": 0}} if ended else {"running": since}
    about = {"image": "i", "imageID": "i", "ready": not ended, "restartCount": 0}
    return about | {"name": container, "containerID": f"containerd://{ident}", "state": state}


@pytest.fixture
def flags() -> list[str]:
    """More of the agent's arguments; a test's own parameter replaces them."""
    return []


@pytest.fixture
def node(
    cluster,
    namespace: str,
    control_plane: ControlPlane,
    tmp_path: pathlib.Path,
    flags: list[str],
) -> Iterator[pathlib.Path]:
    """An agent on a node of this test alone: the directory of its containers' logs."""
    logs = tmp_path / "pods"
    logs.mkdir()
    command = [sys.executable, "-m", "loghub_agent", "run", "--namespace", "loghub-system"]
    command += ["--kubeconfig", str(control_plane.kubeconfig), "--node-name", namespace]
    command += ["--root", str(tmp_path / "root"), "--scan-seconds", "1"]
    command += ["--pods-dir", str(logs), "--state", str(tmp_path / "state")]
    command += ["--admin-listen", f"127.0.0.1:{free_port()}", "--pod-name", "agent"]
    command += flags
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": namespace},
    }
    cluster.apply(account, workloads.project("app", namespace, projectName=namespace))
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, env=dict(os.environ))
    yield logs
    process.terminate()
    ended = process.wait(timeout=60)
    cluster.delete("AgentReport", namespace, "loghub-system")
    assert ended == 0, (tmp_path / "log").read_text()[-2000:]


@pytest.fixture
def run_pod(cluster, namespace: str, node: pathlib.Path):
    """Make a pod on the node whose every container has written one line."""

    def run(name: str, containers: dict[str, dict[str, str]], **annotations: str) -> dict:
        pod = workloads.pod(name, namespace, [], annotations=annotations, node=namespace)
        [shape] = pod["spec"]["containers"]
        pod["spec"]["containers"] = [
            shape | {"name": each, "env": [{"name": k, "value": v} for k, v in variables.items()]}
            for each, variables in containers.items()
        ]
        cluster.apply(pod)
        made = cluster.get("Pod", name, namespace)
        for each in containers:
            folder = node / f"{namespace}_{name}_{made['metadata']['uid']}" / each
            folder.mkdir(parents=True)
            (folder / "0.log").write_text(logged(f"line of {name} {each}"))
        return made

    return run


@pytest.fixture
def bundle(tmp_path: pathlib.Path):
    """Write down, as a runtime does, that a container has a directory of the node at /app."""

    def make(ident: str, volume: str) -> pathlib.Path:
        found = tmp_path / "root" / "volumes" / volume
        found.mkdir(parents=True, exist_ok=True)
        place = tmp_path / "root" / runtime.BUNDLES[0].format(id=ident)
        place.mkdir(parents=True)
        mount = {"destination": "/app", "type": "bind", "source": f"/volumes/{volume}"}
        config = {"root": {"path": "rootfs"}, "mounts": [mount | {"options": ["rbind"]}]}
        (place / "config.json").write_text(json.dumps(config))
        return found

    return make


@pytest.fixture
def tell(cluster, namespace: str):
    """Write a pod's status, as the kubelet does."""

    def write(pod: str, **status: object) -> None:
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/status"
        body = {"status": {"phase": "Running", **status}}
        cluster.call("PATCH", path, body, "merge-patch+json")

    return write


@pytest.fixture
def lines(namespace: str, service):
    """The lines that a Logstore holds once there are some."""

    def look(store: str) -> list[str]:
        where = (namespace, store)
        try:
            found = asyncio.run(arrivals.pull(service.url, ROOT_KEY, where, ("begin", "end")))
        except errors.SlsError as fault:
            if fault.code in {"LogStoreNotExist", "ProjectNotExist"}:
                return []
            raise
        return sorted(record.content for record in found)

    def until(store: str, count: int = 1) -> list[str]:
        def enough() -> list[str]:
            found = look(store)
            return found if len(found) >= count else []

        return waiting.until(f"{count} lines in {store}", enough, seconds=90)

    return until


def test_namespace_pod_and_container_each_have_their_say(
    cluster, namespace, operator, run_pod, lines
):
    annotated = workloads.namespace(namespace)
    annotated["metadata"]["annotations"] = {"loghub.dev/logstore": "rest"}
    cluster.apply(annotated)
    run_pod(
        "web",
        {
            "app": {"aliyun_logs_web": "stdout", "aliyun_logs_web_logstore": "web_access"},
            "audit": {},
            "cache": {},
        },
        **{
            "audit.loghub.dev/logstore": "audit",
            "cache.loghub.dev/exclude": "true",
            "loghub.dev/nonsense": "x",
        },
    )
    run_pod("orders", {"app": {}, "side": {}}, **{"loghub.dev/logstore": "orders"})
    run_pod("silent", {"app": {}})
    assert lines("web_access") == ["line of web app"]
    assert lines("audit") == ["line of web audit"]
    assert lines("orders", 2) == ["line of orders app", "line of orders side"]
    assert lines("rest") == ["line of silent app"]
    found = [each for each in cluster.list("Event", namespace) if each["type"] == "Warning"]
    found = [each for each in found if each["involvedObject"]["kind"] == "Pod"]
    assert [each["involvedObject"]["name"] for each in found] == ["web"]
    assert "loghub.dev/nonsense" in found[0]["message"]


def test_opt_in_goes_with_the_pod_and_its_lines_are_delivered_first(
    cluster, namespace, operator, run_pod, lines
):
    run_pod("brief", {"app": {"loong_logs_web": "stdout"}})
    cluster.until("LogConfig", "optin-web", namespace, Ready="True")
    assert lines("web") == ["line of brief app"]
    cluster.call("DELETE", f"/api/v1/namespaces/{namespace}/pods/brief?gracePeriodSeconds=0")
    waiting.until(
        "nobody asks any more", lambda: not cluster.get("LogConfig", "optin-web", namespace)
    )


def test_files_of_the_containers_that_ask_arrive_and_bad_paths_are_one_event(
    cluster, namespace, operator, run_pod, bundle, tell, lines
):
    cluster.apply(
        workloads.project(
            "app", namespace, projectName=namespace, optIn={"defaultLogStore": "rest"}
        )
    )
    run_pod(
        "web",
        {
            "app": {"aliyun_logs_access": "/app/*.log", "loong_logs_bad": "/app/../etc/passwd"},
            "side": {"aliyun_logs_loop": "/app/loop/*.log"},
            "audit": {},
        },
        **{"audit.loghub.dev/files": "/app/audit.log, relative.log"},
    )
    names = ("app", "side", "audit")
    for container in names:
        volume = bundle(f"{namespace}-{container}", container)
        (volume / "a.log").write_text(f"a of {container}\n")
        (volume / "audit.log").write_text(f"audit of {container}\n")
        (volume / "loop").symlink_to("loop")
    tell("web", containerStatuses=[status_of(each, f"{namespace}-{each}") for each in names])
    assert lines("access", 2) == ["a of app", "audit of app"]
    assert lines("rest") == ["audit of audit"]

    def warned() -> list[str]:
        found = [each for each in cluster.list("Event", namespace) if each["type"] == "Warning"]
        found = [each for each in found if each["involvedObject"]["kind"] == "Pod"]
        assert {each["reason"] for each in found} <= {"InvalidOptIn"}
        return sorted(each["message"] for each in found)

    said = waiting.until(
        "a warning of each", lambda: found if len(found := warned()) == 3 else [], seconds=90
    )
    assert [each.split(" ")[:3] for each in said] == [
        ["container", "app:", "loong_logs_bad"],
        ["container", "audit:", "audit.loghub.dev/files"],
        ["container", "side:", "aliyun_logs_loop"],
    ]
    assert "/app/loop cannot be listed" in said[2]
    cluster.call("DELETE", f"/api/v1/namespaces/{namespace}/pods/web?gracePeriodSeconds=0")
    waiting.until(
        "nobody asks any more", lambda: not cluster.list("LogConfig", namespace), seconds=90
    )
    assert cluster.get("LogStore", "access", namespace) is not None


def test_init_ephemeral_and_restarted_containers_ask_as_others_do(
    cluster, namespace, operator, run_pod, bundle, tell, lines, node
):
    def variable(name: str, value: str) -> list[dict[str, str]]:
        return [{"name": name, "value": value}]

    # An init container is over before anybody has made its LogConfig.
    init = {"name": "prepare", "image": "i", "env": variable("aliyun_logs_init", "/app/init.log")}
    pod = workloads.pod("kinds", namespace, [], node=namespace)
    pod["spec"]["initContainers"] = [init]
    pod["spec"]["containers"][0]["env"] = variable("aliyun_logs_app", "/app/app.log")
    cluster.apply(pod)
    made = cluster.get("Pod", "kinds", namespace)
    volume = bundle(f"{namespace}-init", "shared")
    bundle(f"{namespace}-first", "shared")
    (volume / "init.log").write_text("line of init\n")
    (volume / "app.log").write_text("before the restart\n")
    over = [status_of("prepare", f"{namespace}-init", ended=True)]
    tell(
        "kinds",
        initContainerStatuses=over,
        containerStatuses=[status_of("app", f"{namespace}-first")],
    )
    assert lines("init") == ["line of init"]
    assert lines("app") == ["before the restart"]
    # Restarted, it is another container to the runtime; its volume and its log are the same.
    bundle(f"{namespace}-second", "shared")
    tell(
        "kinds",
        initContainerStatuses=over,
        containerStatuses=[status_of("app", f"{namespace}-second")],
    )
    with (volume / "app.log").open("a") as log:
        log.write("after the restart\n")
    assert lines("app", 2) == ["after the restart", "before the restart"]
    debug = {"name": "debug", "image": "i", "env": variable("aliyun_logs_debug", "stdout")}
    debug["terminationMessagePolicy"] = "File"
    path = f"/api/v1/namespaces/{namespace}/pods/kinds/ephemeralcontainers"
    body = {"spec": {"ephemeralContainers": [debug]}}
    cluster.call("PATCH", path, body, "strategic-merge-patch+json")
    folder = node / f"{namespace}_kinds_{made['metadata']['uid']}" / "debug"
    folder.mkdir(parents=True)
    (folder / "0.log").write_text(logged("line of debug"))
    assert lines("debug") == ["line of debug"]


def test_static_pod_asks_though_its_logs_are_under_another_uid(
    cluster, namespace, operator, node, lines
):
    digest = "0123456789abcdef0123456789abcdef"
    about = {
        "kubernetes.io/config.hash": digest,
        "kubernetes.io/config.source": "file",
        "loghub.dev/logstore": "static",
    }
    cluster.apply(workloads.pod("etcd", namespace, [], annotations=about, node=namespace))
    folder = node / f"{namespace}_etcd_{digest}" / "app"
    folder.mkdir(parents=True)
    (folder / "0.log").write_text(logged("line of a static pod"))
    assert lines("static") == ["line of a static pod"]


@pytest.mark.parametrize("flags", [["--aliases", "elastic,datadog"]])
def test_other_collectors_keys_go_to_the_default_logstore(
    cluster, namespace, operator, run_pod, lines, flags
):
    project = workloads.project(
        "app", namespace, projectName=namespace, optIn={"defaultLogStore": "rest"}
    )
    cluster.apply(project)
    run_pod(
        "web",
        {"app": {}, "noisy": {}, "quiet": {}},
        **{
            "co.elastic.logs.noisy/exclude_lines": "^line of",
            "co.elastic.logs.quiet/enabled": "false",
            "co.elastic.logs.app/enabled": "true",
        },
    )
    rules = [{"type": "include_at_match", "name": "x", "pattern": "of other"}]
    run_pod("other", {"app": {}}, **{"ad.datadoghq.com/app.logs": json.dumps(
        [{"source": "java", "log_processing_rules": rules}]
    )})  # fmt: skip
    assert lines("rest", 2) == ["line of other app", "line of web app"]
    names = sorted(each["metadata"]["name"] for each in cluster.list("LogConfig", namespace))
    assert [name.partition("-")[0] + name.partition(".")[1] for name in names] == [
        "optin",
        "optin.",
        "optin.",
    ]
