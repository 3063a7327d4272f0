"""Builders for the agent's tests: each gives a plain good object and takes what shall differ."""

import asyncio
import copy
import json
import threading
import time

import pytest

from loghub_agent import pods
from loghub_agent.config import plan

SPEC = {
    "version": 1,
    "destination": {
        "endpoint": "http://loghub-ingest",
        "project": "shop-project",
        "logstore": "orders",
        "region": "loghub",
        "credentialsSecret": "key",
    },
    "input": {"stdout": {"streams": ["Stdout", "Stderr"]}},
}


def _make_spec(**changes):
    spec = copy.deepcopy(SPEC)
    spec["destination"] |= changes.pop("destination", {})
    return spec | changes


@pytest.fixture(scope="session")
def make_spec():
    """A LogPipeline spec that selects everything."""
    return _make_spec


@pytest.fixture(scope="session")
def make_pipeline():
    def make(name="orders", generation=1, **changes):
        return plan.resolve(
            _make_spec(**changes), name=name, namespace="loghub", generation=generation
        )

    return make


@pytest.fixture(scope="session")
def make_pod():
    def make(name="orders-1", namespace="shop", **changes):
        values = {
            "uid": f"uid-of-{namespace}-{name}",
            "log_uid": f"uid-of-{namespace}-{name}",
            "namespace": namespace,
            "name": name,
            "node": "node-1",
            "ip": "10.1.2.3",
            "labels": {},
            "annotations": {},
            "containers": (pods.Container("app", "shop.local/app:1"),),
        }
        return pods.Pod(**(values | changes))

    return make


@pytest.fixture(scope="session")
def make_pod_object():
    """A pod as the API server sends it."""

    def make(name="orders-1", namespace="shop", node="node-1", **metadata):
        return {
            "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", **metadata},
            "spec": {
                "nodeName": node,
                "containers": [{"name": "app", "image": "shop.local/app:1"}],
            },
            "status": {"phase": "Running", "podIP": "10.1.2.3"},
        }

    return make


class RecordingCore:
    """The core's side of the contract without files: remembers plans, refuses what it is told to.

    For situations that the compiled core cannot be made to show at will; where lines have to move,
    the tests use the compiled one.
    """

    def __init__(self):
        self.plans = []
        self.keys = {}
        self.refuses = {}  # destination logstore -> sentence
        self.drained = set()
        self.last_errors = {}
        self.fails_with = None
        self.is_idle = True
        self.calls = []
        self.applied = threading.Event()

    def apply(self, text):
        if self.fails_with is not None:
            raise self.fails_with
        document = json.loads(text)
        self.plans.append(document)
        self.applied.set()
        failed = {}
        for pipeline in document["pipelines"]:
            sentence = self.refuses.get(pipeline["destination"]["logstore"])
            if sentence:
                failed[pipeline["name"]] = sentence
        return json.dumps({"failed": failed})

    def set_credentials(self, name, key_id, secret, _trust):
        self.keys[name] = (key_id, secret)

    def remove_credentials(self, name):
        del self.keys[name]

    def stats(self):
        pipelines, sources = {}, {}
        for pipeline in self.plans[-1]["pipelines"] if self.plans else []:
            name = pipeline["name"]
            pipelines[name] = {
                "readBytes": 10, "readLines": 1, "sentBytes": 9, "sentLines": 1,
                "parseErrors": {"no_match": 4}, "droppedLines": {"filter": 6},
                "sentRequests": 1, "retries": 2, "lostFiles": 0, "lost": {"rotated": 5},
                "lagSeconds": 0.5, "queueBytes": 3, "spoolBytes": 0,
                "throttledSeconds": 0, "lastError": self.last_errors.get(name, ""),
            }  # fmt: skip
            for source in pipeline["sources"]:
                drained = source["ended"] and source["id"] in self.drained
                state = "Drained" if drained else "Reading"
                sources[f"{name}\0{source['id']}"] = {"state": state, "lines": 1, "files": 1}
        return json.dumps(
            {
                "pipelines": pipelines,
                "sources": sources,
                "openDeletedFiles": 0,
                "checkpointWrites": 1,
            }
        )

    def idle(self):
        return self.is_idle

    def drain(self, timeout_seconds):
        self.calls.append("drain")
        return True

    def close(self):
        self.calls.append("close")

    def sources(self, pipeline="orders"):
        """The sources of a pipeline in the last plan, by id."""
        found = [entry for entry in self.plans[-1]["pipelines"] if entry["name"] == pipeline]
        return {source["id"]: source for entry in found for source in entry["sources"]}


@pytest.fixture
def recording_core():
    return RecordingCore()


async def _until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)


@pytest.fixture(scope="session")
def until():
    """Wait for a condition, with a deadline."""
    return _until
