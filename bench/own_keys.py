"""How soon a pod's own key takes effect: a real API server, operator, agent and service.

python bench/own_keys.py [--pods N]; `make bench` calls it. A time runs from the creation of a pod,
whose container has written a line already, until that line can be pulled from its Logstore. Pods
come one by one, so each waits for its own report, opt-in, LogStore and LogConfig. There is no
kubelet: the program writes the pods' logs and what a runtime writes down.
"""

import argparse
import asyncio
import contextlib
import json
import pathlib
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import aiohttp
from operator_scale import SYSTEM, Api, Operator, Size, prepare, ready, until
from reporting import Row, report

from harness.control_plane import ControlPlane
from harness.ingest import ROOT_KEY, Service
from loghub_agent import runtime
from loghub_operator import kinds
from slswire import errors
from stage import service as arrivals
from stage import workloads

NAMESPACE: Final = "own-keys"
NODE: Final = "bench"
POLL_SECONDS: Final = 0.05

Annotate = Callable[[int], dict[str, str]]


@contextlib.contextmanager
def agent(plane: ControlPlane, home: pathlib.Path) -> Iterator[None]:
    """`loghub-agent run` for the node of this bench."""
    (home / "pods").mkdir()
    command = [sys.executable, "-m", "loghub_agent", "run", "--namespace", SYSTEM]
    command += ["--kubeconfig", str(plane.kubeconfig), "--node-name", NODE, "--pod-name", "agent"]
    command += ["--pods-dir", str(home / "pods"), "--state", str(home / "state")]
    command += ["--root", str(home / "root"), "--admin-listen", "off", "--log-level", "warning"]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


async def run_pod(api: Api, home: pathlib.Path, name: str, annotations: dict[str, str]) -> None:
    """Create a pod whose container runs and has written one line to its output and to a file."""
    pod = workloads.pod(name, NAMESPACE, [], annotations=annotations, node=NODE)
    volume = home / "root" / "volumes" / name
    volume.mkdir(parents=True)
    (volume / "app.log").write_text("a line\n")
    bundle = home / "root" / runtime.BUNDLES[0].format(id=name)
    bundle.mkdir(parents=True)
    mount = {"destination": "/app", "type": "bind", "source": f"/volumes/{name}"}
    config: dict[str, Any] = {"root": {"path": "rootfs"}, "mounts": [mount]}
    (bundle / "config.json").write_text(json.dumps(config))
    await api.create(kinds.POD, pod)
    path = kinds.POD.path(NAMESPACE, name)
    made = await api.call("GET", path)
    folder = home / "pods" / f"{NAMESPACE}_{name}_{made['metadata']['uid']}" / "app"
    folder.mkdir(parents=True)
    (folder / "0.log").write_text("2026-01-02T03:04:05.000000001Z stdout F a line\n")
    state = {"running": {"startedAt": "2026-01-02T03:04:05Z"}}
    about = {"image": "i", "imageID": "i", "ready": True, "restartCount": 0, "name": "app"}
    status = [about | {"containerID": f"containerd://{name}", "state": state}]
    body = {"status": {"phase": "Running", "containerStatuses": status}}
    await api.call("PATCH", f"{path}/status", body, "merge-patch+json")


async def held(service: Service, store: str) -> int:
    """How many lines a Logstore holds."""
    try:
        where = (NAMESPACE, store)
        return len(await arrivals.pull(service.url, ROOT_KEY, where, ("begin", "end")))
    except errors.SlsError as fault:
        if fault.code in {"LogStoreNotExist", "ProjectNotExist"}:
            return 0
        raise


async def series(
    bench: tuple[Api, Service, pathlib.Path], what: str, pods: int, annotate: Annotate
) -> list[Row]:
    """The rows of pods of one kind, one after the other."""
    api, service, home = bench
    took = []
    for number in range(pods):
        annotations = annotate(number)
        store = annotations["loghub.dev/logstore"]
        before = await held(service, store)
        started = time.monotonic()
        await run_pod(api, home, f"{what.split(maxsplit=1)[0]}-{number}", annotations)

        async def arrived(store: str = store, before: int = before) -> bool:
            return await held(service, store) > before

        await until("the line arrives", arrived, POLL_SECONDS)
        took.append(time.monotonic() - started)
    return [(f"{what}, median", "s", statistics.median(took)), (f"{what}, most", "s", max(took))]


async def measure(pods: int, plane: ControlPlane, service: Service, home: pathlib.Path) -> None:
    """Run everything, print the table."""
    context = ssl.create_default_context(cafile=str(plane.authority))
    context.load_cert_chain(plane.admin.certificate, plane.admin.key)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:
        api = Api(plane, session)
        await prepare(api, Size(0, 0, 0))
        await api.create(kinds.NAMESPACE, {"metadata": {"name": NAMESPACE}})
        account = {"metadata": {"name": "default", "namespace": NAMESPACE}}
        await api.create(kinds.SERVICE_ACCOUNT, account)
        project = workloads.project("app", NAMESPACE, projectName=NAMESPACE)
        await api.create(kinds.PROJECT, project)
        operator = Operator(plane, service.url, home / "operator.log")
        operator.start()
        try:

            async def is_ready() -> bool:
                return ready(await api.call("GET", kinds.PROJECT.path(NAMESPACE, "app")))

            await until("the project is ready", is_ready, 0.2)
            with agent(plane, home):
                rows = await kinds_of_pods((api, service, home), pods)
        finally:
            operator.kill()
    report("loghub-own-keys", f"{pods} pods of each kind, one by one", rows)


async def kinds_of_pods(bench: tuple[Api, Service, pathlib.Path], pods: int) -> list[Row]:
    """The rows of every kind."""
    new = await series(
        bench, "output into a new Logstore", pods, lambda n: {"loghub.dev/logstore": f"new-{n}"}
    )
    files = await series(
        bench,
        "files into a new Logstore",
        pods,
        lambda n: {
            "loghub.dev/logstore": f"files-{n}",
            "loghub.dev/stdout": "false",
            "loghub.dev/files": "/app/*.log",
        },
    )
    known = await series(
        bench, "known opt-in, another pod", pods, lambda _: {"loghub.dev/logstore": "new-0"}
    )
    return [*new, *files, *known]


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=10)
    pods = parser.parse_args().pods
    with (
        tempfile.TemporaryDirectory(prefix="loghub-bench-") as directory,
        ControlPlane() as plane,
    ):
        home = pathlib.Path(directory)
        service = Service(home / "service")
        service.start()
        try:
            asyncio.run(measure(pods, plane, service, home))
        finally:
            service.stop()


if __name__ == "__main__":
    main()
