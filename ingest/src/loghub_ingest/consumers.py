"""Who of a consumer group reads which shard: decided here, from heartbeats.

A shard has one holder. It moves only after its holder has stopped listing it (what it had fetched
is handled and its checkpoint saved) or has missed its heartbeats. The API's `consumergroups` asks.
One process keeps groups in memory; replicas keep them in their catalogue, by the same rules.
"""

import asyncio
import dataclasses
import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from loghub_ingest.storage import contract

MAX_CONSUMERS: Final = 1024
"""Per group: four for each shard that can be written to."""

MAX_GROUPS: Final = 10_000
"""In memory, with their consumers; beyond, those without a live consumer are forgotten."""

_T = TypeVar("_T")


class UnknownConsumerError(Exception):
    """A consumer that timed out still lists shards: others may read them by now."""


class TooManyConsumersError(Exception):
    """The group has `MAX_CONSUMERS`."""


@dataclasses.dataclass(slots=True)
class Group:
    """The live consumers of one group and the shards they hold. Times are monotonic seconds.

    Attributes:
        timeout: seconds without a heartbeat after which a consumer is gone.
        waiting_until: after a restart of the service, the time up to which consumers that it does
            not know yet may still hold shards: until then none is handed to another.
    """

    timeout: float
    waiting_until: float = 0.0
    seen: dict[str, float] = dataclasses.field(default_factory=dict)
    holders: dict[int, str] = dataclasses.field(default_factory=dict)
    leaving: set[int] = dataclasses.field(default_factory=set)

    def beat(
        self, consumer: str, held: Collection[int], readable: Collection[int], now: float
    ) -> Sequence[int]:
        """A heartbeat of `consumer`, which lists `held`; the shards it shall read from now on.

        Args:
            consumer: its name.
            held: what it reads or still drains.
            readable: every shard that somebody of the group shall read now.
            now: the time.

        Raises:
            UnknownConsumerError, TooManyConsumersError: it is not taken in.
        """
        self._forget(now)
        if consumer not in self.seen:
            self._take_in(consumer, held, now)
        self.seen[consumer] = now
        self._let_go(consumer, held, readable)
        shares = self._shares(len(readable))
        mine = self._active(consumer)
        for shard in mine[shares[consumer] :]:
            self._revoke(shard, held)
        if now >= self.waiting_until:
            free = sorted(set(readable) - self.holders.keys())
            for shard in free[: max(0, shares[consumer] - len(mine))]:
                self.holders[shard] = consumer
        return self._active(consumer)

    def holds(self, consumer: str, shard: int, now: float) -> bool:
        """Whether `consumer` may save a checkpoint of the shard."""
        self._forget(now)
        return self.holders.get(shard) == consumer

    def idle(self, now: float) -> bool:
        """Whether nobody is left."""
        self._forget(now)
        return not self.seen

    def _forget(self, now: float) -> None:
        gone = {name for name, at in self.seen.items() if now - at > self.timeout}
        for name in gone:
            del self.seen[name]
        for shard in [each for each, holder in self.holders.items() if holder in gone]:
            self._free(shard)

    def _take_in(self, consumer: str, held: Collection[int], now: float) -> None:
        if held and now >= self.waiting_until:
            raise UnknownConsumerError(consumer)
        if len(self.seen) >= MAX_CONSUMERS:
            raise TooManyConsumersError(consumer)
        for shard in held:
            self.holders.setdefault(shard, consumer)

    def _let_go(self, consumer: str, held: Collection[int], readable: Collection[int]) -> None:
        for shard in [each for each, holder in self.holders.items() if holder == consumer]:
            if shard in self.leaving and shard not in held:
                self._free(shard)
            elif shard not in readable:
                self._revoke(shard, held)

    def _revoke(self, shard: int, held: Collection[int]) -> None:
        if shard in held:
            self.leaving.add(shard)
        else:
            self._free(shard)

    def _free(self, shard: int) -> None:
        self.holders.pop(shard, None)
        self.leaving.discard(shard)

    def _active(self, consumer: str) -> list[int]:
        return sorted(
            shard
            for shard, holder in self.holders.items()
            if holder == consumer and shard not in self.leaving
        )

    def _shares(self, shards: int) -> Mapping[str, int]:
        # Who reads most keeps most: the fewest shards move.
        active = {name: len(self._active(name)) for name in self.seen}
        order = sorted(self.seen, key=lambda name: (-active[name], name))
        least, more = divmod(shards, len(order))
        return {name: least + (place < more) for place, name in enumerate(order)}


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Which group is meant: its Logstore's ident and its name.

    Attributes:
        store: the Logstore.
        name: the group.
        timeout: seconds without a heartbeat after which a consumer is gone.
        old: whether it was created before this process began.
    """

    store: int
    name: str
    timeout: float
    old: bool


class Members(Protocol):
    """Every group of the service."""

    async def beat(
        self, place: Place, consumer: str, held: Collection[int], readable: Collection[int]
    ) -> Sequence[int]:
        """A heartbeat, as `Group.beat` answers it."""

    async def holds(self, place: Place, consumer: str, shard: int) -> bool:
        """Whether `consumer` may save a checkpoint of the shard."""

    def forget(self, store: int, name: str) -> None:
        """The group was deleted."""


class Groups:
    """The groups of a service that is one process. Used on the loop only."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._groups: dict[tuple[int, str], Group] = {}

    async def beat(
        self, place: Place, consumer: str, held: Collection[int], readable: Collection[int]
    ) -> Sequence[int]:
        """A heartbeat, as `Group.beat` answers it."""
        now = time.monotonic()
        return self._of(place, now).beat(consumer, held, readable, now)

    async def holds(self, place: Place, consumer: str, shard: int) -> bool:
        """Whether `consumer` may save a checkpoint of the shard."""
        now = time.monotonic()
        return self._of(place, now).holds(consumer, shard, now)

    def _of(self, place: Place, now: float) -> Group:
        return self.group(place.store, place.name, timeout=place.timeout, old=place.old, now=now)

    def group(self, store: int, name: str, *, timeout: float, old: bool, now: float) -> Group:
        """The group in memory; `old` when it was created before this process began."""
        found = self._groups.get((store, name))
        if found is None:
            if len(self._groups) >= MAX_GROUPS:
                kept = {at: each for at, each in self._groups.items() if not each.idle(now)}
                self._groups = kept
            waiting = self._started + timeout if old else 0.0
            found = self._groups[store, name] = Group(timeout, waiting_until=waiting)
        found.timeout = timeout
        return found

    def forget(self, store: int, name: str) -> None:
        """The group was deleted."""
        self._groups.pop((store, name), None)


class SharedState(Protocol):
    """Where replicas keep the states of groups."""

    def change_members(
        self, store: int, group: str, change: Callable[[str, float], tuple[str, _T]]
    ) -> _T:
        """Replace a group's state by what `change` makes of it and of the time, undisturbed."""


class SharedGroups:
    """The groups of a service of many replicas. A restart of one changes nothing for consumers."""

    def __init__(self, state: SharedState) -> None:
        self._state = state

    async def beat(
        self, place: Place, consumer: str, held: Collection[int], readable: Collection[int]
    ) -> Sequence[int]:
        """A heartbeat, as `Group.beat` answers it."""
        return await self._with(place, lambda group, now: group.beat(consumer, held, readable, now))

    async def holds(self, place: Place, consumer: str, shard: int) -> bool:
        """Whether `consumer` may save a checkpoint of the shard."""
        return await self._with(place, lambda group, now: group.holds(consumer, shard, now))

    def forget(self, store: int, name: str) -> None:
        """Nothing: its state goes with its checkpoints."""

    async def _with(self, place: Place, ask: Callable[[Group, float], _T]) -> _T:
        def change(state: str, now: float) -> tuple[str, _T]:
            group = _loaded(state, place.timeout)
            answer = ask(group, now)
            return _kept(group), answer

        return await asyncio.to_thread(self._state.change_members, place.store, place.name, change)


def _loaded(state: str, timeout: float) -> Group:
    found = json.loads(state or "{}")
    holders = {int(shard): consumer for shard, consumer in found.get("holders", {}).items()}
    return Group(
        timeout, seen=found.get("seen", {}), holders=holders, leaving=set(found.get("leaving", ()))
    )


def _kept(group: Group) -> str:
    found = {"seen": group.seen, "holders": group.holders, "leaving": sorted(group.leaving)}
    return json.dumps(found)


def readable(
    shards: Iterable[contract.Shard], finished: Callable[[contract.Shard], bool], *, ordered: bool
) -> Sequence[int]:
    """The shards that a group shall read now.

    A sealed shard that is read to its end needs no reader. In an `ordered` group a shard waits
    until those it continues, and those that they continue, are read to their ends.
    """
    done: dict[int, bool] = {}
    found = []
    for shard in sorted(shards, key=lambda each: each.number):  # parents have lower numbers
        before = all(done.get(parent, True) for parent in shard.parents)
        itself = finished(shard)
        done[shard.number] = itself and before
        if not itself and (before or not ordered):
            found.append(shard.number)
    return found
