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
from harness.ingest import ROOT_KEY, free_port
from loghub_agent import runtime
from slswire import errors
from stage import service as arrivals
from stage import waiting, workloads

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(240)]


@pytest.fixture
def node(
    cluster, namespace: str, control_plane: ControlPlane, tmp_path: pathlib.Path
) -> Iterator[pathlib.Path]:
    """An agent on a node of this test alone: the directory of its containers' logs."""
    logs = tmp_path / "pods"
    logs.mkdir()
    command = [sys.executable, "-m", "loghub_agent", "run", "--namespace", "loghub-system"]
    command += ["--kubeconfig", str(control_plane.kubeconfig), "--node-name", namespace]
    command += ["--root", str(tmp_path / "root"), "--scan-seconds", "1"]
    command += ["--pods-dir", str(logs), "--state", str(tmp_path / "state")]
    command += ["--admin-listen", f"127.0.0.1:{free_port()}", "--pod-name", "agent"]
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
            line = f"2026-01-02T03:04:05.000000001Z stdout F line of {name} {each}\n"
            (folder / "0.log").write_text(line)
        return made

    return run


@pytest.fixture
def give_files(cluster, namespace: str, tmp_path: pathlib.Path):
    """Let a pod's containers run, each with a volume at /app: the volumes' directories."""

    def give(pod: str, *containers: str) -> dict[str, pathlib.Path]:
        found, states = {}, []
        for each in containers:
            ident = f"{namespace}-{pod}-{each}"
            volume = tmp_path / "root" / "volumes" / ident
            volume.mkdir(parents=True)
            bundle = tmp_path / "root" / runtime.BUNDLES[0].format(id=ident)
            bundle.mkdir(parents=True)
            mount = {"destination": "/app", "type": "bind", "source": f"/volumes/{ident}"}
            config = {"root": {"path": "rootfs"}, "mounts": [mount | {"options": ["rbind"]}]}
            (bundle / "config.json").write_text(json.dumps(config))
            found[each] = volume
            running = {"running": {"startedAt": "2026-01-02T03:04:05Z"}}
            states.append(
                {
                    "name": each,
                    "image": "image",
                    "imageID": "image",
                    "ready": True,
                    "restartCount": 0,
                    "containerID": f"containerd://{ident}",
                    "state": running,
                }
            )
        status = {"status": {"phase": "Running", "containerStatuses": states}}
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/status"
        cluster.call("PATCH", path, status, "merge-patch+json")
        return found

    return give


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
    cluster, namespace, operator, run_pod, give_files, lines
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
            "side": {},
            "audit": {},
        },
        **{"audit.loghub.dev/files": "/app/audit.log, relative.log"},
    )
    for container, volume in give_files("web", "app", "side", "audit").items():
        (volume / "a.log").write_text(f"a of {container}\n")
        (volume / "audit.log").write_text(f"audit of {container}\n")
    assert lines("access", 2) == ["a of app", "audit of app"]
    assert lines("rest") == ["audit of audit"]
    found = [each for each in cluster.list("Event", namespace) if each["type"] == "Warning"]
    found = [each for each in found if each["involvedObject"]["kind"] == "Pod"]
    assert sorted((each["reason"], each["message"].split(" ")[2]) for each in found) == [
        ("InvalidOptIn", "audit.loghub.dev/files"),
        ("InvalidOptIn", "loong_logs_bad"),
    ]
    cluster.call("DELETE", f"/api/v1/namespaces/{namespace}/pods/web?gracePeriodSeconds=0")
    waiting.until(
        "nobody asks any more", lambda: not cluster.list("LogConfig", namespace), seconds=90
    )
    assert cluster.get("LogStore", "access", namespace) is not None
