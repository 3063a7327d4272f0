"""The chart, installed as a user would: `helm install` with the images of this work tree."""

import functools
import subprocess
import sys

from stage import waiting
from stage.kubernetes import ROOT, Cluster

NAMESPACE = "loghub-system"


@functools.cache
def image_tag() -> str:
    """The tag of the images that `tools/images.py` built from this work tree."""
    command = [sys.executable, "tools/images.py", "tag"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def install(cluster: Cluster, *settings: str) -> None:
    """Install or upgrade the release and wait until it is ready; `settings` are `--set` pairs."""
    if cluster.kubectl("get", "crd", "logconfigs.loghub.dev", "--ignore-not-found"):
        # Helm installs a chart's crds/ once, never upgrades them, and leaves them at an uninstall.
        options = ("--server-side", "--force-conflicts", "--field-manager=helm")
        cluster.kubectl("apply", *options, "-f", "crds/")
    arguments = [f"--set={pair}" for pair in (f"image.tag={image_tag()}", *settings)]
    cluster.helm(
        "upgrade",
        "--install",
        "loghub",
        "charts/loghub",
        "-n",
        NAMESPACE,
        "--create-namespace",
        *arguments,
        "--wait",
        "--timeout=5m",
    )
    waiting.until("agents are ready on every node", lambda: agents_ready(cluster), seconds=180)


def agents_ready(cluster: Cluster) -> bool:
    """Every node has a ready agent of the current revision."""
    found = cluster.get("daemonset", "loghub-agent-default", NAMESPACE)
    if found is None:
        return False
    status, wanted = found.get("status", {}), found.get("status", {}).get("desiredNumberScheduled")
    settled = status.get("observedGeneration") == found["metadata"]["generation"]
    counts = (status.get("numberReady"), status.get("updatedNumberScheduled"))
    return settled and bool(wanted) and counts == (wanted, wanted)


def uninstall(cluster: Cluster) -> None:
    """Remove the release, waiting for what Helm waits for."""
    cluster.helm("uninstall", "loghub", "-n", NAMESPACE, "--wait", "--timeout=3m")
