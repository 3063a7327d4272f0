"""Kubernetes' own programs, built from source by the Go toolchain and kept in the cache.

No registry of ready binaries is needed: the Go module proxy has the sources, and go.sum their
checksums. One module per tool, since their requirements conflict. A binary is found by the hash of
everything that went into it, so that a changed version line builds anew and nothing else does.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import places, progress
from harness.trouble import TroubleError

KUBERNETES_VERSION = "v1.35.4"
"""As in tools/kubernetes/go.mod. The last minor that still works with Debian's containerd 1.6."""


@dataclass(frozen=True, slots=True)
class Module:
    """One go.mod below tools/, and the programs that it builds."""

    name: str
    packages: dict[str, str]
    """Program name -> Go package."""
    stamps: tuple[str, ...] = ()
    """`-X` definitions; without them the API server calls itself v0.0.0 and clients refuse it."""
    cgo: bool = False
    """Whether C code in it is compiled; what runs in containers has none."""

    @property
    def directory(self) -> Path:
        return places.HARNESS / "tools" / self.name

    @property
    def ldflags(self) -> str:
        return " ".join(["-s -w", *(f"-X {stamp}" for stamp in self.stamps)])


def _kubernetes_stamps() -> tuple[str, ...]:
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return tuple(
        f"{package}.{key}={value}" for package in packages for key, value in values.items()
    )


_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_KUBERNETES += ("kubelet", "kube-proxy", "kubectl")

MODULES = (
    Module(
        "kubernetes",
        {program: f"k8s.io/kubernetes/cmd/{program}" for program in _KUBERNETES},
        _kubernetes_stamps(),
    ),
    Module("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Module("helm", {"helm": "helm.sh/helm/v4/cmd/helm"}),
    Module("coredns", {"coredns": "github.com/coredns/coredns"}),
)


PEERS = (
    # With its C zstd, as its makers build it: a slower peer would flatter us.
    Module(
        "victorialogs",
        {"victoria-logs": "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs"},
        cgo=True,
    ),
)
"""What benchmarks measure beside ours; a cluster needs none of it."""


def names() -> list[str]:
    """Every program that can be built here."""
    return [program for module in MODULES + PEERS for program in module.packages]


@functools.cache
def path(program: str) -> Path:
    """The built `program`, building its whole module first where the cache does not have it.

    Errors: TroubleError for an unknown name, a missing Go toolchain or a failed build.
    """
    module = next((each for each in MODULES + PEERS if program in each.packages), None)
    if module is None:
        raise TroubleError(f"{program}: no such tool; there are {', '.join(names())}")
    directory = places.cache() / "bin" / _fingerprint(module)
    if not directory.exists():
        with _locked(directory):
            if not directory.exists():
                _build(module, directory)
    return directory / program


def build_all() -> None:
    """Build what is missing, so that nothing later waits for a compiler."""
    for module in MODULES:
        path(next(iter(module.packages)))


def _go(module: Module, *arguments: str) -> str:
    if shutil.which("go") is None:
        raise TroubleError(
            f"{module.name} is built from source, and there is no `go` on PATH: "
            "install Go 1.25 or newer (https://go.dev/dl)"
        )
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    environment["CGO_ENABLED"] = str(int(module.cgo))
    done = subprocess.run(
        ["go", *arguments],
        cwd=module.directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TroubleError(f"go {arguments[0]} of {module.name} failed:\n{done.stderr[-4000:]}")
    return done.stdout


def _fingerprint(module: Module) -> str:
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((module.directory / name).read_bytes())
    digest.update(_go(module, "version").encode())
    digest.update(module.ldflags.encode())
    return f"{module.name}-{digest.hexdigest()[:16]}"


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    directory.parent.mkdir(parents=True, exist_ok=True)
    with (directory.parent / f"{directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(module: Module, directory: Path) -> None:
    programs = ", ".join(module.packages)
    progress.say(f"building {programs} from source (the first time takes minutes)")
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        out = Path(scratch) / "out"
        out.mkdir()
        for program, package in module.packages.items():
            flags = ["-trimpath", "-ldflags", module.ldflags]
            _go(module, "build", *flags, "-o", str(out / program), package)
        out.rename(directory)
    progress.say(f"built {programs}")
