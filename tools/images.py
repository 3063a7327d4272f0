"""Builds the images: packages installed outside, copied in, tagged by what they hold.

The three programs, and two of the example: `myorder` with what its programs in Python and C and its
page need, and `myorder-core`, which is in Java (`example_images`).

    python tools/images.py stage      installs into build/images/<program>/opt
    python tools/images.py build      stages, then builds those whose tag is not there yet
    python tools/images.py tag        prints the tag, which changes with any source or lock

`harness` builds and loads with what the chosen cluster provider has (buildah, docker or podman).
"""

import hashlib
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

import example_images

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "images"
PROGRAMS = ("operator", "agent", "ingest")
EXAMPLE, CORE = "myorder", "myorder-core"
UV = str(ROOT / ".tools" / "bin" / "uv")
VERSION = "0.1.0"
WORKLOAD = "docker.io/library/python:3.11-slim-bookworm"
"""What the examples run. A cluster without a registry gets the local base image by that name."""

_SOURCES = ("wire", "operator", "agent", "ingest", "images", "Cargo.lock", "uv.lock")
_SOURCES += (
    "tools/images.py",
    "tools/example_images.py",
    "tests/clients/maven",
    "tests/clients/npm",
)
_SOURCES += ("examples/myorder/Dockerfile", "examples/myorder/payment", "examples/myorder/core")


def tag() -> str:
    """The version and a digest of everything that goes into an image."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", *_SOURCES],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    digest = hashlib.sha256()
    for name in sorted(set(listed)):
        path = ROOT / name
        if path.is_file():
            digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{VERSION}-{digest.hexdigest()[:12]}"


def name(program: str) -> str:
    """The image of `program`, with its tag."""
    return f"loghub.local/{program}:{tag()}"


def stage(program: str) -> pathlib.Path:
    """Install `program` and all it needs; returns the build context."""
    context = OUT / program
    target = context / "opt"
    package = f"loghub-{program}"
    _install(context, "--no-dev", "--package", package)
    wheels = context / "wheels"
    wheels.mkdir()
    for part in ("slswire", package):
        _run(UV, "build", "--quiet", "--wheel", "--package", part, "-o", str(wheels))
    _run(
        UV,
        "pip",
        "install",
        "--quiet",
        "--python",
        "python3",
        "--target",
        str(target),
        "--no-deps",
        *map(str, sorted(wheels.glob("*.whl"))),
    )
    shutil.rmtree(wheels)
    return _finish(context, ROOT / "images" / program / "Dockerfile")


def stage_example() -> pathlib.Path:
    """What its programs need; those in Python come in a ConfigMap."""
    context = OUT / EXAMPLE
    _install(context, "--only-group", EXAMPLE)
    example_images.add_payment(context / "opt" / "bin")
    example_images.add_browser_sdk(context / "opt" / "web")
    return _finish(context, example_images.EXAMPLE / "Dockerfile")


def stage_core() -> pathlib.Path:
    """The example's core system with a Java runtime of its own."""
    context = OUT / CORE
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    example_images.stage_core(context / "opt")
    shutil.copy(example_images.EXAMPLE / "core" / "Dockerfile", context / "Dockerfile")
    return context


def _staged(program: str) -> pathlib.Path:
    if program == CORE:
        return stage_core()
    return stage_example() if program == EXAMPLE else stage(program)


def _install(context: pathlib.Path, *chosen: str) -> None:
    """Install locked packages, none of the workspace, into a new context's opt/."""
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    requirements = context / "requirements.txt"
    plain = ("--quiet", "--frozen", "--no-emit-workspace", "--no-hashes", "--no-header")
    _run(UV, "export", *plain, *chosen, "-o", str(requirements))
    where = ("--python", "python3", "--target", str(context / "opt"), "--link-mode", "copy")
    _run(UV, "pip", "install", "--quiet", *where, "-r", str(requirements))
    requirements.unlink()


def _finish(context: pathlib.Path, dockerfile: pathlib.Path) -> pathlib.Path:
    for script in (context / "opt" / "bin").glob("*"):
        _start_with_the_images_python(script)
    _run(sys.executable, "-m", "compileall", "-q", "-j", "2", str(context / "opt"))
    shutil.copy(dockerfile, context / "Dockerfile")
    return context


def _start_with_the_images_python(script: pathlib.Path) -> None:
    # An installer names the interpreter that it ran with, which no image has.
    first, line_end, rest = script.read_bytes().partition(b"\n")
    if first.startswith(b"#!") and b"python" in first:
        script.write_bytes(b"#!/usr/bin/env python3" + line_end + rest)


def build(chosen: Sequence[str] = (*PROGRAMS, EXAMPLE, CORE)) -> None:
    """Build and load images of the current tag."""
    for program in chosen:
        started = time.monotonic()
        image = name(program)
        if _harness("has-image", image).returncode == 0:
            print(f"{image} is there", flush=True)
        else:
            context = _staged(program)
            _harness(
                "build-image",
                "--tag",
                image,
                "--file",
                str(context / "Dockerfile"),
                "--context",
                str(context),
                check=True,
            )
            print(f"{image} built in {time.monotonic() - started:.0f} s", flush=True)
        _harness("load-image", image, check=True)
    _harness("load-image", WORKLOAD, check=True)


def _harness(*arguments: str, check: bool = False) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "harness", *arguments], cwd=ROOT, check=check)


def _run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


def main() -> int:
    """Do what the one argument says."""
    match sys.argv[1:]:
        case ["stage"]:
            for program in (*PROGRAMS, EXAMPLE, CORE):
                print(_staged(program))
        case ["build"]:
            build()
        case ["tag"]:
            print(tag())
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
