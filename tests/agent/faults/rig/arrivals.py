"""What has arrived at the service, and the account of it against what was written."""

import asyncio
import base64
import collections
import dataclasses
from collections.abc import Iterable

from harness import ingest
from slswire.model import Log, LogGroup

PROJECT = "faults"


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """Records of one container: a good result has nothing lost, torn or, without a crash, twice."""

    written: int
    arrived: int
    lost: list[int]
    repeated: int
    strange: list[str]
    """Contents that nobody wrote: torn, mixed or of no known record."""

    @property
    def clean(self) -> bool:
        return not (self.lost or self.strange)


def create_project(service: ingest.Service) -> None:
    """Make the project of all Logstores."""

    async def create() -> None:
        async with service.client() as client:
            await client.create_project(PROJECT)

    asyncio.run(create())


class Arrivals:
    """A Logstore, read from where the last look ended."""

    def __init__(self, service: ingest.Service, logstore: str) -> None:
        self._service = service
        self.logstore = logstore
        self._cursors: dict[int, str] = {}
        self.logs: list[Log] = []
        self.groups: list[LogGroup] = []

    def create(self) -> None:
        """Make the Logstore."""
        document = {"logstoreName": self.logstore, "ttl": 1, "shardCount": 2}

        async def create() -> None:
            async with self._service.client() as client:
                await client.create_logstore(PROJECT, document)

        asyncio.run(create())

    def look(self) -> list[Log]:
        """Everything that has arrived so far."""
        asyncio.run(self._pull())
        return self.logs

    async def _pull(self) -> None:
        async with self._service.client() as client:
            for shard in await client.list_shards(PROJECT, self.logstore):
                number = int(shard["shardID"])
                if number not in self._cursors:
                    cursor = await client.get_cursor(PROJECT, self.logstore, number, "begin")
                    self._cursors[number] = cursor
                last = _position(await client.get_cursor(PROJECT, self.logstore, number, "end"))
                while (at := _position(self._cursors[number])) < last:
                    result = await client.pull_logs(
                        PROJECT,
                        self.logstore,
                        number,
                        self._cursors[number],
                        count=min(1000, last - at),
                    )
                    self.groups += result.groups
                    self.logs += [log for group in result.groups for log in group.logs]
                    self._cursors[number] = result.next_cursor

    def contents(self) -> list[str]:
        """Contents of everything that has arrived so far."""
        return [dict(log.contents)["content"] for log in self.look()]


def _position(cursor: str) -> int:
    # Cursors are consecutive integers in base64, one per log group and shard.
    return int(base64.b64decode(cursor))


def account(expected: Iterable[str], found: Iterable[str]) -> Account:
    """Compare what was written, each content being unique, with what arrived."""
    wanted = list(expected)
    counts = collections.Counter(found)
    known = set(wanted)
    lost = [number for number, content in enumerate(wanted, 1) if content not in counts]
    strange = [content for content in counts if content not in known]
    repeated = sum(counts[content] - 1 for content in wanted if content in counts)
    return Account(len(wanted), sum(counts.values()), lost, repeated, strange)
