"""The operator as a process, a real API server without nodes, and the real service."""

import base64
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from harness.control_plane import ControlPlane
from harness.fixtures import control_plane
from harness.ingest import ROOT_KEY, Service
from harness.ports import free_port
from loghub_operator import kinds
from loghub_operator.resources import crds
from stage import waiting, workloads

__all__ = ["control_plane"]

NAMESPACE = "loghub-system"
BY_NAME = {
    kind.name: kind
    for kind in (
        *kinds.WATCHED,
        kinds.SECRET,
        kinds.SERVICE,
        kinds.SERVICE_ACCOUNT,
        kinds.DAEMON_SET,
        kinds.LEASE,
        kinds.EVENT,
        kinds.POD,
    )
}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
APPLY = "fieldManager=test&force=true"

Object = dict[str, Any]


class Cluster:
    """Objects of the API server, by kind."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._ssl = ssl.create_default_context(cafile=str(plane.authority))
        self._ssl.load_cert_chain(plane.admin.certificate, plane.admin.key)

    def call(self, method: str, path: str, body: Object | None = None, kind: str = "json") -> Any:
        data = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": f"application/{kind}"}
        request = urllib.request.Request(self._plane.url + path, data, sent, method=method)
        with urllib.request.urlopen(request, context=self._ssl, timeout=20) as answer:
            return json.load(answer)

    def apply(self, *objects: Object) -> None:
        for each in objects:
            metadata = each["metadata"]
            path = BY_NAME[each["kind"]].path(metadata.get("namespace", ""), metadata["name"])
            self.call("PATCH", f"{path}?{APPLY}", each, "apply-patch+yaml")

    def get(self, kind: str, name: str, namespace: str = "") -> Object | None:
        try:
            return self.call("GET", BY_NAME[kind].path(namespace, name))
        except urllib.error.HTTPError as fault:
            if fault.code == 404:
                return None
            raise

    def list(self, kind: str, namespace: str = "") -> list[Object]:
        return list(self.call("GET", BY_NAME[kind].path(namespace))["items"])

    def delete(self, kind: str, name: str, namespace: str = "") -> None:
        self.call("DELETE", BY_NAME[kind].path(namespace, name))

    def condition(self, kind: str, name: str, namespace: str, type_: str) -> Object:
        """The condition as it stands for the current generation, or nothing yet."""
        found = self.get(kind, name, namespace) or {}
        for each in found.get("status", {}).get("conditions", []):
            if each["type"] == type_ and (
                each.get("observedGeneration") == found["metadata"]["generation"]
            ):
                return each
        return {}

    def until(self, kind: str, name: str, namespace: str, **wanted: str) -> Object:
        """The condition once it has that status: `until(..., Ready="True")`."""
        [(type_, status)] = wanted.items()

        def look() -> Object:
            found = self.condition(kind, name, namespace, type_)
            return found if found.get("status") == status else {}

        return waiting.until(f"{kind} {name} {type_}={status}", look, seconds=60, every=0.1)

    def until_refused(self, kind: str, name: str, namespace: str, reason: str) -> Object:
        """The Ready condition once it is False for that reason; others may come before it."""

        def look() -> Object:
            found = self.condition(kind, name, namespace, "Ready")
            return found if found.get("reason") == reason else {}

        return waiting.until(f"{kind} {name}: {reason}", look, seconds=60, every=0.1)


class Operator:
    """`loghub-operator run` outside the cluster, killed and started at will."""

    def __init__(self, plane: ControlPlane, endpoint: str, log: pathlib.Path) -> None:
        self._plane, self._endpoint = plane, endpoint
        self.log = log
        self.admin = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "loghub_operator", "run", "--namespace", NAMESPACE]
        command += ["--kubeconfig", str(self._plane.kubeconfig), "--leader-election"]
        command += ["--project-services"]
        command += ["--ingest-endpoint", self._endpoint, "--agent-image", "agent:1"]
        command += ["--admin-listen", f"127.0.0.1:{self.admin}", "--pod-name", uuid.uuid4().hex]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env=dict(os.environ))
        waiting.until("the operator answers", self.answers, every=0.1)

    def answers(self) -> bool:
        """Whether its admin port is open: from then on it ends in order."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/healthz", timeout=5):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=30)


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane) -> Cluster:
    """The API server with the definitions and what the chart installs."""
    made = Cluster(control_plane)
    for kind in crds.KINDS:
        made.call("POST", DEFINITIONS, crds.definition(kind))

    def established() -> bool:
        found = made.call("GET", DEFINITIONS)["items"]
        return len(found) == len(crds.KINDS) and all(
            any(each["type"] == "Established" for each in (item["status"].get("conditions") or []))
            for item in found
        )

    waiting.until("the definitions are served", established, every=0.1)
    halves = {"accessKeyId": ROOT_KEY.access_key_id, "accessKeySecret": ROOT_KEY.access_key_secret}
    data = {key: base64.b64encode(text.encode()).decode() for key, text in halves.items()}
    made.apply(
        workloads.namespace(NAMESPACE),
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "loghub-operator", "namespace": NAMESPACE},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "loghub-root", "namespace": NAMESPACE},
            "data": data,
        },
    )
    return made


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The real service, one for all tests: each has a project of its own."""
    running = Service(tmp_path_factory.mktemp("service") / "data")
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def operator(
    cluster: Cluster,
    control_plane: ControlPlane,
    service: Service,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Operator]:
    """One operator process for all tests."""
    running = Operator(control_plane, service.url, tmp_path_factory.mktemp("operator") / "log")
    running.start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-2000:]


@pytest.fixture
def second(
    control_plane: ControlPlane, service: Service, tmp_path: pathlib.Path
) -> Iterator[Operator]:
    """Another replica, not started; the test ends it."""
    replica = Operator(control_plane, service.url, tmp_path / "second.log")
    yield replica
    if replica.process is not None and replica.process.poll() is None:
        replica.kill()


@pytest.fixture
def namespace(cluster: Cluster, operator: Operator) -> str:
    """A namespace of this test alone."""
    assert operator.process is not None
    assert operator.process.poll() is None, operator.log.read_text()[-2000:]
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.apply(workloads.namespace(name))
    return name
