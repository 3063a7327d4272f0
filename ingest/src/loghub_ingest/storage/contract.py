"""What the API needs of a storage: values, and the protocols that every backend keeps.

`Catalogue` is projects, Logstores, keys and what consumers have read; `Logs` is log groups appended
durably and read by sequence; a `LogStorage` is both. `tests/contract` holds every backend to them.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from slswire import errors

KEY_SPACE: Final = 1 << 128
"""Hash keys are 128-bit; shards divide this space."""

TAGS: Final = "tags"
"""The kind of document that holds the tags of a project, or of a Logstore (`project#logstore`)."""

DAY: Final = 86_400 * 1_000_000_000
"""Nanoseconds."""

FOR_EVER_DAYS: Final = 3650
"""The retention that means none."""


@dataclasses.dataclass(frozen=True, slots=True)
class Project:
    """A project; times are unix seconds."""

    name: str
    description: str
    created: int
    modified: int


@dataclasses.dataclass(frozen=True, slots=True)
class Shard:
    """One shard: log groups whose hash key lies in [begin, end) are written to it."""

    number: int
    begin: int
    end: int
    created: int
    first_sequence: int
    """Sequence of its first log group: its creation in nanoseconds, so that no cursor of an older
    shard of the same number is ever valid again."""
    sealed: int = 0
    """When a split or a merge made it read-only (nanoseconds); 0 while it is written to."""
    parents: tuple[int, ...] = ()
    """The shards that it continues, by number."""
    end_sequence: int | None = None
    """Where a sealed shard ends, in backends that have to fix it; None where it is still open."""


@dataclasses.dataclass(frozen=True, slots=True)
class Logstore:
    """A Logstore: its document as the API shows it, its index document, its shards."""

    ident: int
    project: str
    name: str
    document: dict[str, Any]
    index: dict[str, Any] | None
    shards: tuple[Shard, ...]
    created: int
    modified: int

    @property
    def ttl_days(self) -> int:
        """Days that log groups are kept; 3650 keeps them for ever."""
        return int(self.document["ttl"])

    @property
    def writable(self) -> tuple[Shard, ...]:
        """The shards that are written to; together they are the key space."""
        return tuple(each for each in self.shards if not each.sealed)

    @property
    def consumer_groups(self) -> str:
        """The kind of document that its consumer groups are."""
        return f"consumergroup/{self.ident}"


@dataclasses.dataclass(frozen=True, slots=True)
class AccessKey:
    """A key; an empty project is the root key, which may do everything."""

    ident: str
    secret: str = dataclasses.field(repr=False)
    project: str
    rights: frozenset[str]
    created: int


@dataclasses.dataclass(frozen=True, slots=True)
class NewGroup:
    """A log group to append: lz4 block, its raw size, and what a reader needs to pass it over."""

    store: int
    shard: int
    block: bytes
    raw_size: int
    logs: int
    min_time: int
    max_time: int


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One stored log group, without its bytes; `received` is in nanoseconds."""

    sequence: int
    received: int
    raw_size: int
    logs: int
    min_time: int
    max_time: int
    segment: int
    offset: int
    length: int
    within: int = -1
    """Where it begins among the decoded bytes of the frame at `offset`; -1 where it lies alone."""


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """A JSON document of a project; times are unix seconds."""

    name: str
    body: dict[str, Any]
    created: int
    modified: int


@dataclasses.dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a consumer group has read a shard: a cursor, and who said so when (microseconds)."""

    cursor: str
    updated: int
    consumer: str


@dataclasses.dataclass(frozen=True, slots=True)
class Ticket:
    """A write announced under a hash key; in the shard from sequence `after` on, if it happened."""

    store: int
    hash_key: str
    number: int
    shard: int
    after: int
    raw_size: int
    digest: str


class StorageFullError(Exception):
    """Nothing more can be written now; what is stored stays readable."""


class ShardSealedError(Exception):
    """The shard was split, merged or deleted: what was written to it does not count."""


class UnavailableError(OSError):
    """What the storage stands on does not answer; whatever was asked for may have happened."""


class TooMuchError(errors.SlsError):
    """A search would have to read more than one may; the message is for whoever asked."""

    def __init__(self, message: str) -> None:
        super().__init__("ParameterInvalid", message, status=400)


class Catalogue(Protocol):
    """Projects, Logstores, shards, documents, checkpoints and keys.

    A change is durable when its call returns, and seen by every later call. Names are unique: who
    comes second is told so. All but `project`, `logstore`, `key` and their lists may wait for a
    disk or a network, so the API calls them in threads.
    """

    async def catch_up(self) -> None:
        """See what every other process on the same catalogue had committed when this was called.

        Raises:
            UnavailableError: it cannot be told now.
        """

    def project(self, name: str) -> Project | None:
        """One project."""

    def projects(self) -> Sequence[Project]:
        """All, by name."""

    def create_project(self, name: str, description: str) -> bool:
        """Add one; False where the name is taken."""

    def update_project(self, name: str, description: str) -> bool:
        """Replace its description; False where there is none."""

    def delete_project(self, name: str) -> None:
        """With its Logstores, their data and its keys."""

    def logstore(self, project: str, name: str) -> Logstore | None:
        """One Logstore."""

    def logstores(self, project: str) -> Sequence[Logstore]:
        """All of a project, by name."""

    def create_logstore(self, project: str, name: str, document: dict[str, Any]) -> bool:
        """With `document["shardCount"]` shards that divide the key space evenly.

        False where the name is taken, or the project is gone.
        """

    def update_logstore(self, store: Logstore, document: dict[str, Any]) -> bool:
        """Replace its document; False where it is gone."""

    def set_index(self, store: Logstore, index: dict[str, Any] | None) -> bool:
        """Replace or remove its index document; False where it is gone."""

    def delete_logstore(self, store: Logstore) -> None:
        """With its data; nothing where it is gone, whoever has its name by now."""

    def replace_shards(
        self, store: Logstore, sealed: Sequence[int], ranges: Sequence[tuple[int, int]]
    ) -> Logstore | None:
        """Make shards read-only and let new ones take their `ranges`; None where one is already."""

    def delete_shards(self, store: Logstore, numbers: Sequence[int]) -> None:
        """Remove read-only shards with their data."""

    def document(self, project: str, kind: str, name: str) -> Document | None:
        """One document."""

    def documents(self, project: str, kind: str) -> Sequence[Document]:
        """All of a kind, by name."""

    def add_document(self, project: str, kind: str, name: str, body: dict[str, Any]) -> bool:
        """Add one; False where the name is taken."""

    def set_document(self, project: str, kind: str, name: str, body: dict[str, Any]) -> bool:
        """Replace one; False where there is none."""

    def delete_document(self, project: str, kind: str, name: str) -> bool:
        """Remove one; False where there is none."""

    def checkpoints(self, store: int, group: str) -> Mapping[int, Checkpoint]:
        """Those of a consumer group by shard number."""

    def set_checkpoint(
        self, store: int, group: str, shard: int, checkpoint: str, *, consumer: str
    ) -> None:
        """Durable on return."""

    def delete_checkpoints(self, store: int, group: str) -> None:
        """Forget those of a consumer group."""

    def ticket(self, store: int, hash_key: str) -> Ticket | None:
        """The last announced write of a hash key."""

    def count_tickets(self, store: int) -> int:
        """How many hash keys have one."""

    def set_tickets(self, tickets: Sequence[Ticket]) -> None:
        """Durable on return."""

    def key(self, ident: str) -> AccessKey | None:
        """One key."""

    def keys(self, project: str) -> Sequence[AccessKey]:
        """The keys of a project, oldest first."""

    def add_key(self, key: AccessKey) -> bool:
        """Add or replace one; False where its project is gone."""

    def delete_key(self, ident: str) -> None:
        """It opens nothing from now on."""

    def derived_key(self, purpose: str) -> bytes:
        """32 secret bytes for one use: the same after a restart, and for each replica."""


class Logs(Protocol):
    """Log groups, appended durably and read by sequence, one consecutive number for each.

    All but `append` may wait for a disk or a network, so the API calls them in threads; they raise
    UnavailableError where that does not answer.
    """

    async def append(self, group: NewGroup) -> int:
        """Append and make durable; returns the sequence.

        Raises:
            StorageFullError: nothing was acknowledged; the sender should come back later.
            ShardSealedError: the shard takes nothing any more.
        """

    def span(self, store: Logstore, shard: Shard) -> tuple[int, int]:
        """The sequences [first, next) that can be read."""

    def sequence_at(self, store: Logstore, shard: Shard, received: int) -> int:
        """The first sequence received at or after a time (nanoseconds), or the end."""

    def entries(self, store: Logstore, shard: Shard, first: int, count: int) -> Sequence[Entry]:
        """Up to `count` entries from sequence `first` on, and one at least where there is any.

        There is one for every sequence; that of a gap has length 0 and reads as nothing.
        """

    def overlapping(self, store: Logstore, begin: int, end: int) -> Iterator[Entry]:
        """Entries of all shards with a log in [begin, end) (unix seconds).

        Raises:
            TooMuchError: there are more than one search may look at.
        """

    def read(self, entry: Entry) -> bytes | None:
        """The raw log group, or None where its bytes are damaged (reported and counted)."""

    def block(self, entry: Entry) -> bytes | None:
        """The same as an LZ4 block of `entry.raw_size` bytes."""

    def bloom(self, entry: Entry) -> bytes | None:
        """A stored Bloom filter of the words of the log group and of its neighbours, if any."""


class LogStorage(Catalogue, Logs, Protocol):
    """What a service runs on."""

    @property
    def alive(self) -> bool:
        """Whether it can still write."""

    def close(self) -> None:
        """Let go of everything; nothing is asked of it afterwards."""


MAX_SHARDS: Final = 2048
"""Per Logstore with its read-only ones: an endless split and merge would grow without end."""


def may_split(store: Logstore) -> bool:
    """Whether the Logstore's own bound and the service's leave room for one shard more."""
    few = len(store.writable) < int(store.document["maxSplitShard"])
    return few and len(store.shards) + 2 <= MAX_SHARDS


def divide(begin: int, end: int, count: int) -> tuple[tuple[int, int], ...]:
    """`count` ranges of equal size that are [begin, end) together."""
    edges = [begin + (end - begin) * number // count for number in range(count + 1)]
    return tuple(itertools.pairwise(edges))
