"""Programs and libraries of other languages that tests drive: browser, npm and Maven packages.

Installed from their own registries by lock file, kept in the cache under the lock's hash; what the
machine itself must have (browser, npm, Maven) comes from apt-get where it is missing and root runs.
"""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness import lock, packages, places, progress
from harness.trouble import TroubleError

LOCKS = places.HARNESS.parent.parent / "clients"
"""Holds npm/package-lock.json; pom.xml and jars.sha256 of maven (clients) and kafka (brokers)."""

NEEDED = {
    "chromium": "chromium",
    "node": "nodejs",
    "npm": "npm",
    "java": "default-jdk-headless",
    "mvn": "maven",
    "ip": "iproute2",
    "unshare": "util-linux",
}
"""Program -> Debian package."""

COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"


def install_all() -> None:
    """Install what is missing, so that no test waits for a registry."""
    packages.install_missing(NEEDED, "tests with the official clients")
    node_modules()
    jars()


def chromium() -> Path:
    """The browser that the machine has, Debian's as a rule."""
    packages.install_missing({"chromium": "chromium"}, "tests in a browser")
    found = shutil.which("chromium")
    assert found is not None
    return Path(found)


def node_modules() -> Path:
    """A node_modules directory with exactly what npm/package-lock.json says, by its hashes."""
    return _cached("npm", ("package.json", "package-lock.json"), _install_npm) / "node_modules"


def jars() -> Path:
    """A directory with exactly the jars of maven/jars.sha256."""
    return _cached("maven", ("pom.xml", "jars.sha256"), _install_jars)


def brokers() -> Path:
    """A directory with exactly the jars of kafka/jars.sha256: Kafka's own server."""
    return _cached("kafka", ("pom.xml", "jars.sha256"), _install_jars)


def _cached(kind: str, files: tuple[str, ...], install: Callable[[Path], Path]) -> Path:
    digest = hashlib.sha256()
    for name in files:
        digest.update((LOCKS / kind / name).read_bytes())
    directory = places.cache() / "clients" / f"{kind}-{digest.hexdigest()[:16]}"
    if directory.exists():
        return directory
    with lock.held(places.cache()):
        if not directory.exists():
            packages.install_missing(NEEDED, "tests with the official clients")
            progress.say(f"installing the official clients of {kind}")
            directory.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
                for name in files:
                    shutil.copy(LOCKS / kind / name, scratch)
                install(Path(scratch)).rename(directory)
    return directory


def _install_npm(scratch: Path) -> Path:
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], scratch)
    out = scratch / "out"
    out.mkdir()
    (scratch / "node_modules").rename(out / "node_modules")
    return out


def _install_jars(scratch: Path) -> Path:
    _run(["mvn", "--quiet", "--batch-mode", COPY, "-DoutputDirectory=jars"], scratch)
    found = {
        each.name: hashlib.sha256(each.read_bytes()).hexdigest()
        for each in (scratch / "jars").iterdir()
    }
    lines = (scratch / "jars.sha256").read_text().splitlines()
    wanted = {name: digest for digest, name in (line.split() for line in lines)}
    if found != wanted:
        wrong = ", ".join(sorted({name for name, _ in found.items() ^ wanted.items()}))
        raise TroubleError(f"Maven's jars are not those of jars.sha256: {wrong}")
    return scratch / "jars"


def _run(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr)[-4000:]
        raise TroubleError(f"{' '.join(command[:2])} failed:\n{said}")
