"""`make manifests`: plain YAML that kubectl alone installs."""

import os
import pathlib
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def written(tool, tmp_path_factory) -> pathlib.Path:
    target = tmp_path_factory.mktemp("manifests")
    environment = os.environ | {"PYTHONPATH": "tests/e2e"}
    command = [sys.executable, "tools/manifests.py", str(target)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return target


def test_nothing_secret_or_random_is_written(written):
    for path in written.glob("*.yaml"):
        kinds = {each["kind"] for each in yaml.safe_load_all(path.read_text()) if each}
        assert "Secret" not in kinds
        assert not kinds & {"Pod"}


@pytest.mark.apiserver
@pytest.mark.parametrize("shape", ["cloud", "production"])
def test_kubectl_alone_takes_them(written, kubectl, definitions, shape):
    if "namespace/loghub-system" not in kubectl("get", "namespaces", "-o", "name"):
        kubectl("create", "namespace", "loghub-system")
        kubectl("-n", "loghub-system", "create", "serviceaccount", "default")
    kubectl("apply", "--server-side", "--dry-run=server", f"--filename={written}/crds.yaml",
            "--field-manager=helm")
    options = ("--server-side", "--dry-run=server", "--validate=strict")
    # No -n: every object says itself where it belongs.
    said = kubectl("apply", *options, f"--filename={written}/{shape}.yaml")
    found = [each for each in yaml.safe_load_all((written / f"{shape}.yaml").read_text()) if each]
    assert said.count("serverside-applied") == len(found)
    loose = [
        each["kind"]
        for each in found
        if each["metadata"].get("namespace", "loghub-system") != "loghub-system"
    ]
    assert not loose
