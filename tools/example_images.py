"""What the example's images hold besides Python: compiled programs, libraries of other languages.

Puts them into a build context's opt/. `images` calls it; tests run what it made.
"""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "myorder"
MODULES = (
    "java.base,java.desktop,java.management,java.naming,java.security.jgss,java.sql,jdk.unsupported"
)
"""Of the Java runtime: what `jdeps --print-module-deps` says of the jars (its java.compiler is for
Logback's conditions in XML, which the example has none of)."""
BROWSER = ("web-types", "web-base", "web-track-base", "web-track-browser")
"""The official browser SDK's packages, each one module."""


def add_payment(folder: pathlib.Path) -> pathlib.Path:
    """Compile the payment service; static, so it runs in an image with whatever C library."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "payment"
    words = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static")
    # From its own folder: __FILE__ is what its records say.
    _run("cc", *words, "-o", str(program), "payment.c", cwd=EXAMPLE / "payment")
    return program


def add_browser_sdk(folder: pathlib.Path) -> None:
    """Copy the official browser SDK's modules, as their registry gave them."""
    folder.mkdir(parents=True, exist_ok=True)
    packages = _clients("node-modules") / "@aliyun-sls"
    for name in BROWSER:
        shutil.copy(packages / name / "dist" / f"{name}.es.js", folder)


def stage_core(opt: pathlib.Path) -> list[str]:
    """Compile the core system, beside its jars and a runtime; returns the command to start it."""
    classes, java = opt / "classes", opt / "java"
    shutil.copytree(_clients("jars"), opt / "lib", dirs_exist_ok=True)
    sources = map(str, sorted((EXAMPLE / "core/src/main/java").rglob("*.java")))
    checks = ("-Xlint:all", "-Werror", "--release", "17")
    _run("javac", *checks, "-cp", f"{opt}/lib/*", "-d", str(classes), *sources)
    shutil.copy(EXAMPLE / "core/src/main/resources/logback.xml", classes)
    small = ("--strip-java-debug-attributes", "--no-header-files", "--no-man-pages", "--compress=2")
    shutil.rmtree(java, ignore_errors=True)
    _run("jlink", "--add-modules", MODULES, *small, "--output", str(java))
    return [f"{java}/bin/java", "-cp", f"{classes}:{opt}/lib/*", "myorder.Core"]


def _clients(what: str) -> pathlib.Path:
    """Where the harness keeps the official clients' packages, installed by lock file."""
    command = [sys.executable, "-m", "harness", "clients", "--where", what]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests" / "e2e")}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return pathlib.Path(done.stdout.strip())


def _run(*command: str, cwd: pathlib.Path = ROOT) -> None:
    subprocess.run(command, cwd=cwd, check=True)
