"""Faults together: pods log and end while every program is killed, replaced and cut off at random.

Each fault alone is in `test_faults`; this is for what only shows when one meets the next: an agent
that is killed while the service starts, a config that changes while the API server is away. Every
pod's lines are numbered and must all be there at the end. `LOGHUB_SOAK` makes it that many times
as long; the seed is in the log of a failure, and `LOGHUB_SEED` repeats it.
"""

import collections
import logging
import os
import random
import time
from collections.abc import Callable
from typing import Final

import pytest

from stage import release, waiting, workloads
from stage.kubernetes import Cluster
from stage.service import Service, numbers
from test_collecting import COLLECTED, arrived, prepare

_log = logging.getLogger(__name__)

SECONDS: Final = 75 * max(1, int(os.environ.get("LOGHUB_SOAK", "1")))
PAUSE: Final = 0.02
BURST: Final = 1000
"""Lines of each pod that comes and ends in between, as fast as it can."""
SETTLE_SECONDS: Final = 300
"""A container that was killed a few times is held back by the kubelet for minutes."""

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(SECONDS + 600)]


class Storm:
    """One random history of faults."""

    def __init__(self, cluster: Cluster, namespace: str, seed: int) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._random = random.Random(seed)  # noqa: S311
        self._nodes = [each["metadata"]["name"] for each in cluster.list("nodes")]
        self._rounds = 0
        self.happened: collections.Counter[str] = collections.Counter()

    def strike(self) -> None:
        """One fault, and seconds in which the next may meet what it left."""
        faults: list[Callable[[], None]] = [
            self.agent_killed,
            self.agent_replaced,
            self.ingest_killed,
            self.ingest_replaced,
            self.operator_killed,
            self.api_server_away,
            self.config_changed,
        ]
        fault = self._random.choice(faults)
        fault()
        self.happened[fault.__name__.replace("_", " ")] += 1
        time.sleep(self._random.uniform(0, 6))

    def agent_killed(self) -> None:
        self._cluster.kill(self._random.choice(self._nodes), "loghub_agent run")

    def ingest_killed(self) -> None:
        for node in self._nodes:
            self._cluster.kill(node, "loghub_ingest serve")

    def operator_killed(self) -> None:
        for node in self._nodes:
            self._cluster.kill(node, "loghub_operator run")

    def agent_replaced(self) -> None:
        self._replace("agent")

    def ingest_replaced(self) -> None:
        self._replace("ingest")

    def api_server_away(self) -> None:
        self._cluster.harness("apiserver", "stop")
        try:
            time.sleep(self._random.uniform(1, 8))
        finally:
            self._cluster.harness("apiserver", "start")

    def config_changed(self) -> None:
        self._rounds += 1
        spec = {"selector": {"podLabels": {"matchLabels": COLLECTED}}}
        tags = {"static": {"round": str(self._rounds)}}
        self._cluster.apply(workloads.config("lines", self._namespace, "lines", **spec, tags=tags))

    def _replace(self, component: str) -> None:
        label = f"app.kubernetes.io/component={component}"
        where = ("pods", "-n", release.NAMESPACE, "-l", label)
        # Whoever was replaced a moment ago may have no successor yet.
        pods = waiting.until(f"a pod of {component}", lambda: self._cluster.list(*where))
        name = self._random.choice(pods)["metadata"]["name"]
        self._cluster.kubectl("-n", release.NAMESPACE, "delete", "pod", name, "--wait=false")


def test_faults_that_meet_lose_nothing(installed, namespace, service, record_property):
    seed = int(os.environ.get("LOGHUB_SEED", str(time.time_ns() % 10**6)))
    _log.info("LOGHUB_SEED=%d", seed)
    storm = Storm(installed, namespace, seed)
    prepare(installed, namespace)
    written = {}
    for node in ("node-1", "node-2"):
        written[f"steady-{node}"] = int(SECONDS / PAUSE)
        command = workloads.counting(1, written[f"steady-{node}"], PAUSE)
        steady = workloads.pod(f"steady-{node}", namespace, command, labels=COLLECTED, node=node)
        installed.apply(steady)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        name = f"burst-{len(written)}"
        command = workloads.counting(1, BURST)
        installed.apply(workloads.pod(name, namespace, command, labels=COLLECTED))
        written[name] = BURST
        storm.strike()
    waiting.until("all pods have ended", lambda: ended(installed, namespace), seconds=300, every=2)
    told = {**storm.happened, "lines written": sum(written.values())}
    _log.info("what happened: %s", told)
    repeated = all_arrived(service, namespace, written)
    record_property("storm", f"seed {seed}: {told}, repeated {repeated}")


def ended(cluster: Cluster, namespace: str) -> bool:
    """Whether each pod has come to its end; none may have failed."""
    phases = {each["status"].get("phase") for each in cluster.list("pods", "-n", namespace)}
    assert "Failed" not in phases
    return phases == {"Succeeded"}


def all_arrived(service: Service, namespace: str, written: dict[str, int]) -> int:
    """Wait for every line of every pod; returns how many came twice."""

    def missing() -> dict[str, list[int]]:
        found = collections.defaultdict(list)
        for record in arrived(service, namespace):
            found[record.pod].append(record)
        gaps = {
            pod: sorted(set(range(1, last + 1)) - set(numbers(found[pod])))
            for pod, last in written.items()
        }
        return {pod: gap for pod, gap in gaps.items() if gap}

    deadline = time.monotonic() + SETTLE_SECONDS
    while gaps := missing():
        if time.monotonic() > deadline:
            told = {pod: f"{len(gap)}: {gap[0]}..{gap[-1]}" for pod, gap in gaps.items()}
            raise AssertionError(f"lines are missing: {told}")
        time.sleep(3)
    return len(numbers(arrived(service, namespace))) - sum(written.values())
