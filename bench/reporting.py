"""How a benchmark's table is shown and kept; every program of `bench/` calls it at its end."""

import json
import pathlib
import subprocess
from collections.abc import Sequence
from typing import Final

ROOT: Final = pathlib.Path(__file__).resolve().parent.parent
Row = tuple[str, str, float]
"""Figure, unit, value."""


def report(program: str, what: str, rows: Sequence[Row]) -> None:
    """Print the rows under a head that names the version; save them as build/bench-NAME.json."""
    version = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    print(f"{program} {version}, {what}\n")
    for name, unit, value in rows:
        print(f"  {name:<42} {value:>12,.2f} {unit}")
    saved = ROOT / "build" / f"bench-{program.removeprefix('loghub-')}.json"
    saved.parent.mkdir(exist_ok=True)
    saved.write_text(json.dumps({"version": version, "rows": list(rows)}, indent=1))
    print(f"\nsaved as {saved.relative_to(ROOT)}")
