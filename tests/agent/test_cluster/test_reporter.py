"""Writing the AgentReport: when, how often and in which form."""

import asyncio
import contextlib

import pytest

from loghub_agent.cluster import reporter


@pytest.fixture
def content():
    return {"node": "node-1", "errors": []}


@pytest.fixture
def report(client, content):
    return reporter.Reporter(
        client,
        namespace="loghub",
        node="node-1",
        pool=reporter.Pool("arm", "pool-uid"),
        compose=lambda: dict(content) if content else None,
    )


@pytest.fixture
async def running(report):
    task = asyncio.get_running_loop().create_task(report.run())
    yield report
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_report_is_applied_by_its_own_field_manager(faulty, report, content):
    await report.write()
    [(path, query, document)] = faulty.patches
    assert path == "/apis/loghub.dev/v1alpha1/namespaces/loghub/agentreports/node-1"
    assert query == {"fieldManager": "loghub-agent", "force": "true"}
    assert document == {
        "apiVersion": "loghub.dev/v1alpha1",
        "kind": "AgentReport",
        "metadata": {
            "name": "node-1",
            "namespace": "loghub",
            "labels": {"loghub.dev/pool": "arm"},
            "ownerReferences": [
                {
                    "apiVersion": "loghub.dev/v1alpha1",
                    "kind": "CollectionAgent",
                    "name": "arm",
                    "uid": "pool-uid",
                }
            ],
        },
        "report": content,
    }


async def test_unchanged_report_is_not_written_again(faulty, report, content):
    await report.write()
    await report.write()
    content["errors"] = ["x"]
    await report.write()
    assert len(faulty.patches) == 2


async def test_report_that_would_mislead_is_not_written(faulty, report, content):
    content.clear()
    await report.write()
    assert not faulty.patches


async def test_many_changes_are_at_most_one_write_a_second(faulty, running, content, until):
    loop = asyncio.get_running_loop()
    started = loop.time()
    for number in range(100):
        content["errors"] = [str(number)]
        running.poke()
    await until(lambda: faulty.patches)
    assert loop.time() - started >= reporter.LEAST_SECONDS
    assert [document["report"]["errors"] for _, _, document in faulty.patches] == [["99"]]


async def test_refused_write_is_tried_again(faulty, running, until):
    faulty.patch_statuses += [500]
    running.poke()
    await until(lambda: running.writes == 1)
    assert len(faulty.patches) == 2
