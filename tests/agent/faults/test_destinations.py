"""A service that is away, slow, throttling, half there or somebody else."""

import itertools
import time

import pytest

from rig import agent, arrivals, kubelet, proxy, stage

SOAK = pytest.mark.soak
MORE = (proxy.NONSENSE, proxy.BUSY, proxy.SLOW, proxy.SILENT)
"""Of these each takes a time-out, or shows what another one does."""


@pytest.fixture
def between(scene):
    running = proxy.Proxy(scene.service)
    scene.agent.endpoint = running.url
    scene.agent.pipeline("lines")
    yield running
    running.close()


@pytest.mark.parametrize(
    "mode",
    [
        proxy.CLOSED,
        proxy.FOREIGN,
        proxy.THROTTLED,
        proxy.WRONG_KEY,
        proxy.NO_STORE,
        proxy.BROKEN,
        proxy.BAD_GATEWAY,
        proxy.CLOCK,
        proxy.PARAMETER,
        proxy.FORBIDDEN,
        proxy.HALF_CLOSED,
        *(pytest.param(mode, marks=SOAK) for mode in MORE),
    ],
)
def test_records_outlast_a_bad_answer(scene, container, between, mode):
    between.mode = mode
    container.lines(3000)
    scene.agent.start()
    agent.until(
        "the fault", lambda: between.faults >= (1 if mode in {proxy.SLOW, proxy.SILENT} else 2)
    )
    container.lines(1000)
    between.mode = proxy.PASS
    scene.check(stage.contents(container))


def test_answer_that_is_cut_may_repeat_a_request_and_loses_nothing(scene, container, between):
    between.mode = proxy.CUT_ANSWER
    container.lines(1000)
    scene.agent.start()
    agent.until("the fault", lambda: between.faults >= 2)
    between.mode = proxy.PASS
    container.lines(1000)
    scene.check(stage.contents(container), repeats=True)


def test_body_that_is_refused_is_counted_and_holds_nothing_up(scene, container, between):
    between.mode = proxy.BAD_BODY
    container.lines(100)
    scene.agent.start()
    lost = 'loghub_agent_lost_bytes_total{pipeline="lines",reason="rejected"}'
    agent.until("the refusal", lambda: scene.agent.metric(lost) > 0)
    agent.until("all answered", lambda: scene.agent.metric("loghub_agent_queue_bytes{") == 0)
    between.mode = proxy.PASS
    refused = set(stage.contents(container))
    container.lines(1000)
    rest = [content for content in stage.contents(container) if content not in refused]
    scene.check(rest)


def test_far_service_has_several_requests_under_way(scene, between):
    between.mode = proxy.TOGETHER  # one request at a time would wait for ever
    pods = [kubelet.Container(scene.agent.pods, f"far-{number}") for number in range(5)]
    for each in pods:
        each.lines(1000)
    scene.agent.start("--batch-logs", "100")
    scene.check(stage.contents(*pods))


def test_backlog_of_a_container_arrives_in_the_order_of_writing(scene, container, between):
    between.mode = proxy.CLOSED
    container.lines(5000)
    scene.agent.start("--batch-logs", "100")
    agent.until("the fault", lambda: between.faults >= 1)
    between.mode = proxy.PASS
    scene.check(stage.contents(container))
    # Read anew, shard by shard: within each of the two the numbers rise.
    anew = arrivals.Arrivals(scene.service, scene.arrivals.logstore)
    order = [int(text.split()[1]) for text in anew.contents()]
    assert sum(after < before for before, after in itertools.pairwise(order)) <= 1


def test_new_endpoint_takes_what_waits_for_one_that_is_gone(scene, container, between):
    between.mode = proxy.CLOSED
    container.lines(3000)
    scene.agent.start("--batch-logs", "100")
    agent.until("the fault", lambda: between.faults >= 2)
    scene.agent.pipeline("lines", endpoint=scene.service.url)
    container.lines(1000)
    scene.check(stage.contents(container))


@SOAK
@pytest.mark.timeout(600)
def test_half_a_million_records_while_the_service_is_away_stay_in_their_files(
    scene, container, between
):
    between.mode = proxy.CLOSED
    scene.agent.start()
    for _ in range(50):
        container.lines(10_000)
        time.sleep(0.3)
        assert scene.agent.alive()
    between.mode = proxy.PASS
    scene.check(stage.contents(container))
    assert scene.agent.peak_kib < 100 * 1024, "what waits is not held in memory"


def test_pod_deleted_while_the_service_is_away_loses_nothing(scene, container, between):
    between.mode = proxy.CLOSED
    container.lines(1000)
    scene.agent.start()
    agent.until("the fault", lambda: between.faults >= 1)
    container.lines(3000)
    agent.until("all is read", lambda: scene.agent.metric("loghub_agent_read_lines_total{") == 4000)
    container.delete()
    between.mode = proxy.PASS
    scene.check(stage.contents(container))


def test_dead_destination_delays_no_other_one(scene, container, between):
    between.mode = proxy.CLOSED
    rest = "  select: {namespaces: [elsewhere]}\n  input: {stdout: {}}\n"
    scene.agent.pipeline("dead", endpoint=between.url, rest=rest)
    scene.agent.pipeline(
        "lines", endpoint=scene.service.url, rest=rest.replace("elsewhere", "shop")
    )
    other = kubelet.Container(scene.agent.pods, "other", namespace="elsewhere", width=400)
    other.lines(30000)  # more than its queue takes
    scene.agent.start()
    agent.until("the fault", lambda: between.faults >= 1)
    container.lines(1000)
    scene.check(stage.contents(container), at_end=False)
    between.mode = proxy.PASS
    scene.check(stage.contents(container, other))


@pytest.mark.parametrize("compression", ["ZSTD", pytest.param("None", marks=SOAK)])
def test_every_compression_is_understood_by_the_service(scene, container, compression):
    scene.agent.pipeline("lines", more=f"    compression: {compression}\n")
    container.lines(5000)
    scene.agent.start()
    scene.check(stage.contents(container))
