"""The pod of `helm test`: one line goes into the service and comes back out.

Where agents collect (PROJECT and LOGSTORE are set), this program prints the line, and its own pod
is opted in: container, agent and service all take part. Otherwise it writes by PutLogs. It reads
by PullLogs, with the client that the operator uses. Exit status 0: the line came back.
"""

import asyncio
import os
import sys
import time
import uuid
from collections.abc import Mapping

import aiohttp

from slswire.client import Client, Endpoint
from slswire.errors import SlsError
from slswire.model import Log, LogGroup
from slswire.signature import Credentials

PAUSE_SECONDS = 1.0
"""Between two looks."""

DIRECT = "loghub-helm-test"
"""Project and Logstore where no agent collects."""


def say(sentence: str) -> None:
    """To stderr: stdout holds the line alone."""
    print(sentence, file=sys.stderr, flush=True)


async def holds(client: Client, project: str, logstore: str, line: str) -> bool:
    """Whether a record of the last minutes has the line in any field."""
    since = str(int(time.time()) - 600)
    for shard in await client.list_shards(project, logstore):
        number = int(shard["shardID"])
        cursor = await client.get_cursor(project, logstore, number, since)
        while True:
            result = await client.pull_logs(project, logstore, number, cursor, count=100)
            values = (v for group in result.groups for log in group.logs for _, v in log.contents)
            if any(line in value for value in values):
                return True
            if not result.count:
                break
            cursor = result.next_cursor
    return False


async def write(client: Client, line: str) -> None:
    """Put the line into a Logstore of this test's own."""
    try:
        await client.create_project(DIRECT, "made by helm test")
    except SlsError as fault:
        if fault.code != "ProjectAlreadyExist":
            raise
    try:
        await client.create_logstore(DIRECT, {"logstoreName": DIRECT, "ttl": 1, "shardCount": 1})
    except SlsError as fault:
        if fault.code != "LogStoreAlreadyExist":
            raise
    log = Log(int(time.time()), (("content", line),))
    await client.put_logs(DIRECT, DIRECT, LogGroup((log,)))


async def run(environment: Mapping[str, str]) -> int:
    """Write, wait, read."""
    key = Credentials(environment["ACCESS_KEY_ID"], environment["ACCESS_KEY_SECRET"])
    project = environment.get("PROJECT", "")
    where = (project, environment["LOGSTORE"]) if project else (DIRECT, DIRECT)
    patience = float(environment.get("TIMEOUT_SECONDS", "120"))
    line = f"helm-test-{uuid.uuid4().hex}"
    started = time.monotonic()
    last = "the line is not there"
    written = False
    async with Client(Endpoint(environment["ENDPOINT"]), key) as client:
        while time.monotonic() - started < patience:
            try:
                if project:
                    # Again and again: an agent may follow this pod only after its first line.
                    print(line, flush=True)
                elif not written:
                    await write(client, line)
                    written = True
                if await holds(client, *where, line):
                    took = time.monotonic() - started
                    say(f"the line came back from {where[0]}/{where[1]} after {took:.1f} s")
                    return 0
            except (SlsError, aiohttp.ClientError, TimeoutError) as fault:
                last = str(fault) or type(fault).__name__
            await asyncio.sleep(PAUSE_SECONDS)
    say(
        f"{where[0]}/{where[1]}: no line {line} after {patience:.0f} s ({last}). "
        "Look at `kubectl loghub status` and at the events of pod loghub-test."
    )
    return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(run(os.environ)))
