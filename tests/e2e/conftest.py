"""Fixtures of the end-to-end tests: the cluster, the release in it, a namespace per test."""

import os
import re
import uuid
from collections.abc import Iterator

import pytest

from stage import release, workloads
from stage.kubernetes import Cluster
from stage.service import Service


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster that `make cluster` brought up."""
    return Cluster()


@pytest.fixture(scope="session")
def installed(cluster: Cluster) -> Cluster:
    """The cluster with the chart installed and agents ready on every node."""
    release.install(cluster)
    return cluster


@pytest.fixture(scope="session")
def service(installed: Cluster) -> Service:
    """The bundled service of the release."""
    return Service(installed, release.NAMESPACE)


@pytest.fixture
def namespace(request: pytest.FixtureRequest, installed: Cluster) -> Iterator[str]:
    """A namespace of this test alone; it goes with everything in it."""
    stem = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))[:40].strip(
        "-"
    )
    name = f"{stem}-{uuid.uuid4().hex[:5]}"
    installed.add_namespace(workloads.namespace(name))
    yield name
    if not os.environ.get("LOGHUB_KEEP"):
        installed.kubectl("delete", "namespace", name, "--wait=false")
