"""What the API needs of a storage: values and the LogStorage protocol, which `embedded` keeps."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

KEY_SPACE: Final = 1 << 128
"""Hash keys are 128-bit; shards divide this space."""


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


class StorageFullError(Exception):
    """Nothing more can be written now; what is stored stays readable."""


class LogStorage(Protocol):
    """Projects, Logstores and keys; log groups appended durably and read by sequence."""

    def project(self, name: str) -> Project | None:
        """One project."""

    def projects(self) -> Sequence[Project]:
        """All, by name."""

    def create_project(self, name: str, description: str) -> None:
        """Durable on return; the name must be free."""

    def update_project(self, name: str, description: str) -> None:
        """Durable on return."""

    def delete_project(self, name: str) -> None:
        """With its Logstores, their data and its keys."""

    def logstore(self, project: str, name: str) -> Logstore | None:
        """One Logstore."""

    def logstores(self, project: str) -> Sequence[Logstore]:
        """All of a project, by name."""

    def create_logstore(self, project: str, name: str, document: dict[str, Any]) -> None:
        """With `document["shardCount"]` shards that divide the key space evenly."""

    def update_logstore(self, store: Logstore, document: dict[str, Any]) -> None:
        """Replace its document."""

    def set_index(self, store: Logstore, index: dict[str, Any] | None) -> None:
        """Replace or remove its index document."""

    def delete_logstore(self, store: Logstore) -> None:
        """With its data."""

    def key(self, ident: str) -> AccessKey | None:
        """One key."""

    def keys(self, project: str) -> Sequence[AccessKey]:
        """The keys of a project."""

    def add_key(self, key: AccessKey) -> None:
        """Durable on return."""

    def delete_key(self, ident: str) -> None:
        """It opens nothing from now on."""

    async def append(self, group: NewGroup) -> int:
        """Append and make durable; returns the sequence.

        Raises:
            StorageFullError: nothing was written; the sender should come back later.
        """

    def span(self, store: Logstore, shard: Shard) -> tuple[int, int]:
        """The sequences [first, next) that can be read."""

    def sequence_at(self, store: Logstore, shard: Shard, received: int) -> int:
        """The first sequence received at or after a time (nanoseconds), or the end."""

    def entries(self, store: Logstore, shard: Shard, first: int, count: int) -> Sequence[Entry]:
        """Up to `count` entries from sequence `first` on."""

    def overlapping(self, store: Logstore, begin: int, end: int) -> Iterator[Entry]:
        """Entries of all shards with a log in [begin, end) (unix seconds)."""

    def read(self, entry: Entry) -> bytes | None:
        """The raw log group, or None where its bytes are damaged (reported and counted)."""
