"""What arrived: every record of a Logstore, pulled from its first cursor on.

The service is reached as an application outside the cluster would: by a forwarded port and the key
from the project's Secret. A forwarded port ends with the pod behind it, so each read makes its own.
"""

import asyncio
import base64
import contextlib
import dataclasses
import re
import subprocess
import time
from collections.abc import Iterator

import aiohttp

from slswire import errors
from slswire.client import Client, Endpoint
from slswire.model import Log, LogGroup
from slswire.signature import Credentials
from stage.kubernetes import Cluster

PATIENCE_SECONDS = 60
"""A service that was killed is back within that."""


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """One line as it arrived."""

    content: str
    stream: str
    tags: dict[str, str]
    fields: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def pod(self) -> str:
        """The pod that wrote it."""
        return self.tags.get("_pod_name_", "")


class Service:
    """The bundled service of the release in `namespace`."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace

    def records(self, logstore: str, *, project: str, namespace: str) -> list[Record]:
        """All of a Logstore of LogProject `namespace/project`; nothing before it is there."""
        return self._read(logstore, (project, namespace), ("begin", "end"))

    def has_field(self, logstore: str, field: str, *, project: str, namespace: str) -> bool:
        """Whether any record of a Logstore has the field."""
        found = self.records(logstore, project=project, namespace=namespace)
        return any(field in record.fields for record in found)

    def received(
        self, logstore: str, *, project: str, namespace: str, within: tuple[int, int]
    ) -> list[Record]:
        """What the service took in between two moments of its own clock (unix seconds)."""
        return self._read(logstore, (project, namespace), (str(within[0]), str(within[1])))

    def _read(self, logstore: str, owner: tuple[str, str], within: tuple[str, str]) -> list[Record]:
        project, namespace = owner
        secret = self._cluster.get("secret", f"{project}-loghub-credentials", namespace)
        if secret is None:
            return []
        data = {key: base64.b64decode(text).decode() for key, text in secret["data"].items()}
        key = Credentials(data["accessKeyId"], data["accessKeySecret"])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                with self._forwarded() as endpoint:
                    return asyncio.run(pull(endpoint, key, (data["project"], logstore), within))
            except errors.SlsError as fault:
                if fault.code == "LogStoreNotExist":
                    return []
                if time.monotonic() > deadline:
                    raise
            except (aiohttp.ClientError, TimeoutError, ConnectionError):
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    @contextlib.contextmanager
    def _forwarded(self) -> Iterator[str]:
        command = [
            self._cluster.harness("tool", "kubectl").strip(),
            f"--kubeconfig={self._cluster.kubeconfig}",
            "-n",
            self._namespace,
            "port-forward",
            "service/loghub-ingest",
            ":80",
        ]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            assert process.stdout is not None
            found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
            if found is None:
                raise ConnectionError("kubectl port-forward gave no port")
            yield f"http://127.0.0.1:{found.group(1)}"
        finally:
            process.kill()
            process.communicate()


async def pull(
    endpoint: str, key: Credentials, where: tuple[str, str], within: tuple[str, str]
) -> list[Record]:
    """All records of a Logstore (project, name) between two moments, as `get_cursor` takes them."""
    found = []
    async with Client(Endpoint(endpoint), key) as client:
        for shard in await client.list_shards(*where):
            number = int(shard["shardID"])
            cursor = await client.get_cursor(*where, number, within[0])
            last = await client.get_cursor(*where, number, within[1])
            while _position(cursor) < _position(last):
                count = min(1000, _position(last) - _position(cursor))
                result = await client.pull_logs(*where, number, cursor, count=count)
                found += [_record(group, log) for group in result.groups for log in group.logs]
                cursor = result.next_cursor
    return found


def _position(cursor: str) -> int:
    # Cursors are consecutive integers in base64, one per log group and shard.
    return int(base64.b64decode(cursor))


def _record(group: LogGroup, log: Log) -> Record:
    fields = dict(log.contents)
    tags = dict(group.tags)
    return Record(fields.get("content", ""), fields.get("_source_", ""), tags, fields)


def numbers(records: list[Record]) -> list[int]:
    """The numbers of `line NNNNNNN` records, in the order they arrived."""
    shaped = (re.fullmatch(r"line (\d{7})", record.content) for record in records)
    return [int(found.group(1)) for found in shaped if found]
