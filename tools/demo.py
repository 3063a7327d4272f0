"""`make demo`: from nothing to the lines of a small shop, each step timed.

Cluster, images, `helm install`, `kubectl apply -f examples/quickstart`, and the lines come out
through `kubectl loghub`. Run again, it finds what is there and is quick.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator

import images

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAMESPACE = "loghub-system"
LINES_SECONDS = 120
"""From the shop's start to its first line in the service; a healthy run needs a few seconds."""


class FailedError(Exception):
    """A step did not work; the sentence says which and where to look."""


_times: list[tuple[str, float]] = []


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Says what is being done, then how long it took."""
    print(f"\n\033[1m==> {title}\033[0m", flush=True)
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    _times.append((title, took))
    print(f"    done in {took:.1f} s", flush=True)


def run(*command: str, quiet: bool = False) -> str:
    """Run a command; its output is shown, or returned when quiet."""
    done = subprocess.run(
        command, cwd=ROOT, text=True, check=False, capture_output=quiet, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        words = (done.stderr or "").strip()
        raise FailedError(f"`{' '.join(command[:4])} ...` ended with {done.returncode}. {words}")
    return done.stdout or ""


def harness(*arguments: str) -> str:
    """What a command of the cluster harness prints."""
    return run(sys.executable, "-m", "harness", *arguments, quiet=True).strip()


def install() -> None:
    """Install the chart, or bring an existing release to this state."""
    helm, kubectl = harness("tool", "helm"), harness("tool", "kubectl")
    known = ("get", "crd", "logconfigs.loghub.dev", "--ignore-not-found")
    if run(kubectl, *known, quiet=True).strip():
        # Helm installs a chart's crds/ once, never upgrades them, and leaves them at an uninstall.
        run(
            kubectl,
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=helm",
            "-f",
            "crds/",
        )
    run(
        helm,
        "upgrade",
        "--install",
        "loghub",
        "charts/loghub",
        "--namespace",
        NAMESPACE,
        "--create-namespace",
        "--set",
        f"image.tag={images.tag()}",
        "--wait",
        "--timeout",
        "5m",
        "--hide-notes",
    )
    run(kubectl, "-n", NAMESPACE, "get", "pods", "-o", "wide")


def shop() -> None:
    """Apply the example and wait until it runs."""
    kubectl = harness("tool", "kubectl")
    run(kubectl, "apply", "-f", "examples/quickstart")
    for name in ("web", "orders", "payments"):
        run(kubectl, "-n", "shop", "rollout", "status", f"deployment/{name}", "--timeout=3m")


def lines(store: str, query: str = "*", limit: int = 6) -> None:
    """Print the newest lines of a store as soon as there are some."""
    command = [
        sys.executable,
        "-m",
        "loghub_cli",
        "logs",
        store,
        "-n",
        "shop",
        "--query",
        query,
        "--limit",
        str(limit),
        "--since",
        "10m",
    ]
    print(f"    $ kubectl loghub logs {store} -n shop --query '{query}' --limit {limit}")
    deadline = time.monotonic() + LINES_SECONDS
    while True:
        done = subprocess.run(command, cwd=ROOT, text=True, check=False, capture_output=True)
        if done.returncode == 0 and done.stdout:
            print(done.stdout, flush=True)
            return
        if time.monotonic() > deadline:
            raise FailedError(f"no line of {store} after {LINES_SECONDS} s. {done.stderr}")
        time.sleep(0.5)


def tail(seconds: float) -> None:
    """Follow a store for a moment."""
    print("    $ kubectl loghub tail access -n shop", flush=True)
    command = [sys.executable, "-m", "loghub_cli", "tail", "access", "-n", "shop", "--since", "5s"]
    following = subprocess.Popen(command, cwd=ROOT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        following.wait(seconds)
    following.terminate()
    following.wait()


def next_steps() -> None:
    """What a newcomer can type now."""
    kubectl = pathlib.Path(harness("tool", "kubectl"))
    report = json.loads(
        run(str(kubectl), "get", "logconfigs", "-n", "shop", "-o", "json", quiet=True)
    )
    count = len(report["items"])
    print(f"\n\033[1mEverything runs: {count} LogConfigs in namespace shop.\033[0m Times:")
    for title, took in _times:
        print(f"  {took:6.1f} s  {title}")
    print(f"""
Try next:
  export KUBECONFIG={os.environ["KUBECONFIG"]} PATH={ROOT}/.venv/bin:{kubectl.parent}:$PATH
  kubectl loghub tail apps -n shop
  kubectl loghub logs apps -n shop --query 'declined' --limit 3
  kubectl loghub status; kubectl loghub console
  kubectl get logprojects,logstores,logconfigs -A
  kubectl -n shop annotate deployment/web note=yours; kubectl -n shop edit logconfig orders
  make down      removes the cluster and everything in it""")


def main() -> int:
    """The demo, step by step."""
    try:
        with step("A Kubernetes cluster"):
            run(sys.executable, "-m", "harness", "up")
            os.environ["KUBECONFIG"] = harness("kubeconfig")
            path = os.environ["PATH"]
            os.environ["PATH"] = f"{pathlib.Path(harness('tool', 'kubectl')).parent}:{path}"
        with step("Images: operator, agent, ingest"):
            images.build(images.PROGRAMS)
        with step(f"helm install loghub charts/loghub --namespace {NAMESPACE}"):
            install()
        with step("kubectl apply -f examples/quickstart"):
            shop()
        with step("The shop's lines, read back from the service"):
            lines("access")
            lines("apps", "order")
            lines("apps", "declined", limit=2)
        with step("The same, live"):
            tail(4)
        next_steps()
    except FailedError as fault:
        print(f"\nmake demo: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
