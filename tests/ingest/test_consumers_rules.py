"""The hand-over of shards as a state machine: any order of joins, drains, deaths and splits."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from loghub_ingest import consumers
from loghub_ingest.storage import contract

NAMES = st.sampled_from(["a", "b", "c", "d"])
TIMEOUT = 10.0


class HandOver(RuleBasedStateMachine):
    """Clients that behave as the official libraries: they read what they are told, and go on
    listing a shard that was taken from them until they have drained it."""

    def __init__(self) -> None:
        super().__init__()
        self.group = consumers.Group(TIMEOUT)
        self.now = 0.0
        self.shards = {0, 1, 2}
        self.reading: dict[str, set[int]] = {}
        self.draining: dict[str, set[int]] = {}
        self.last: dict[str, float] = {}

    @rule(name=NAMES)
    def beat(self, name: str) -> None:
        if self.now - self.last.get(name, -1e9) > TIMEOUT:
            self.reading[name], self.draining[name] = set(), set()
        held = self.reading[name] | self.draining[name]
        answer = set(self.group.beat(name, held, self.shards, self.now))
        assert answer <= self.shards
        self.draining[name] = held - answer
        self.reading[name] = answer
        self.last[name] = self.now

    @rule(name=NAMES)
    def drained(self, name: str) -> None:
        self.draining[name] = set()

    @rule(name=NAMES)
    def die(self, name: str) -> None:
        self.reading.pop(name, None)
        self.draining.pop(name, None)
        self.last.pop(name, None)
        self.now += TIMEOUT + 1
        for other in list(self.last):
            self.last[other] = self.now
            self.group.seen[other] = self.now  # the others have kept beating

    @rule(seconds=st.floats(0, 12))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for name, at in list(self.last.items()):
            if self.now - at > TIMEOUT:  # a client that was silent for so long stops by itself
                self.reading.pop(name)
                self.draining.pop(name)
                self.last.pop(name)

    @rule(shard=st.integers(0, 6))
    def change(self, shard: int) -> None:
        self.shards ^= {shard}

    @invariant()
    def one_reader_each(self) -> None:
        held = [
            shard
            for name in self.reading
            for shard in self.reading[name] | self.draining.get(name, set())
        ]
        assert len(held) == len(set(held))

    def teardown(self) -> None:
        """At rest every shard is read, and nobody has two more than another."""
        names = sorted(self.last) or ["a"]
        for _ in range(20):
            for name in names:
                self.beat(name)
                self.drained(name)
        assert set().union(*(self.reading[name] for name in names)) == self.shards
        sizes = [len(self.reading[name]) for name in names]
        assert max(sizes) - min(sizes) <= 1


TestHandOver = HandOver.TestCase
TestHandOver.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


def shard(number: int, *parents: int, sealed: bool = False) -> contract.Shard:
    return contract.Shard(number, 0, 1, 0, 0, sealed=int(sealed), parents=parents)


def test_children_wait_for_all_before_them_in_an_ordered_group():
    chain = [shard(0, sealed=True), shard(1, 0, sealed=True), shard(2, 1), shard(3)]
    for done, ordered, expected in [
        (set(), True, [0, 3]),
        ({1}, True, [0, 3]),  # 1 was never written to: 2 waits for 0 all the same
        ({0}, True, [1, 3]),
        ({0, 1}, True, [2, 3]),
        (set(), False, [0, 1, 2, 3]),
        ({0}, False, [1, 2, 3]),
    ]:
        found = consumers.readable(
            chain, lambda each, done=done: each.number in done, ordered=ordered
        )
        assert found == expected
