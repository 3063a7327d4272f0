"""The shop of examples/myorder without a cluster: its programs, the real agent and service.

Stores and pipelines are made from the example's own files by the operator's own functions; each
program works the same span of time off, and prints into a container's log or writes by the SDK.
"""

import asyncio
import dataclasses
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import pytest
import yaml

from harness import relay
from harness.ingest import DOMAIN, ROOT_KEY, Service
from loghub_operator import compiling, logstores
from loghub_operator.resources import configs, stores
from slswire.client import Client
from stage import waiting

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "myorder"
sys.path.insert(0, str(ROOT / "tools"))

import example_images  # noqa: E402 - a tool, found by the line above

PROJECT = "myorder"
SPAN_SECONDS = 1200
"""As long as the story's cycle: the span has the same numbers at any time of the day."""

Objects = dict[str, dict]


@dataclasses.dataclass(frozen=True, slots=True)
class Shop:
    """The service with the shop's records of `begin <= time < end`."""

    service: Service
    begin: int
    end: int

    @property
    def clicks_end(self) -> int:
        """A click is a request of its own: a quarter of the span is enough of them."""
        return self.begin + SPAN_SECONDS // 4

    def loghub(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command line, against the service."""
        where = (f"--endpoint={self.service.url}", f"--project={PROJECT}")
        key = {
            "LOGHUB_ACCESS_KEY_ID": ROOT_KEY.access_key_id,
            "LOGHUB_ACCESS_KEY_SECRET": ROOT_KEY.access_key_secret,
        }
        command = [sys.executable, "-m", "loghub_cli", *arguments, *where]
        return subprocess.run(
            command, env=os.environ | key, capture_output=True, text=True, check=False
        )


def manifests(name: str) -> list[dict]:
    """The objects of one of the example's files."""
    return list(yaml.safe_load_all((EXAMPLE / name).read_text()))


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A service that holds an hour of the shop."""
    place = tmp_path_factory.mktemp("shop")
    service = Service(place / "data")
    service.start()
    end = int(time.time()) // SPAN_SECONDS * SPAN_SECONDS
    made = Shop(service, end - SPAN_SECONDS, end)
    running: list[subprocess.Popen[bytes]] = []
    try:
        asyncio.run(_provision(service))
        running.append(_agent(place, service))
        running.append(program("phases.py", service))
        _printed(place, made)
        writing = [
            program("orders.py", service, f"--begin={made.begin}", f"--end={made.end}"),
            program("clicks.py", service, f"--begin={made.begin}", f"--end={made.clicks_end}"),
        ]
        assert [each.wait(timeout=90) for each in writing] == [0, 0]
        yield made
    finally:
        for each in running:
            each.terminate()
        codes = [each.wait(timeout=60) for each in running]
        service.stop()
    assert codes == [0, 0]


async def _provision(service: Service) -> None:
    async with service.client() as client:
        await client.create_project(PROJECT)
        for found in manifests("1-stores.yaml"):
            if found["kind"] == "LogStore":
                await _store(client, found["metadata"]["name"], found["spec"])


async def _store(client: Client, name: str, document: dict) -> None:
    spec = stores.LogStoreSpec.model_validate(document)
    shards = {"shardCount": spec.shard_count or 2}
    await client.create_logstore(PROJECT, logstores.wanted(name, spec) | shards)
    await client.create_index(PROJECT, name, logstores.index(spec.index))


def _agent(place: pathlib.Path, service: Service) -> subprocess.Popen[bytes]:
    """An agent with the pipelines that the operator would write."""
    known = {
        each["metadata"]["name"]: stores.LogStoreSpec.model_validate(each["spec"])
        for each in manifests("1-stores.yaml")
        if each["kind"] == "LogStore"
    }
    where = compiling.Target(service.url, PROJECT, "Header", "V4", "loghub", "root")
    (place / "pipelines").mkdir()
    for found in manifests("2-configs.yaml"):
        name = found["metadata"]["name"]
        spec = configs.LogConfigSpec.model_validate(found["spec"])
        metadata = found["metadata"] | {"uid": name, "generation": 1}
        pipeline = compiling.pipeline(metadata, spec, (name, known[name]), where)
        # Without Kubernetes a container is known by its log's path alone: no labels.
        app = pipeline["select"].pop("podLabels")["matchLabels"]["app"]
        named = spec.selector.container_names
        pipeline["select"]["containerNames"] = [f"{app}-{each}" for each in named]
        document = {
            "apiVersion": "loghub.dev/v1alpha1",
            "kind": "LogPipeline",
            "metadata": {"name": name},
            "spec": pipeline,
        }
        (place / "pipelines" / f"{name}.yaml").write_text(yaml.safe_dump(document))
    key = {"accessKeyId": ROOT_KEY.access_key_id, "accessKeySecret": ROOT_KEY.access_key_secret}
    (place / "credentials.yaml").write_text(yaml.safe_dump({"root": key}))
    (place / "pods").mkdir()
    command = [sys.executable, "-m", "loghub_agent", "run", f"--pipelines={place}/pipelines"]
    command += [f"--credentials={place}/credentials.yaml", f"--state={place}/state"]
    command += [f"--pods-dir={place}/pods", "--node-name=here"]
    with (place / "agent.log").open("wb") as log:
        return subprocess.Popen(command, stderr=log)


def _environment() -> dict[str, str]:
    """What a container of the example gets from the project's Secret and from its own image."""
    return {
        "ENDPOINT": f"http://{DOMAIN}",
        "PROJECT": PROJECT,
        "ACCESS_KEY_ID": ROOT_KEY.access_key_id,
        "ACCESS_KEY_SECRET": ROOT_KEY.access_key_secret,
        "STORY": str(EXAMPLE / "programs" / "story.csv"),
        "PAGE": str(EXAMPLE / "page"),
    }


def program(name: str, service: Service, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
    """A program in Python; `PROJECT.sls.test` leads to the service, by a proxy."""
    environment = {key: value for key, value in os.environ.items() if key.lower() != "no_proxy"}
    environment |= {"HTTP_PROXY": service.url, "http_proxy": service.url}
    command = [sys.executable, str(EXAMPLE / "programs" / name), *arguments]
    return subprocess.Popen(command, env=environment | _environment() | more)


def _printed(place: pathlib.Path, shop: Shop) -> None:
    """Each container of the example that prints does its span, into a container's log."""
    span = (f"--begin={shop.begin}", f"--end={shop.end}")
    run = (sys.executable, str(EXAMPLE / "programs" / "run.py"))
    payment = example_images.add_payment(place / "bin")
    for found in manifests("3-programs.yaml"):
        if found["kind"] != "Deployment":
            continue
        app = found["metadata"]["name"]
        for container in found["spec"]["template"]["spec"]["containers"]:
            where = (place, app, container["name"])
            match container.get("command", []):
                case ["python3", "/programs/run.py", name]:
                    _container(where, (*run, name, *span))
                case ["/opt/sdk/bin/payment"]:
                    _container(
                        where, (str(payment), "--begin", str(shop.begin), "--end", str(shop.end))
                    )
                case [] if container["image"].startswith("loghub.local/myorder-core:"):
                    _core(where, shop)


def _container(where: tuple[pathlib.Path, str, str], command: Sequence[str]) -> None:
    environment = os.environ | _environment()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    _log(where, done)


def _core(where: tuple[pathlib.Path, str, str], shop: Shop) -> None:
    """The Java program as its image holds it. The Java SDK allows no port in an endpoint."""
    command = example_images.stage_core(where[0] / "core")
    done = relay.run(
        [*command, "--begin", str(shop.begin), "--end", str(shop.end)],
        shop.service.port,
        (DOMAIN, f"{PROJECT}.{DOMAIN}"),
        environment=_environment(),
    )
    assert done.returncode == 0, done.stderr
    _log(where, done)


def _log(where: tuple[pathlib.Path, str, str], done: subprocess.CompletedProcess[str]) -> None:
    place, app, container = where
    log = place / "pods" / f"myorder_{app}_{app}" / f"{app}-{container}" / "0.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(_runtime(done.stdout, "stdout") + _runtime(done.stderr, "stderr"))


def _runtime(text: str, stream: str) -> str:
    """Lines as the container runtime writes them."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime())
    return "".join(f"{stamp} {stream} F {line}\n" for line in text.splitlines())


def found(shop: Shop, store: str, query: str) -> list[dict[str, str]]:
    """What the service answers, without the command line."""

    async def ask() -> list[dict[str, str]]:
        async with shop.service.client() as client:
            within = (shop.begin - SPAN_SECONDS, int(time.time()) + 60)
            page = await client.get_logs(PROJECT, store, query, within=within)
            assert page.complete
            return page.logs

    return asyncio.run(ask())


def until(shop: Shop, store: str, count: int, query: str = "*") -> int:
    """The number of records of a store that match, once there are that many."""

    def look() -> int:
        [row] = found(shop, store, f"{query} | SELECT count(*) AS n")
        return int(row["n"]) if int(row["n"]) >= count else 0

    return int(waiting.until(f"{count} records in {store}", look, seconds=60, every=0.3))
