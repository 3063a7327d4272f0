"""The probes say what hangs, and the metrics have names that a dashboard can rely on."""

import asyncio

import aiohttp
import pytest

from harness.ports import free_port
from loghub_operator import admin, measuring, queueing


@pytest.fixture
async def probes():
    """The admin port of a process whose state can be chosen."""
    state = {"ready": True, "stuck": []}
    port = free_port()
    running = await admin.serve(
        "127.0.0.1", port, ready=lambda: state["ready"], stuck=lambda: state["stuck"]
    )
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def ask(path: str) -> tuple[int, str]:
            async with session.get(path) as answer:
                return answer.status, await answer.text()

        yield state, ask
    await running.cleanup()


async def test_probe_of_life_fails_with_the_sentences_of_what_hangs(probes):
    state, ask = probes
    assert await ask("/healthz") == (200, "ok\n")
    state["stuck"] = ["the watch of pods has been silent for 300 s"]
    assert await ask("/healthz") == (503, "the watch of pods has been silent for 300 s\n")


async def test_probe_of_readiness_waits_for_the_world_to_be_known(probes):
    state, ask = probes
    state["ready"] = False
    assert (await ask("/readyz"))[0] == 503


def test_watch_is_silent_only_after_a_while_and_until_it_speaks():
    now = [0.0]
    watches = measuring.Watches(lambda: now[0])
    watches.hear("logconfigs")
    now[0] = measuring.SILENT_SECONDS
    assert list(watches.silent()) == []
    now[0] += 1
    assert list(watches.silent()) == ["the watch of logconfigs has been silent for 241 s"]
    watches.hear("logconfigs")
    assert list(watches.silent()) == []


async def test_key_that_hangs_is_the_longest_one():
    started, gate = asyncio.Event(), asyncio.Event()

    async def work(_key: queueing.Key) -> None:
        started.set()
        await gate.wait()

    queue = queueing.Queue(work)
    queue.add(("stores", "shop", "web"))
    working = asyncio.create_task(queue.run())
    await started.wait()
    found = queue.longest()
    assert found is not None
    assert found[0] == ("stores", "shop", "web")
    gate.set()
    working.cancel()


@pytest.mark.apiserver
async def test_running_operator_tells_of_its_watches_and_requests(operator):
    async with aiohttp.ClientSession(f"http://127.0.0.1:{operator.admin}") as session:

        async def metrics() -> str:
            try:
                async with session.get("/metrics") as answer:
                    return await answer.text()
            except aiohttp.ClientConnectorError:
                return ""  # it is just starting

        text = ""
        wanted = (
            'loghub_operator_watch_age_seconds{kind="clusterlogconfigs"}',
            'loghub_operator_api_requests_total{method="GET",status="200"}',
            "loghub_operator_loop_lag_seconds",
            "loghub_operator_leading 1.0",
        )
        for _ in range(600):
            text = await metrics()
            if all(each in text for each in wanted):
                break
            await asyncio.sleep(0.1)
        assert [each for each in wanted if each not in text] == []
        async with session.get("/healthz") as answer:
            assert answer.status == 200
