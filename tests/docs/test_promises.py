"""The tests that the pages name as proof are there."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def proofs(page: str) -> list[tuple[str, str]]:
    return NAMED.findall((ROOT / "docs" / page).read_text())


@pytest.mark.parametrize("page", ["guarantees.md", "operator-promises.md"])
def test_every_test_that_a_page_names_exists(page):
    found = proofs(page)
    assert found
    missing = [
        f"{path}::{name}"
        for path, name in found
        if not (ROOT / path).is_file() or (name and f"def {name}(" not in (ROOT / path).read_text())
    ]
    assert missing == []


def test_every_promise_of_the_operator_names_a_test():
    text = (ROOT / "docs" / "operator-promises.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert [row for row in rows if "| **" not in row and "::" not in row] == []
