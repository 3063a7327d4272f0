"""A live tail over any order of writes, splits and looks shows each match once, in order."""

import asyncio
import pathlib
import tempfile

import lz4.block
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from loghub_ingest.search import document, following, grammar, planning
from loghub_ingest.storage import contract, embedded
from slswire import protobuf
from slswire.model import Log, LogGroup

PROJECT, STORE = "shop-project", "web"
PROGRAM = planning.program(grammar.parse("hit"), document.read({"line": {}}))

MOST_HITS = 2
"""In one log group, and in one look: looks end in the middle of what there is."""


@pytest.fixture(autouse=True)
def _small_looks(monkeypatch):
    monkeypatch.setattr(following, "MAX_RECORDS", MOST_HITS)


class Following(RuleBasedStateMachine):
    """Numbers are written, some of them with the word that is looked for."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self.storage = embedded.Embedded(pathlib.Path(self._directory.name) / "data")
        self.storage.create_project(PROJECT, "")
        self.storage.create_logstore(PROJECT, STORE, {"ttl": 30, "shardCount": 2})
        self.count = 0
        self.wanted: list[str] = []
        self.seen: list[str] = []
        self.position: dict[int, int] = {}

    @property
    def store(self) -> contract.Logstore:
        found = self.storage.logstore(PROJECT, STORE)
        assert found is not None
        return found

    @initialize(before=st.integers(0, 3))
    def begin(self, before):
        for _ in range(before):
            self.write(0, [True])
        self.wanted.clear()
        self.position = following.end(self.storage, self.store)

    @rule(shard=st.integers(0, 9), hits=st.lists(st.booleans(), min_size=1, max_size=MOST_HITS))
    def write(self, shard, hits):
        writable = self.store.writable
        number = writable[shard % len(writable)].number
        logs = []
        for hit in hits:
            self.count += 1
            name = str(self.count)
            # Their own times jump about: receipt alone is what a tail goes by.
            moment = 1_000_000 + self.count * 7919 % 5000
            logs.append(Log(moment, (("n", name), ("m", "a hit" if hit else "none"))))
            if hit:
                self.wanted.append(name)
        raw = protobuf.encode_log_group(LogGroup(tuple(logs), "", "", ()))
        times = [log.time for log in logs]
        block = lz4.block.compress(raw, store_size=False)
        group = contract.NewGroup(
            self.store.ident, number, block, len(raw), len(logs), min(times), max(times)
        )
        asyncio.run(self.storage.append(group))

    @rule(shard=st.integers(0, 9))
    def split(self, shard):
        writable = self.store.writable
        if len(writable) < 8:
            each = writable[shard % len(writable)]
            halves = contract.divide(each.begin, each.end, 2)
            assert self.storage.replace_shards(self.store, [each.number], halves) is not None

    @rule()
    def look(self):
        found = following.since(self.storage, self.store, PROGRAM, self.position)
        assert found.left_out == 0
        self.position = found.position
        self.seen += [each.record["n"] for each in found.found]

    def teardown(self):
        for _ in range(self.count + 1):  # each look that is not at the end goes on
            self.look()
        assert self.seen == self.wanted
        self.storage.close()
        self._directory.cleanup()


Following.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
test_every_match_is_shown_once_in_order = Following.TestCase
