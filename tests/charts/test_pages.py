"""Commands of the pages for which an API server without nodes is enough, run as they stand there.

Every YAML of the pages is taken by that server too. `stage.pages` says which blocks these are.
"""

import os
import pathlib

import pytest
import yaml

from harness.control_plane import ControlPlane
from stage import pages, waiting

pytestmark = [pytest.mark.apiserver, pytest.mark.slow]

ROOT = pages.ROOT
NEEDS_NODES = "helm test"
"""Beside an installation on many pages; tests/e2e runs it."""
SYSTEM = "loghub-system"
CONTROLLERS = ("namespace-controller", "serviceaccount-controller")
"""A deleted namespace ends, and pods find an account."""
THEIRS = {
    "apiVersion": "telemetry.alibabacloud.com/v1alpha1",
    "kind": "ClusterAliyunPipelineConfig",
    "metadata": {"name": "web"},
    "spec": {
        "project": {"name": "shop"},
        "logstores": [{"name": "web"}],
        "config": {
            "inputs": [{"Type": "input_container_stdio"}],
            "flushers": [{"Type": "flusher_sls", "Logstore": "web"}],
        },
    },
}
"""What the importer's page reads."""
STORE = {
    "apiVersion": "loghub.dev/v1alpha1",
    "kind": "LogStore",
    "metadata": {"name": "access", "namespace": "shop", "finalizers": ["loghub.dev/remote"]},
    "spec": {"projectRef": {"name": "shop"}},
}
"""What the page about uninstalling speaks of: its operator is gone."""
RUN = sorted({each.page for each in pages.blocks("apiserver")})


class Plane:
    """An API server of this module alone: pages install the release as they like."""

    def __init__(self, running: ControlPlane, folders: set[str], place: pathlib.Path) -> None:
        path = os.pathsep.join([*folders, os.environ["PATH"]])
        self._environment = {"KUBECONFIG": str(running.kubeconfig), "PATH": path}
        self.place = place
        for name in ("charts", "crds"):
            (place / name).symlink_to(ROOT / name)

    def run(self, command: str) -> tuple[int, str]:
        return pages.run(command, self.place, self._environment)

    def do(self, command: str) -> str:
        status, said = self.run(command)
        assert status == 0, f"{command}\n{said[-3000:]}"
        return said

    def apply(self, *documents: dict, options: str = "") -> str:
        path = self.place / "objects.yaml"
        path.write_text(yaml.safe_dump_all(documents))
        return self.do(f"kubectl apply {options} -f objects.yaml")

    def add_namespace(self, name: str) -> None:
        if self.run(f"kubectl get namespace {name}")[0]:
            self.do(f"kubectl create namespace {name}")
        account = f"kubectl -n {name} get serviceaccount default"
        waiting.until(f"the account of {name}", lambda: self.run(account)[0] == 0)


@pytest.fixture(scope="module")
def plane(tool, tmp_path_factory):
    folders = {str(pathlib.Path(tool(name)).parent) for name in ("kubectl", "helm")}
    with ControlPlane(controllers=CONTROLLERS) as running:
        made = Plane(running, folders, tmp_path_factory.mktemp("pages"))
        made.do("kubectl apply --server-side --field-manager=helm -f crds/")
        made.apply(foreign_definition())
        made.do("kubectl wait --for=condition=Established --timeout=60s crd --all")
        wanted = {"shop", "logging"}
        for block in pages.blocks("yaml"):
            for each in documents(block):
                wanted.add(each["metadata"].get("namespace", "default"))
        for name in wanted - {SYSTEM}:
            made.add_namespace(name)
        made.apply(THEIRS, STORE)
        yield made


def foreign_definition() -> dict:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    kind, plural = "ClusterAliyunPipelineConfig", "clusteraliyunpipelineconfigs"
    group = "telemetry.alibabacloud.com"
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    version = {"name": "v1alpha1", "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Cluster",
            "names": names,
            "versions": [version | {"schema": {"openAPIV3Schema": schema}}],
        },
    }


def documents(block: pages.Block) -> list[dict]:
    found = [each for each in yaml.safe_load_all(block.text) if isinstance(each, dict)]
    return [each for each in found if "kind" in each and "apiVersion" in each]


@pytest.mark.parametrize("block", [b for b in pages.blocks("yaml") if documents(b)], ids=str)
def test_an_api_server_takes_the_objects_of_a_page(plane, block):
    found = documents(block)
    said = plane.apply(*found, options="--server-side --dry-run=server --validate=strict")
    assert said.count("serverside-applied") == len(found)


@pytest.fixture
def free(plane):
    """The names that pages make are free, before and after."""
    yield
    plane.do(f"helm uninstall loghub --namespace {SYSTEM} --ignore-not-found")
    plane.do(f"kubectl delete namespace {SYSTEM} --ignore-not-found --timeout=60s")
    plane.do("kubectl -n shop delete secret sls --ignore-not-found")


@pytest.mark.parametrize("page", RUN)
def test_commands_of_a_page_do_what_it_says(plane, free, page):
    ran = [
        each for block in pages.blocks("apiserver") if block.page == page for each in block.commands
    ]
    if any("helm uninstall" in each for each in ran) and not any("helm install" in e for e in ran):
        plane.do(f"helm install loghub charts/loghub --namespace {SYSTEM} --create-namespace")
    secrets = [each for each in ran if "create secret generic loghub" in each]
    if secrets:
        # The chart's page makes its own Secrets for whoever renders without a cluster.
        for each in ("kubectl create namespace loghub-system", *secrets):
            plane.do(each)
        plane.do(f"kubectl delete namespace {SYSTEM} --timeout=60s")
        ran = [e for e in ran if e not in secrets and not e.startswith("kubectl create namespace")]
    for command in ran:
        if not command.startswith(NEEDS_NODES):
            status, said = plane.run(command)
            differs = command.startswith("kubectl diff") and status == 1
            assert status == 0 or differs, f"{command}\n{said[-3000:]}"
