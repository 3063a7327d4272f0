"""Filters are made after a search for nothing, spare the next one the work, and lose nothing."""

import asyncio
import time

import pytest

from loghub_ingest import _core
from loghub_ingest.search import blooms, document, grammar, planning, scanning
from loghub_ingest.storage import embedded
from slswire import compress, protobuf
from slswire.model import Log, LogGroup

INDEX = document.read({"line": {"token": [" "]}})
WINDOW = scanning.Window((0, 0), (1000, 0))


class Counting(embedded.Embedded):
    """Counts what is read."""

    reads = 0

    def read(self, entry):
        self.reads += 1
        return super().read(entry)


@pytest.fixture
def storage(tmp_path):
    found = Counting(tmp_path / "data")
    found.create_project("shop-project", "")
    found.create_logstore("shop-project", "web", {"ttl": 7, "shardCount": 1})
    yield found
    found.close()


async def append(storage, store, text: str, when: int) -> None:
    raw = protobuf.encode_log_group(LogGroup((Log(when, (("c", text),), 0),), "", "", (), ""))
    block = compress.compress("lz4", raw)
    group = embedded.contract.NewGroup(store.ident, 0, block, len(raw), 1, when, when)
    await storage.append(group)


def found(storage, store, query: str) -> list[str]:
    program = planning.program(grammar.parse(query), INDEX)
    entries = storage.overlapping(store, 0, 1000)
    at = scanning.places(storage, entries, (program, WINDOW), line=10, offset=0, reverse=True)
    return [each.record["c"] for each in scanning.rendered(storage, at.kept)]


async def test_second_search_for_a_rare_word_reads_the_groups_that_hold_it(storage):
    store = storage.logstore("shop-project", "web")
    for number in range(50):
        await append(storage, store, f"common word{number}", number)
    assert found(storage, store, "word7") == ["common word7"]
    filters = blooms.of(storage)
    deadline = time.monotonic() + 60
    while filters.waiting:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    storage.reads = 0
    assert found(storage, store, "word9 or absent") == ["common word9"]
    assert storage.reads < 10
    await append(storage, store, "common word9 again", 60)
    assert found(storage, store, "word9") == ["common word9 again", "common word9"]
    assert len(found(storage, store, "common")) == 10
    assert found(storage, store, "not common") == []


def test_filters_that_do_not_fit_are_forgotten(storage, monkeypatch):
    monkeypatch.setattr(blooms, "MAX_BYTES", 1000)
    filters = blooms.Blooms(storage)
    for number in range(100):
        filters._keep((1, number, number), b"x" * 100)
    assert len(filters._filters) == 10
    assert (1, 99, 99) in filters._filters


@pytest.mark.parametrize("query", ["a*", "n > 1", "not x", "x or n > 1", "*"])
def test_query_that_no_filter_can_decide_asks_for_none(query):
    index = document.read({"line": {"token": [" "]}, "keys": {"n": {"type": "long"}}})
    program = planning.program(grammar.parse(query), index)
    assert not _core.Scanner(program, 0, 1, None).is_selective()
