"""The machine's own packages that the harness needs, installed by apt-get where missing."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from harness import progress
from harness.trouble import TroubleError

NEEDED = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "buildah": "buildah",
    "conntrack": "conntrack",
    "iptables": "iptables",
    "socat": "socat",
    "ipset": "ipset",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "sysctl": "procps",
}
"""Program -> Debian package, for the local cluster."""

SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Administrators' programs, which are not on everyone's PATH."""


def extend_search_path() -> None:
    """Find administrators' programs from any shell."""
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM])


def missing(needed: Mapping[str, str] = NEEDED) -> list[str]:
    """Packages of which a program is not here."""
    return sorted(
        package
        for program, package in needed.items()
        if not (Path(program).exists() if program.startswith("/") else shutil.which(program))
    )


def install_missing(needed: Mapping[str, str] = NEEDED, purpose: str = "the local cluster") -> None:
    """Install what is missing, saying so first. Needs root where anything is.

    Errors: TroubleError where there is no apt-get, no root, or it fails.
    """
    packages = missing(needed)
    if not packages:
        return
    listed = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise TroubleError(f"{purpose}: {listed} missing, and there is no apt-get: install them")
    if os.geteuid() != 0:
        raise TroubleError(f"{purpose}: {listed} missing; as root: apt-get install {listed}")
    progress.say(f"installing Debian packages: {listed}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", "-qq", *words], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise TroubleError(f"apt-get {words[0]} failed:\n{done.stderr[-2000:]}")
