"""What all tests of official clients share: the table of docs/clients.md, held to what was seen."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from harness import operations as api

DOCUMENT = Path(__file__).parents[2] / "docs" / "clients.md"


class Operations:
    """Operations answered with success, by user agent, as the service's access log has them."""

    def __init__(self) -> None:
        self.seen: dict[str, set[str]] = defaultdict(set)

    def read(self, log: Path) -> None:
        for line in log.read_text().splitlines():
            entry = json.loads(line)
            if entry["message"] != "request" or entry["code"] != "OK":
                continue
            name = api.name(entry["method"], entry["path"], entry["type"])
            if name:
                self.seen[entry["user_agent"]].add(name)

    def check(self, column: str, agent: str) -> None:
        """The document claims of `column` what clients whose agent begins so did, and no more."""
        done: set[str] = set()
        for seen, names in self.seen.items():
            if seen.startswith(agent):
                done |= names
        assert done, sorted(self.seen)
        assert claimed(column) == done, f"docs/clients.md, column {column}"


def claimed(column: str) -> set[str]:
    table = DOCUMENT.read_text().partition("## Operations by client")[2]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    at = rows[0].index(column)
    return {row[0] for row in rows[2:] if row[at] == "yes"}


@pytest.fixture(scope="module")
def operations() -> Operations:
    return Operations()
