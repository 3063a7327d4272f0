"""Every module imports on its own, in a fresh interpreter's order of nobody's making."""

import importlib
import pkgutil

import pytest

PACKAGES = ["slswire", "loghub_operator", "loghub_ingest", "loghub_cli"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_imports(package: str) -> None:
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, f"{package}."):
        importlib.import_module(module.name)
    assert root.__version__ == "0.1.0"
