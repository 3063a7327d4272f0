"""What the operator costs at scale: a real API server and etcd, the real service, fabricated nodes.

python bench/operator_scale.py [--stores N] [--configs N] [--nodes N]; `make bench` calls it small.
Nodes are AgentReports, each of 30 pods, as agents would write them: all that the operator sees of
a node or a pod. Everything runs on the one machine, so times hold the API server's and the
service's work too; CPU and memory are the operator process's own.
"""

import argparse
import asyncio
import base64
import dataclasses
import os
import pathlib
import random
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import aiohttp
from reporting import Row, report

from harness.control_plane import ControlPlane
from harness.ingest import ROOT_KEY, Service
from harness.ports import free_port
from loghub_operator import compiling, kinds
from loghub_operator.resources import crds
from stage import workloads

SYSTEM: Final = "loghub-system"
STORES_PER_PROJECT: Final = 20
PODS_PER_NODE: Final = 30
PARALLEL: Final = 24
REST_SECONDS: Final = 60.0
CHANGES: Final = 10
PATIENCE_SECONDS: Final = 1800.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

Object = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Size:
    """How much there is."""

    stores: int
    configs: int
    nodes: int

    def namespace(self, store: int) -> str:
        """Where the project of a store is."""
        return f"tenant-{store // STORES_PER_PROJECT}"

    def config(self, number: int) -> tuple[str, str]:
        """Namespace and name of a config."""
        return self.namespace(number % self.stores), f"config-{number}"


class Api:
    """The API server, as its administrator."""

    def __init__(self, plane: ControlPlane, session: aiohttp.ClientSession) -> None:
        self._url, self._session = plane.url, session

    async def call(
        self, method: str, path: str, body: Object | None = None, kind: str = "json"
    ) -> Any:
        sent = {"Content-Type": f"application/{kind}"}
        async with self._session.request(
            method, self._url + path, json=body, headers=sent
        ) as answer:
            assert answer.status < 300, f"{method} {path}: {await answer.text()}"
            return await answer.json()

    async def create(self, kind: kinds.Kind, found: Object) -> None:
        body = {"apiVersion": kind.api_version, "kind": kind.name, **found}
        await self.call("POST", kind.path(found["metadata"].get("namespace", "")), body)

    async def apply(self, kind: kinds.Kind, found: Object) -> None:
        metadata = found["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        body = {"apiVersion": kind.api_version, "kind": kind.name, **found}
        query = "?fieldManager=bench&force=true"
        await self.call("PATCH", path + query, body, "apply-patch+yaml")

    async def list(self, kind: kinds.Kind) -> list[Object]:
        found, token = [], ""
        while True:
            page = await self.call("GET", f"{kind.path()}?limit=500&continue={token}")
            found += page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return found


async def at_once(work: Iterable[Awaitable[Any]]) -> None:
    """Await all, some at a time."""
    gate = asyncio.Semaphore(PARALLEL)

    async def one(each: Awaitable[Any]) -> None:
        async with gate:
            await each

    await asyncio.gather(*(one(each) for each in work))


class Operator:
    """`loghub-operator run`, measured from outside."""

    def __init__(self, plane: ControlPlane, endpoint: str, log: pathlib.Path) -> None:
        self._admin = free_port()
        self.command = [sys.executable, "-m", "loghub_operator", "run", "--namespace", SYSTEM]
        self.command += ["--kubeconfig", str(plane.kubeconfig), "--ingest-endpoint", endpoint]
        self.command += ["--agent-image", "agent:1", "--log-level", "warning"]
        self.command += ["--admin-listen", f"127.0.0.1:{self._admin}"]
        self._log = log

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stderr=log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def cpu(self) -> float:
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
        fields = stat.split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self, which: str) -> float:
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(which + ":"):
                return int(line.split()[1]) / 1024
        return 0.0

    def metric(self, start: str, *, without: str = "\0") -> float:
        """The sum of the samples whose line begins so; 0 while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._admin}/metrics") as page:
                text = page.read().decode()
        except OSError:
            return 0.0
        lines = (line for line in text.splitlines() if line.startswith(start))
        return sum(float(line.split()[-1]) for line in lines if without not in line)

    def requests(self) -> float:
        return self.metric("loghub_operator_api_requests_total{")

    def writes(self) -> float:
        return self.metric("loghub_operator_api_requests_total{", without='method="GET"')


async def until(what: str, look: Callable[[], Awaitable[bool]], every: float) -> float:
    """Seconds until it holds."""
    started = time.monotonic()
    while not await look():
        assert time.monotonic() - started < PATIENCE_SECONDS, what
        await asyncio.sleep(every)
    return time.monotonic() - started


def ready(found: Object) -> bool:
    """Whether an object is ready."""
    said = found.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in said)


async def prepare(api: Api, size: Size) -> None:
    """The definitions and everything that users and agents would have written."""
    for kind in crds.KINDS:
        await api.call("POST", DEFINITIONS, crds.definition(kind))
    for kind in (kinds.PROJECT, kinds.STORE, kinds.CONFIG, kinds.REPORT, kinds.PIPELINE):

        async def served(kind: kinds.Kind = kind) -> bool:
            try:
                await api.list(kind)
            except AssertionError:
                return False
            return True

        await until(f"{kind.plural} are served", served, 0.2)
    spaces = [f"tenant-{number}" for number in range(-(-size.stores // STORES_PER_PROJECT))]
    for name in (SYSTEM, *spaces):
        await api.create(kinds.NAMESPACE, {"metadata": {"name": name}})
    owner = {"metadata": {"name": "loghub-operator", "namespace": SYSTEM}}
    await api.create(kinds.SERVICE_ACCOUNT, owner)
    halves = {"accessKeyId": ROOT_KEY.access_key_id, "accessKeySecret": ROOT_KEY.access_key_secret}
    data = {key: base64.b64encode(text.encode()).decode() for key, text in halves.items()}
    root = {"metadata": {"name": "loghub-root", "namespace": SYSTEM}, "data": data}
    await api.create(kinds.SECRET, root)
    await at_once(
        api.create(kinds.PROJECT, workloads.project("app", name, projectName=f"bench-{name}"))
        for name in spaces
    )
    await at_once(
        api.create(kinds.STORE, workloads.store(f"store-{number}", size.namespace(number), "app"))
        for number in range(size.stores)
    )
    await at_once(api.create(kinds.CONFIG, config(size, number)) for number in range(size.configs))
    await at_once(api.create(kinds.REPORT, node(number, 0, [], 0)) for number in range(size.nodes))


def config(size: Size, number: int, **more: object) -> Object:
    """A LogConfig, with a parser as most have one."""
    namespace, name = size.config(number)
    labels = {"podLabels": {"matchLabels": {"app": name}}}
    parser = {"regex": {"pattern": r"(\S+) (\S+) (.*)", "keys": ["time", "level", "text"]}}
    store = f"store-{number % size.stores}"
    return workloads.config(name, namespace, store, selector=labels, parser=parser, **more)


def node(number: int, version: int, taken: list[tuple[str, str]], pods: int) -> Object:
    """An agent's report: it has taken everything up to a version, and `taken` takes its pods."""
    entries = [
        {
            "name": compiling.pipeline_name(*place),
            "generation": 1,
            "originGeneration": 1,
            "state": "Applied",
            "message": "",
            "pods": pods,
            "containers": pods,
            "samplePods": [f"{place[0]}/{place[1]}-{number}"],
            "lines": 1200,
            "bytes": 150000,
            "lastLogTime": "2026-01-01T00:00:00Z",
        }
        for place in taken
    ]
    about = {"version": "0", "pod": f"agent-{number}", "pool": "default", "startedAt": ""}
    said = {"node": f"node-{number}", "agent": about, "pipelinesVersion": str(version)}
    said |= {"applied": 0, "pipelines": entries, "optIns": [], "problems": [], "errors": []}
    return {"metadata": {"name": f"node-{number}", "namespace": SYSTEM}, "report": said}


class Fleet:
    """The nodes, which all take up what is there."""

    def __init__(self, api: Api, size: Size) -> None:
        self._api, self._size = api, size
        dice = random.Random(7)
        every = [size.config(number) for number in range(size.configs)]
        most = min(PODS_PER_NODE, len(every))
        self._taken = [dice.sample(every, most) for _ in range(size.nodes)]

    async def report(self, pods: int) -> None:
        found = await self._api.list(kinds.PIPELINE)
        version = max(int(each["metadata"]["resourceVersion"]) for each in found)
        await at_once(
            self._api.apply(kinds.REPORT, node(number, version, taken, pods))
            for number, taken in enumerate(self._taken)
        )


async def settled(operator: Operator) -> float:
    """Seconds until nothing was written for 5 s, without those."""
    started = last = time.monotonic()
    writes = operator.writes()
    while time.monotonic() - last < 5:
        await asyncio.sleep(0.5)
        if (now := operator.writes()) != writes:
            writes, last = now, time.monotonic()
        assert time.monotonic() - started < PATIENCE_SECONDS
    return last - started


async def changes(api: Api, size: Size) -> list[float]:
    """Seconds from one config's change until its LogPipeline is written, several times."""
    took = []
    for number in range(CHANGES):
        place = size.config(number)
        path = kinds.PIPELINE.path(SYSTEM, compiling.pipeline_name(*place))
        before = (await api.call("GET", path))["metadata"]["generation"]
        started = time.monotonic()
        await api.apply(kinds.CONFIG, config(size, number, tags={"static": {"a": "b"}}))

        async def written(path: str = path, before: int = before) -> bool:
            return bool((await api.call("GET", path))["metadata"]["generation"] != before)

        await until("the pipeline is written", written, 0.005)
        took.append(time.monotonic() - started)
        await asyncio.sleep(0.5)
    return took


async def measure(size: Size, plane: ControlPlane, service: Service, log: pathlib.Path) -> None:
    """Fill the API server, run the operator, print the table."""
    context = ssl.create_default_context(cafile=str(plane.authority))
    context.load_cert_chain(plane.admin.certificate, plane.admin.key)
    connector = aiohttp.TCPConnector(ssl=context, limit=PARALLEL)
    async with aiohttp.ClientSession(connector=connector) as session:
        api = Api(plane, session)
        await prepare(api, size)
        operator = Operator(plane, service.url, log)
        operator.start()
        try:
            rows = await phases(api, size, operator)
        finally:
            operator.kill()
    what = f"{size.stores} LogStores, {size.configs} LogConfigs, {size.nodes} nodes"
    report("loghub-operator", what, rows)


async def phases(api: Api, size: Size, operator: Operator) -> list[Row]:
    """What a first start, a restart, rest and changes cost."""

    async def all_ready() -> bool:
        if operator.metric("loghub_operator_queue_length") > 0:
            return False
        found = await api.list(kinds.CONFIG)
        return len(found) == size.configs and all(map(ready, found))

    rows = [
        (
            "first start, until all is provisioned and ready",
            "s",
            await until("all is ready", all_ready, 1),
        )
    ]
    rows.append(("CPU of it", "s", operator.cpu()))
    fleet, cpu = Fleet(api, size), operator.cpu()
    await fleet.report(1)
    rows.append(("all agents report: until status is written", "s", await settled(operator)))
    rows.append(("CPU of it", "s", operator.cpu() - cpu))
    operator.kill()
    operator.start()
    keys = size.stores + size.configs
    started = time.monotonic()

    async def looked_at() -> bool:
        done = operator.metric("loghub_operator_reconciles_total{")
        return done >= keys and operator.metric("loghub_operator_queue_length") == 0

    await until("everything is looked at", looked_at, 0.5)
    rows.append(("restart, until everything was looked at", "s", time.monotonic() - started))
    rows.append(("CPU of it", "s", operator.cpu()))
    await settled(operator)
    requests, writes, cpu = operator.requests(), operator.writes(), operator.cpu()
    await asyncio.sleep(REST_SECONDS)
    rows.append(("at rest: CPU", "%", 100 * (operator.cpu() - cpu) / REST_SECONDS))
    rows.append(("at rest: API requests", "/s", (operator.requests() - requests) / REST_SECONDS))
    rows.append(("at rest: API writes", "/min", 60 * (operator.writes() - writes) / REST_SECONDS))
    rows.append(("memory at rest", "MiB", operator.memory("VmRSS")))
    took = await changes(api, size)
    rows.append(("one config's change to its pipeline, median", "s", statistics.median(took)))
    rows.append(("one config's change to its pipeline, longest", "s", max(took)))
    await settled(operator)
    writes, cpu = operator.writes(), operator.cpu()
    await fleet.report(2)
    await settled(operator)
    rows.append(("every node's pods change: API writes", "", operator.writes() - writes))
    rows.append(("CPU of it", "s", operator.cpu() - cpu))
    rows.append(("memory, most", "MiB", operator.memory("VmHWM")))
    return rows


def main() -> None:
    """Run it at the size that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stores", type=int, default=100)
    parser.add_argument("--configs", type=int, default=500)
    parser.add_argument("--nodes", type=int, default=50)
    size = Size(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory(prefix="loghub-bench-") as home:
        service = Service(pathlib.Path(home) / "data")
        service.start()
        try:
            with ControlPlane() as plane:
                log = pathlib.Path(home) / "operator.log"
                asyncio.run(measure(size, plane, service, log))
                print(log.read_text()[-1000:], file=sys.stderr, end="")
        finally:
            service.stop()


if __name__ == "__main__":
    main()
