"""The real API server, operator and service of the operator's tests; the command run on them."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable

import pytest

from harness import binaries
from harness.control_plane import ControlPlane
from harness.fixtures import control_plane

# Test directories are no packages, so the neighbour's fixtures are loaded by their path.
_PATH = pathlib.Path(__file__).parents[1] / "operator" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("operator_fixtures", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
_OPERATOR = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_OPERATOR)
cluster, operator = _OPERATOR.cluster, _OPERATOR.operator
namespace, service = _OPERATOR.namespace, _OPERATOR.service

__all__ = ["cluster", "control_plane", "namespace", "operator", "service"]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def loghub(control_plane: ControlPlane) -> Run:
    """Runs `loghub` with the real kubectl, as `user` of some `groups`."""

    def run(*arguments: str, user: str = "admin", groups: tuple[str, ...] = ("system:masters",)):
        config = control_plane.kubeconfig_for(user, *groups)
        path = f"{binaries.path('kubectl').parent}:{os.environ['PATH']}"
        return subprocess.run(
            [sys.executable, "-m", "loghub_cli", *arguments, f"--kubeconfig={config}"],
            check=False,
            capture_output=True,
            text=True,
            env={"PATH": path, "HOME": str(config.parent)},
            timeout=60,
        )

    return run


@pytest.fixture
def apply(control_plane: ControlPlane) -> Callable[..., None]:
    """`kubectl apply` of objects of any kind."""

    def run(*objects: dict) -> None:
        command = [str(binaries.path("kubectl")), f"--kubeconfig={control_plane.kubeconfig}"]
        command += ["apply", "--server-side", "--force-conflicts", "--filename=-"]
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        subprocess.run(command, input=document, text=True, check=True, capture_output=True)

    return run
