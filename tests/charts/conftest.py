"""Helm itself, a real API server with the definitions, and the shapes that the chart supports."""

import dataclasses
import functools
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import yaml

from harness import binaries
from harness import definitions as definition_files
from harness.control_plane import ControlPlane
from harness.fixtures import control_plane
from harness.ingest import ROOT_KEY, Service
from harness.ports import free_port

__all__ = ["control_plane"]

ROOT = pathlib.Path(__file__).parents[2]
CHART = ROOT / "charts" / "loghub"

Run = Callable[..., str]


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Path of a program that the harness builds."""
    if shutil.which("go") is None:
        pytest.skip("helm is built from source, and there is no `go` on PATH")
    return lambda name: str(binaries.path(name))


@pytest.fixture(scope="session")
def render(tool: Callable[[str], str]) -> Run:
    """`helm template` of the chart with more arguments."""

    @functools.cache
    def run(*arguments: str) -> str:
        command = [tool("helm"), "template", "loghub", str(CHART), "-n", "loghub-system"]
        return execute([*command, *arguments])

    return run


@pytest.fixture(scope="session")
def kubectl(tool: Callable[[str], str], control_plane: ControlPlane) -> Run:
    """kubectl as the administrator of the API server."""
    return lambda *arguments: execute(
        [tool("kubectl"), f"--kubeconfig={control_plane.kubeconfig}", *arguments]
    )


@pytest.fixture(scope="session")
def helm(tool: Callable[[str], str], control_plane: ControlPlane) -> Run:
    """helm as the administrator of the API server."""
    return lambda *arguments: execute(
        [tool("helm"), f"--kubeconfig={control_plane.kubeconfig}", *arguments]
    )


@pytest.fixture(scope="session")
def definitions(helm: Run, kubectl: Run) -> None:
    """The definitions: as the chart's `crds/` leaves them, then by the chart that upgrades them.

    And the Prometheus operator's and the Gateway API's own, with their schemas.
    """
    kubectl("apply", "--server-side", "--field-manager=helm", f"--filename={CHART}/crds")
    crds = str(ROOT / "charts" / "loghub-crds")
    for _ in range(2):
        where = ("--namespace=default", "--take-ownership")
        helm("upgrade", "--install", "loghub-crds", crds, *where)
    files = (*definition_files.prometheus_operator(), *definition_files.gateway_api())
    foreign = [f"--filename={path}" for path in files]
    # Too large for the annotation of a client-side apply.
    kubectl("apply", "--server-side", *foreign)
    names = kubectl("get", "crd", "-o", "name").split()
    kubectl("wait", "--for=condition=Established", "--timeout=60s", *names)


def execute(command: list[str]) -> str:
    """What a command prints; its refusal is an AssertionError with its words."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=100, env=environment
    )
    if done.returncode:
        raise AssertionError(done.stderr + done.stdout[-500:])
    return done.stdout


@dataclasses.dataclass(frozen=True, slots=True)
class Chain:
    """A real service, and a real agent that follows one container into `PROJECT/LOGSTORE`."""

    service: Service
    agent_admin: str
    container_log: pathlib.Path
    project: str = "default-project"
    logstore: str = "loghub-helm-test"


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """Service and agent as two processes; stopped at the end."""
    place = tmp_path_factory.mktemp("chain")
    service = Service(place / "data")
    service.start()
    made = Chain(
        service,
        f"127.0.0.1:{free_port()}",
        place / "pods" / "loghub-system_loghub-test_u1" / "test" / "0.log",
    )
    made.container_log.parent.mkdir(parents=True)
    (place / "pipelines").mkdir()
    pipeline = {
        "apiVersion": "loghub.dev/v1alpha1",
        "kind": "LogPipeline",
        "metadata": {"name": "helm-test"},
        "spec": {
            "version": 1,
            "destination": {
                "endpoint": service.url,
                "project": made.project,
                "logstore": made.logstore,
                "region": "loghub",
                "credentialsSecret": "root",
            },
            "input": {"stdout": {}},
        },
    }
    (place / "pipelines" / "test.yaml").write_text(yaml.safe_dump(pipeline))
    key = {"accessKeyId": ROOT_KEY.access_key_id, "accessKeySecret": ROOT_KEY.access_key_secret}
    (place / "credentials.yaml").write_text(yaml.safe_dump({"root": key}))
    command = [sys.executable, "-m", "loghub_agent", "run", f"--admin-listen={made.agent_admin}"]
    command += [f"--pipelines={place}/pipelines", f"--credentials={place}/credentials.yaml"]
    command += [f"--state={place}/state", f"--pods-dir={place}/pods", "--node-name=here"]
    with (place / "agent.log").open("wb") as log:
        agent = subprocess.Popen(command, stderr=log)
    try:
        yield made
    finally:
        agent.terminate()
        agent.wait(timeout=60)
        service.stop()
