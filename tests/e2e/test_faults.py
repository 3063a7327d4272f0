"""Nothing is lost: rotation, kills of every program, an API server that is away.

Numbered lines flow while the fault happens and are counted at the end. A kill of the agent may
repeat what was sent and not yet acknowledged; nothing else may, and nothing may be missing.
"""

import time

import pytest

from stage import release, waiting, workloads
from stage.kubernetes import Cluster
from stage.service import Service
from test_collecting import COLLECTED, all_numbers, arrived, prepare, service_numbers

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(480)]

LINES = 4000
PAUSE = 0.01
"""Forty seconds of lines: every fault below happens in their midst."""


def start(cluster: Cluster, namespace: str, reader: Service, command: list[str]) -> str:
    """Start a counting pod; returns its node once its first lines have arrived."""
    prepare(cluster, namespace)
    cluster.apply(workloads.pod("counter", namespace, command, labels=COLLECTED))
    waiting.until("first lines", lambda: service_numbers(reader, namespace), seconds=60)
    return str(cluster.get("pod", "counter", namespace)["spec"]["nodeName"])


def test_log_rotated_many_times_while_lines_flow_loses_nothing(installed, namespace, service):
    # 24 MB of log: the kubelet rotates it over and over, and a new file gets a removed one's inode.
    script = (
        "import time\n"
        "for n in range(1, 60001):\n"
        "  print(f'{n} ' + 'x' * 390, flush=True)\n"
        "  n % 100 or time.sleep(0.05)\n"
    )
    prepare(installed, namespace)
    command = ["python3", "-c", script]
    installed.apply(workloads.pod("counter", namespace, command, labels=COLLECTED))

    def look() -> list[int]:
        found = [int(record.content.split()[0]) for record in arrived(service, namespace)]
        return found if len(found) >= 60000 else []

    found = waiting.until("60,000 lines", look, seconds=240, every=3)
    assert sorted(found) == list(range(1, 60001))
    node = installed.get("pod", "counter", namespace)["spec"]["nodeName"]
    pattern = f"/var/log/pods/{namespace}_counter_*/app"
    files = installed.on_node(node, "sh", "-c", f"ls {pattern}").split()
    assert len([name for name in files if ".log." in name]) >= 3


def test_agent_killed_in_mid_stream_loses_nothing(installed, namespace, service, record_property):
    node = start(installed, namespace, service, workloads.counting(1, LINES, PAUSE))
    assert installed.kill(node, "loghub_agent run") >= 1
    found = all_numbers(service, namespace, LINES, seconds=180)
    repeats = len(found) - len(set(found))
    record_property("repeated_lines", repeats)


def test_ingest_killed_in_mid_stream_loses_nothing(installed, namespace, service, record_property):
    start(installed, namespace, service, workloads.counting(1, LINES, PAUSE))
    pod = installed.get("pod", "loghub-ingest-0", release.NAMESPACE)
    assert installed.kill(pod["spec"]["nodeName"], "loghub_ingest serve") >= 1
    found = all_numbers(service, namespace, LINES, seconds=180)
    # A write may have been made durable without its answer reaching the agent.
    record_property("repeated_lines", len(found) - len(set(found)))


def test_operator_killed_changes_nothing_for_running_pods(installed, namespace, service):
    start(installed, namespace, service, workloads.counting(1, LINES, PAUSE))
    pods = installed.list(
        "pods", "-n", release.NAMESPACE, "-l", "app.kubernetes.io/component=operator"
    )
    assert installed.kill(pods[0]["spec"]["nodeName"], "loghub_operator run") >= 1
    found = all_numbers(service, namespace, LINES, seconds=180)
    # Two shards are read one after the other: the order is each shard's own.
    assert sorted(found) == list(range(1, LINES + 1))
    installed.apply(workloads.config("later", namespace, "lines"))
    installed.kubectl(
        "-n", namespace, "wait", "logconfig/later", "--for=condition=Ready", "--timeout=90s"
    )


def test_collection_goes_on_while_the_api_server_is_away(installed, namespace, service):
    start(installed, namespace, service, workloads.counting(1, 10000, PAUSE))
    installed.harness("apiserver", "stop")
    away = time.time()
    try:
        waiting.until("a minute is over", lambda: time.time() > away + 60, seconds=90, every=1)
    finally:
        back = time.time()
        installed.harness("apiserver", "start")
    # By the service's own clock: it took lines in while nobody could ask the API server anything.
    spans = [(away + at, away + at + 10) for at in (10, 20, 30, 40)]
    assert spans[-1][1] < back
    for begin, end in spans:
        assert service.received(
            "lines", project="app", namespace=namespace, within=(int(begin), int(end))
        )
    assert sorted(all_numbers(service, namespace, 10000, seconds=180)) == list(range(1, 10001))
