"""Where the harness keeps things: a cache that outlives clusters, a run directory that does not.

Neither lies in the work tree, so that a second clone uses the same cluster and the same binaries.
"""

import os
from pathlib import Path

HARNESS = Path(__file__).resolve().parent
"""This package; the Go tool modules lie below it."""

NAME = os.environ.get("LOGHUB_CLUSTER_NAME") or "loghub"
"""The local cluster's name. The harness' own tests run a second one, in a network namespace of its
own since addresses do not depend on the name, under another name."""

RUN = Path(f"/run/{NAME}-cluster")
"""All that belongs to the running local cluster. /run is a tmpfs on most machines: a reboot, which
ends the cluster's processes, takes their description away too."""


def cache() -> Path:
    """The cache directory, made if missing: $LOGHUB_CACHE, else ~/.cache/loghub."""
    path = Path(os.environ.get("LOGHUB_CACHE") or Path.home() / ".cache" / "loghub")
    path.mkdir(parents=True, exist_ok=True)
    return path


def images() -> Path:
    """OCI archives of built images, and the base they stand on."""
    path = cache() / "cluster" / "images"
    path.mkdir(parents=True, exist_ok=True)
    return path
