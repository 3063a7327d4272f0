"""Building images where no registry is: a base from Debian packages, and Dockerfiles on top of it.

buildah keeps its storage in the cache and runs in a mount namespace of its own, so that neither its
mounts nor its images meet those of the machine's user.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path

from harness import archives, nodes, places, progress, shell
from harness.trouble import TroubleError

SUITE = "bookworm"
BASE_IMAGE = f"loghub.local/base:{SUITE}"

PUBLIC_BASE = "docker.io/library/python:3.11-slim-bookworm"
"""What Dockerfiles and examples name where there is a registry. Our base goes by that name too."""

BASE_PACKAGES = ("ca-certificates", "python3", "tini")
"""The programs are Python; tini reaps what they leave and passes signals on."""

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

USELESS = ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale")
"""A third of the base image that nothing in it reads."""


def ensure_base() -> None:
    """Make the base and the pause image where the cache lacks them (half a minute)."""
    recipe = " ".join([SUITE, SEARCH_PATH, *BASE_PACKAGES, *USELESS])
    wanted = hashlib.sha256(recipe.encode()).hexdigest()
    note = places.images() / "base.recipe"
    fresh = note.exists() and note.read_text(encoding="ascii") == wanted
    if not (fresh and archives.identity(BASE_IMAGE) and archives.identity(nodes.PAUSE_IMAGE)):
        note.unlink(missing_ok=True)
        _make_base()
        _make_pause()
        note.write_text(wanted, encoding="ascii")
    elif not _stored(BASE_IMAGE):
        _buildah("pull", f"oci-archive:{archives.existing(BASE_IMAGE)}")


def build(tag: str, file: Path, context: Path, arguments: list[str]) -> bool:
    """Build Dockerfile `file` in `context` on our base as `tag`; whether the image is another now.

    `arguments` are further build arguments, K=V.
    """
    if not file.exists():
        raise TroubleError(f"{file}: no such Dockerfile")
    ensure_base()
    words = ["--build-arg", f"BASE={BASE_IMAGE}"]
    for each in arguments:
        words += ["--build-arg", each]
    options = ["--isolation", "chroot", "--network", "host", "--layers", "--pull-never"]
    _buildah("build", *options, *words, "--file", str(file), "--tag", tag, str(context))
    changed = _export(tag)
    for old in archives.outdated():
        archives.delete(old)
        if _stored(old):
            _buildah("rmi", old)
    return changed


def _make_base() -> None:
    progress.say(f"making the base image from Debian {SUITE} packages (the first time only)")
    with tempfile.TemporaryDirectory(dir=places.cache()) as scratch:
        root = Path(scratch) / "root"
        include = f"--include={','.join(BASE_PACKAGES)}"
        # Devices and mounts of debootstrap stay in a namespace that ends with it.
        private = ["unshare", "--mount", "--propagation", "private"]
        shell.run([*private, "debootstrap", "--variant=minbase", include, SUITE, root, _mirror()])
        for useless in USELESS:
            for each in (root / useless).glob("*"):
                shell.run(["rm", "-rf", each])
        container = _buildah("from", "scratch").strip()
        _buildah("add", "--quiet", container, str(root), "/")
        _buildah("config", "--cmd", "/bin/bash", "--env", f"PATH={SEARCH_PATH}", container)
        _buildah("commit", "--quiet", "--rm", container, BASE_IMAGE)
    _export(BASE_IMAGE)


def _make_pause() -> None:
    container = _buildah("from", "--pull-never", BASE_IMAGE).strip()
    entry = json.dumps(["/usr/bin/tini", "--", "sleep", "infinity"])
    _buildah("config", "--entrypoint", entry, "--cmd", "", container)
    _buildah("commit", "--quiet", "--rm", container, nodes.PAUSE_IMAGE)
    _export(nodes.PAUSE_IMAGE)


def _export(tag: str) -> bool:
    """Write the archive of `tag` unless it holds this very image; whether it was written."""
    identity = _identity(tag)
    if archives.identity(tag) == identity:
        return False
    archives.forget(tag)
    file = archives.archive(tag)
    file.unlink(missing_ok=True)
    _buildah("push", "--quiet", tag, f"oci-archive:{file}:{tag}")
    archives.record(tag, identity)
    return True


def _identity(tag: str) -> str:
    template = "{{.FromImageID}}"
    return _buildah("inspect", "--type", "image", "--format", template, tag).strip()


def _stored(tag: str) -> bool:
    return bool(_buildah("images", "--quiet", "--filter", f"reference={tag}").strip())


def _buildah(*words: str) -> str:
    private = ["unshare", "--mount", "--propagation", "private"]
    storage = ["--root", str(places.cache() / "cluster" / "buildah")]
    storage += ["--runroot", str(places.cache() / "cluster" / "buildah-run")]
    return shell.run([*private, "buildah", *storage, *words], seconds=1800)


def _mirror() -> str:
    """A Debian mirror for SUITE: $LOGHUB_DEBIAN_MIRROR, else the one this machine's apt uses."""
    setting = os.environ.get("LOGHUB_DEBIAN_MIRROR")
    if setting:
        return setting
    listed = shell.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
    )
    for line in listed.splitlines():
        address, release = line.split()
        if release == SUITE:
            return address
    raise TroubleError(
        f"the base image is made of Debian {SUITE}, and this machine's apt knows no mirror of it: "
        "set LOGHUB_DEBIAN_MIRROR to the address of one"
    )
