"""A destination that is away for longer than the files live: what is kept, what gives way, and the
other terms of delivery: rates, shards.
"""

import asyncio
import itertools
import json
import time

import pytest

from rig import agent, arrivals, kubelet, proxy, stage

SOAK = pytest.mark.soak
PLAIN = "    compression: None\n"
SMALL = ("--queue-bytes-per-destination", "65536", "--batch-logs", "100")
READ = "loghub_agent_read_lines_total{"
SPOOLED = "loghub_agent_spool_bytes{"


def delivery(text):
    return f"  input: {{stdout: {{}}}}\n  delivery: {{{text}}}"


@pytest.fixture
def between(scene):
    running = proxy.Proxy(scene.service)
    scene.agent.endpoint = running.url
    yield running
    running.close()


def read_all(scene, container):
    agent.until("all is read", lambda: scene.agent.metric(READ) >= container.written)
    agent.until("it is spooled", lambda: scene.agent.metric(SPOOLED) > 0)


def test_spool_outlasts_the_files_and_a_kill(scene, container, between):
    scene.agent.pipeline("lines", more=PLAIN, rest=delivery("spool: {maxBytes: 104857600}"))
    between.mode = proxy.CLOSED
    scene.agent.start(*SMALL)
    for _ in range(5):
        container.lines(2000)
        agent.until("the fault", lambda: between.faults >= 1)
        time.sleep(0.2)
        container.rotate()
    read_all(scene, container)
    agent.until("a checkpoint", lambda: "read_bytes" in scene.agent.metrics())
    container.delete()
    time.sleep(1.5)  # of what memory holds nothing is new any more
    scene.agent.kill()
    scene.agent.start()
    agent.until("the spool", lambda: scene.agent.metric(SPOOLED) > 0)
    between.mode = proxy.PASS
    scene.check(stage.contents(container))


@pytest.mark.parametrize("kill", [pytest.param(False, marks=SOAK), True], ids=["runs", "killed"])
def test_spool_goes_where_its_pipeline_goes(scene, container, between, kill):
    rest = delivery("spool: {maxBytes: 104857600}")
    scene.agent.pipeline("lines", more=PLAIN, rest=rest)
    between.mode = proxy.CLOSED
    scene.agent.start(*SMALL)
    container.lines(10_000)
    read_all(scene, container)
    if kill:
        scene.agent.kill()
    scene.agent.pipeline("lines", endpoint=scene.service.url, more=PLAIN, rest=rest)
    if kill:
        scene.agent.start()
    container.lines(1000)
    scene.check(stage.contents(container))


@SOAK
def test_spool_that_is_full_blocks_and_loses_nothing(scene, container, between):
    scene.agent.pipeline("lines", more=PLAIN, rest=delivery("spool: {maxBytes: 1048576}"))
    between.mode = proxy.CLOSED
    scene.agent.start(*SMALL)
    container.lines(20_000)
    agent.until("it is full", lambda: scene.agent.metric(SPOOLED) > 400_000)
    assert scene.agent.metric(SPOOLED) <= 1048576 + 65536
    between.mode = proxy.PASS
    scene.check(stage.contents(container))


def test_oldest_gives_way_and_is_counted_to_the_byte(scene, container, between):
    rule = "spool: {maxBytes: 1048576, whenFull: DropOldest}"
    scene.agent.pipeline("lines", more=PLAIN, rest=delivery(rule))
    between.mode = proxy.CLOSED
    scene.agent.start(*SMALL)
    container.lines(30_000)
    read_all(scene, container)
    lost = 'loghub_agent_lost_bytes_total{pipeline="lines",reason="spool_full"}'
    agent.until("a loss", lambda: scene.agent.metric(lost) > 0)
    between.mode = proxy.PASS
    agent.until("all is sent", lambda: scene.agent.metric("loghub_agent_queue_bytes{") == 0)
    written, found = stage.contents(container), set(scene.arrivals.contents())
    missing = [text for text in written if text not in found]
    assert scene.agent.metric(lost) == sum(map(len, missing))
    assert set(written[-100:]) <= found, "the newest are there"
    # All but what was in flight are the oldest.
    assert max(map(written.index, missing)) < len(missing) + 500
    scene.check([text for text in written if text in found])


def test_rate_delays_and_loses_nothing(scene, container):
    scene.agent.pipeline("lines", rest=delivery("maxBytesPerSecond: 100000"))
    container.lines(5000)
    began = time.monotonic()
    scene.agent.start("--batch-logs", "100")
    agent.until("all", lambda: scene.agent.metric("loghub_agent_sent_lines_total{") == 5000)
    # The first second's worth is free.
    assert time.monotonic() - began > sum(map(len, stage.contents(container))) / 100_000 - 1
    assert scene.agent.metric("loghub_agent_throttled_seconds_total{") > 0.5
    scene.check(stage.contents(container))


def test_lines_of_one_pod_are_in_one_shard(scene):
    scene.agent.pipeline("lines", rest=delivery("shardBy: [_pod_name_]"))
    pods = [kubelet.Container(scene.agent.pods, f"pod-{number}") for number in range(8)]
    for each in pods:
        each.lines(500)
    scene.agent.start("--batch-logs", "50")
    scene.check(stage.contents(*pods))
    shards = [{log["content"].split()[0] for log in logs} for logs in asyncio.run(_by_shard(scene))]
    assert all(shards), "both shards have some"
    assert not set.intersection(*shards)


def test_records_with_one_value_of_a_field_are_in_one_shard_in_their_order(scene, container):
    users, numbers = [f"user-{number}" for number in range(40)], itertools.count()
    rest = "  parser: {json: {}}\n" + delivery("shardBy: [_namespace_, user]")
    scene.agent.pipeline("lines", rest=rest)

    def write(count):
        for number in itertools.islice(numbers, count):
            line = {"user": users[number % 40], "content": f"{number}"}
            container.raw(f"2026-01-02T03:04:05Z stdout F {json.dumps(line)}\n".encode())

    write(3000)
    scene.agent.start("--batch-logs", "400")
    agent.until("some", scene.arrivals.contents)
    scene.agent.kill()  # between the groups of one stretch, as likely as not
    write(3000)
    scene.agent.start()
    scene.check([str(number) for number in range(6000)], repeats=True)
    shards = asyncio.run(_by_shard(scene))
    found = [{log["user"] for log in logs} for logs in shards]
    assert all(found), "both shards have some"
    assert not set.intersection(*found)
    for user in users:
        [order] = [
            list(dict.fromkeys(int(log["content"]) for log in logs if log["user"] == user))
            for logs in shards
            if any(log["user"] == user for log in logs)
        ]
        assert order == sorted(order)


async def _by_shard(scene):
    """The records that each shard has."""
    found = []
    async with scene.service.client() as client:
        for shard in await client.list_shards(arrivals.PROJECT, scene.arrivals.logstore):
            place = (arrivals.PROJECT, scene.arrivals.logstore, int(shard["shardID"]))
            cursor = await client.get_cursor(*place, "begin")
            pulled = await client.pull_logs(*place, cursor, count=1000)
            logs = [log for group in pulled.groups for log in group.logs]
            found.append([dict(log.contents) for log in logs])
    return found


def test_deleted_files_beyond_the_bound_are_given_up_and_counted(scene, container, between):
    scene.agent.pipeline("lines", more=PLAIN)
    between.mode = proxy.CLOSED
    scene.agent.start(*SMALL, "--max-deleted-files", "2")
    held = "loghub_agent_open_deleted_files"
    lost = 'loghub_agent_lost_bytes_total{pipeline="lines",reason="deleted_file"}'
    sizes = []
    for number in range(4):
        container.lines(2000)
        # As many bytes as there are to read, beyond those that the queue takes.
        agent.until("it is read", lambda: scene.agent.metric(READ) > 0)
        time.sleep(0.5)  # until the agent has opened it
        sizes.append(container.path.stat().st_size)
        container.rotate(compress=False)
        for rotated in container.dir.glob("0.log.*"):
            rotated.unlink()
        count = min(number + 1, 2)
        agent.until("it is held", lambda: scene.agent.metric(held) == count)  # noqa: B023
    agent.until("two are given up", lambda: scene.agent.metric(lost) > sizes[1])
    between.mode = proxy.PASS
    line = len("2026-01-02T03:04:05.000000001Z stdout F ") + len(container.content(1)) + 1
    gone, rest = divmod(scene.agent.metric(lost), line)
    assert rest == 0
    left = container.written - int(gone)
    agent.until("all the others", lambda: len(scene.arrivals.contents()) >= left)
    found = set(scene.arrivals.contents())
    scene.check([text for text in stage.contents(container) if text in found])
    assert scene.last.arrived == left
