"""Other projects' resource definitions, as their own Go modules bring them.

A real API server holds what we render to them. `tools/<name>/go.mod` says which version, go.sum
what it must be.
"""

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path

from harness import places
from harness.trouble import TroubleError

_MODULE = "github.com/prometheus-operator/prometheus-operator"
_KINDS = ("podmonitors", "servicemonitors", "prometheusrules")


@functools.cache
def prometheus_operator() -> tuple[Path, ...]:
    """Files of the Prometheus operator's definitions that charts make objects of.

    Raises:
        TroubleError: there is no Go, or the module could not be had.
    """
    folder = _downloaded("prometheus-operator", _MODULE) / "example" / "prometheus-operator-crd"
    return tuple(folder / f"monitoring.coreos.com_{kind}.yaml" for kind in _KINDS)


@functools.cache
def gateway_api() -> tuple[Path, ...]:
    """The file of the Gateway API's HTTPRoute.

    Raises:
        TroubleError: there is no Go, or the module could not be had.
    """
    folder = _downloaded("gateway-api", "sigs.k8s.io/gateway-api") / "config" / "crd" / "standard"
    return (folder / "gateway.networking.k8s.io_httproutes.yaml",)


def _downloaded(name: str, module: str) -> Path:
    if shutil.which("go") is None:
        raise TroubleError(f"the definitions of {name} come as a Go module: no `go` on PATH")
    done = subprocess.run(
        ["go", "mod", "download", "-json", module],
        cwd=places.HARNESS / "tools" / name,
        env={**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TroubleError(f"go mod download of {module} failed:\n{done.stderr[-2000:]}")
    return Path(json.loads(done.stdout)["Dir"])
