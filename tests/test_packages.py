"""Every distribution imports whole, and every program answers `--version` and `--help`."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = {
    "loghub_agent": "loghub-agent",
    "loghub_cli": "loghub",
    "loghub_ingest": "loghub-ingest",
    "loghub_operator": "loghub-operator",
}


@pytest.mark.parametrize("package", ["slswire", *PROGRAMS])
def test_every_module_imports(package: str) -> None:
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, f"{package}."):
        importlib.import_module(module.name)
    assert root.__version__ == "0.1.0"


@pytest.mark.parametrize(("package", "program"), PROGRAMS.items())
def test_the_program_and_the_module_are_the_same(package: str, program: str) -> None:
    script = Path(sys.executable).with_name(program)
    for command in ([str(script)], [sys.executable, "-m", package]):
        version = subprocess.run(
            [*command, "--version"], capture_output=True, text=True, check=True, timeout=60
        )
        assert version.stdout == f"{program} 0.1.0\n"
    usage = subprocess.run(
        [str(script), "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert usage.stdout.startswith(f"usage: {program} ")
