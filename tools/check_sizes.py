"""Holds every source file to 500 lines, every function to 60, and keeps `operator/` importable.

Called by `make lint`. Complexity and parameter counts are ruff's business, Rust functions clippy's.
"""

import ast
import subprocess
import sys
from pathlib import Path

MAX_FILE_LINES = 500
"""Past this a file holds more than one concept."""

MAX_FUNCTION_LINES = 60
"""Past this a function cannot be read at a glance."""

ROOT = Path(__file__).resolve().parent.parent


def tracked(*suffixes: str) -> list[Path]:
    """Source files that git tracks or would track, with one of `suffixes`."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = (ROOT / name for name in listed.stdout.splitlines())
    return [path for path in paths if path.suffix in suffixes and path.is_file()]


def long_functions(path: Path) -> list[str]:
    """One sentence for each function of a Python file that is too long."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                found.append(f"{where}: {node.name} has {length} lines, {MAX_FUNCTION_LINES} allow")
    return found


def faults(path: Path) -> list[str]:
    """Every size fault of one file."""
    name = path.relative_to(ROOT)
    found = []
    if path.name.endswith("_pb2.py"):
        return found  # generated
    lines = len(path.read_text(encoding="utf-8").splitlines())
    if lines > MAX_FILE_LINES:
        found.append(f"{name}: {lines} lines, {MAX_FILE_LINES} allow")
    if path.suffix == ".py":
        found += long_functions(path)
    if name.parts[0] == "operator" and (
        (name.parts[1] != "src" and path.suffix == ".py") or path.name.startswith("test_")
    ):
        # A test or package file here makes pytest plant a hollow module named `operator`
        # over the standard library's.
        found.append(f"{name}: only operator/src may hold Python files, and no tests")
    return found


def main() -> int:
    """Print every fault; 1 if there is any."""
    found = [fault for path in tracked(".py", ".rs") for fault in faults(path)]
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
