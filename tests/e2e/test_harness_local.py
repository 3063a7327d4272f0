"""The local cluster's whole life: a second cluster, hidden in a network namespace of its own.

So that the cluster which the other tests share is not disturbed, though it runs at the same time.
"""

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import local, places, waiting

NAME = "lhtest"
RUN = Path(f"/run/{NAME}-cluster")
DATA = Path(f"/var/lib/{NAME}-cluster")

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.timeout(900),  # a cold machine builds Kubernetes first
    pytest.mark.skipif(
        local.possible() is not None, reason=f"no local cluster here: {local.possible()}"
    ),
]


@dataclasses.dataclass
class Hideout:
    """A network and mount namespace, in which the harness runs under another name."""

    holder: subprocess.Popen

    def command(self, *words: str) -> list[str]:
        enter = ["nsenter", f"--target={self.holder.pid}", "--net", "--mount", "--"]
        return [*enter, sys.executable, "-m", "harness", "--provider=local", *words]

    @property
    def environment(self) -> dict[str, str]:
        path = str(places.HARNESS.parent)
        return {**os.environ, "PYTHONPATH": path, "LOGHUB_CLUSTER_NAME": NAME}

    def harness(self, *words: str, text: str | None = None) -> str:
        done = subprocess.run(
            self.command(*words),
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"harness {' '.join(words)}: {done.stderr}"
        return done.stdout

    def traces(self) -> dict[str, list[str]]:
        """All that a cluster leaves on a machine while it lives."""
        enter = ["nsenter", f"--target={self.holder.pid}", "--net"]
        links = subprocess.run([*enter, "ls", "/sys/class/net"], capture_output=True, check=True)
        routes = subprocess.run([*enter, "ip", "route"], capture_output=True, check=True)
        mounts = Path(f"/proc/{self.holder.pid}/mounts").read_text(encoding="utf-8")
        return {
            "mounts": [line for line in mounts.splitlines() if NAME in line],
            "links": [*links.stdout.decode().split(), *routes.stdout.decode().splitlines()],
            "cgroups": [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{NAME}*")],
            "processes": commands(NAME),
            "files": [str(path) for path in (RUN, DATA) if path.exists()],
        }


def commands(word: str) -> list[str]:
    """Command lines of living processes with `word` in them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if word in words:
            found.append(words.replace("\0", " "))
    return found


@pytest.fixture(scope="module")
def hideout() -> Iterator[Hideout]:
    hide = ["unshare", "--net", "--mount", "--propagation", "private", "sleep", "infinity"]
    holder = subprocess.Popen(hide)
    namespace = Path(f"/proc/{holder.pid}/ns/net")
    ours = Path("/proc/self/ns/net").readlink()
    waiting.until("the hideout is its own", lambda: namespace.readlink() != ours, seconds=10)
    hidden = Hideout(holder)
    hidden.harness("down")
    yield hidden
    hidden.harness("down")
    holder.kill()
    holder.wait()


@pytest.fixture
def cluster(hideout: Hideout) -> Hideout:
    hideout.harness("up")
    return hideout


POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "writer"},
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        "containers": [
            {
                "name": "main",
                "image": "docker.io/library/python:3.11-slim-bookworm",
                "command": ["sh", "-c", "echo written > /data/file; echo said; exec sleep 1000"],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }
        ],
    },
}

CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


@pytest.fixture
def writer(cluster: Hideout) -> Iterator[dict]:
    """A running pod that has written a line and a file on a volume."""
    document = {"apiVersion": "v1", "kind": "List", "items": [CLAIM, POD]}
    cluster.harness("kubectl", "create", "-f", "-", text=json.dumps(document))
    cluster.harness("kubectl", "wait", "--for=condition=Ready", "pod/writer", "--timeout=60s")
    yield json.loads(cluster.harness("kubectl", "get", "pod", "writer", "-o", "json"))
    cluster.harness("kubectl", "delete", "pod/writer", "pvc/data", "--ignore-not-found")
    cluster.harness("recycle-volumes")


def test_down_leaves_nothing(hideout):
    before = hideout.traces()
    hideout.harness("up")
    up = hideout.traces()
    assert all(up[kind] != before[kind] for kind in before), "the traces looked for are none"
    hideout.harness("down")
    assert hideout.traces() == before


def test_up_that_was_killed_is_cleared_by_down(hideout):
    hideout.harness("down")
    before = hideout.traces()
    breaking = subprocess.Popen(
        hideout.command("up"), env=hideout.environment, stderr=subprocess.DEVNULL
    )
    control = RUN / "node-1" / "control"
    waiting.until("the first node has its supervisor", control.exists, seconds=600)
    breaking.kill()
    breaking.wait()
    hideout.harness("down")
    assert hideout.traces() == before


def test_up_is_quick_when_all_is_up(cluster):
    started = time.monotonic()
    cluster.harness("up")
    assert time.monotonic() - started < 10


def test_logs_of_a_pod_lie_on_its_own_node_only(cluster, writer):
    here = writer["spec"]["nodeName"]
    for node in ("node-1", "node-2"):
        listed = cluster.harness("node-exec", node, "--", "sh", "-c", "ls /var/log/pods")
        assert ("default_writer_" in listed) == (node == here)
    assert cluster.harness("kubectl", "logs", "writer") == "said\n"


def test_killed_container_starts_again(cluster, writer):
    cluster.harness("kill-container", "writer")

    def restarted() -> bool:
        path = "-o=jsonpath={.status.containerStatuses[0].restartCount}"
        return cluster.harness("kubectl", "get", "pod", "writer", path) == "1"

    waiting.until("the container ran again", restarted, seconds=60)


def test_stopped_api_server_refuses_and_comes_back_with_its_data(cluster, writer):
    cluster.harness("apiserver", "stop")
    asked = subprocess.run(
        cluster.command("kubectl", "get", "pods"),
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    cluster.harness("apiserver", "start")
    assert "refused" in asked.stderr
    assert "writer" in cluster.harness("kubectl", "get", "pods")


def test_recycled_volume_is_empty_and_available(cluster, writer):
    volume = cluster.harness("kubectl", "get", "pvc", "data", "-o=jsonpath={.spec.volumeName}")
    node, number = volume.rsplit("-", 1)
    directory = DATA / node / "volumes" / number
    assert (directory / "file").read_text() == "written\n"
    cluster.harness("kubectl", "delete", "pod/writer", "pvc/data")
    phase = ("kubectl", "get", "pv", volume, "-o=jsonpath={.status.phase}")
    waiting.until("it is released", lambda: cluster.harness(*phase) == "Released", seconds=60)
    cluster.harness("recycle-volumes")
    waiting.until("it is available", lambda: cluster.harness(*phase) == "Available", seconds=60)
    assert list(directory.iterdir()) == []


def test_words_for_other_programs_are_passed_as_they_are(cluster):
    listed = cluster.harness("kubectl", "--namespace", "kube-system", "get", "service", "-o=name")
    assert listed == "service/kube-dns\n"
    assert (
        cluster.harness("node-exec", "node-1", "--", "echo", "-n", "--provider=x") == "--provider=x"
    )
