"""Files inside containers: volumes of every kind and their own file systems, really mounted.

Pods come from an API server, so here the agent's loop is given them, with the compiled core and a
real service; the mounts are the kernel's.
"""

import asyncio
import contextlib
import time

import pytest

from harness import ingest, ports
from loghub_agent import catalog, collecting, credentials, inventory, pods, settings, supervisor
from rig import agent, arrivals, containers, program

pytestmark = pytest.mark.skipif(not containers.is_root(), reason="mounts need root")

ID = "c0ffee"


@pytest.fixture
def node(tmp_path):
    made = containers.Node(tmp_path / "node")
    made.root.mkdir()
    yield made
    made.close()


class Cluster:
    """The agent's loop on a node with one pod."""

    def __init__(self, node, endpoint, logstore, state):
        self._options = settings.Settings(
            state=state,
            pods_dir=state / "pods",
            root=node.root,
            node="node-1",
            admin_listen="",
            drain_seconds=5,
            core=settings.CoreSettings(
                batch_seconds=0.1, batch_bytes=32768, queue_bytes_per_destination=65536
            ),
        )
        self._endpoint, self._logstore = endpoint, logstore
        self.pod = pods.Pod(
            uid="uid", log_uid="uid", namespace="shop", name="web", node="node-1", ip="10.0.0.9",
            labels={}, annotations={}, running=True,
            containers=(pods.Container("app", "image", (), f"containerd://{ID}"),),
        )  # fmt: skip

    def start(self):
        self.core = supervisor.Supervisor(supervisor.open_core(self._options))
        self.loop = collecting.Collecting(
            self.core,
            pipelines=catalog.Catalog("loghub"),
            pods_here=inventory.Inventory(time.monotonic),
            keys=credentials.Keyring(),
            surroundings=collecting.Surroundings(
                str(self._options.pods_dir), "node-1", str(self._options.root)
            ),
        )
        key = ingest.ROOT_KEY
        self.loop.keys.observe("key", credentials.Key(key.access_key_id, key.access_key_secret))

    async def show(self, pod=None, **files):
        self.pod = pod or self.pod
        self.loop.inventory.observe(self.pod)
        if files:
            self._read(files)
        await self.loop.apply()
        assert [each.refusal for each in self.loop.catalog.outcomes()] == [""]

    def _read(self, files):
        spec = {
            "version": 1,
            "destination": {
                "endpoint": self._endpoint,
                "project": arrivals.PROJECT,
                "logstore": self._logstore,
                "region": "loghub",
                "credentialsSecret": "key",
            },
            "input": {"containerFiles": files},
        }
        version = catalog.read_version(spec, name="files", namespace="loghub", generation=1)
        assert version.refusal == ""
        self.loop.catalog.observe("files", version)


@pytest.fixture
async def cluster(scene, node, tmp_path):
    made = Cluster(node, scene.service.url, scene.arrivals.logstore, tmp_path / "state")
    made.start()
    yield made
    await made.core.close()


async def arrived(scene):
    return sorted(await asyncio.to_thread(scene.arrivals.contents))


async def until_arrived(scene, wanted):
    def there():
        return set(wanted) <= set(scene.arrivals.contents())

    await asyncio.to_thread(agent.until, "the records", there)


async def test_files_in_every_kind_of_volume_arrive_with_their_paths_and_the_pods_tags(
    scene, node, cluster
):
    empty, memory, claim = (node.volume(name) for name in ("empty", "memory", "claim"))
    node.mount(memory, "-t", "tmpfs", "tmpfs")
    device = node.root / "device"
    (device / "sub/deep").mkdir(parents=True)
    node.mount(claim, "--bind", str(device / "sub"))
    host = node.root / "srv/host"
    host.mkdir(parents=True)
    mounts = {"/data": empty, "/data/fast": memory, "/claim": claim, "/from/host": host}
    rootfs = node.container(ID, mounts)
    inside = {
        "/data/a.log": empty / "a.log",
        "/data/fast/b.log": memory / "b.log",
        "/claim/deep/c.log": claim / "deep/c.log",
        "/from/host/d.log": host / "d.log",
        "/var/log/e.log": rootfs / "var/log/e.log",
    }
    made = {at: program.Program(path) for at, path in inside.items()}
    for each in made.values():
        each.lines(20)
    hidden = program.Program(empty / "fast/hidden.log")  # covered by the volume in memory
    hidden.lines(5)
    await cluster.show(paths=["/data/**/*.log", "/claim/**/*.log", "/from/**/*.log", "/var/**/*"])
    for each in made.values():
        each.lines(20)
    wanted = [content for each in made.values() for content in each.contents()]
    await until_arrived(scene, wanted)
    assert await arrived(scene) == sorted(wanted)
    tags = [dict(group.tags) for group in scene.arrivals.groups]
    assert {each["__path__"] for each in tags} == set(inside)
    assert {each["_pod_name_"] for each in tags} == {"web"}
    assert {each["_container_name_"] for each in tags} == {"app"}


async def test_links_lead_where_they_lead_in_the_container_and_never_to_the_node(
    scene, node, cluster
):
    (node.root / "etc").mkdir()
    (node.root / "etc/shadow.log").write_text("the node's secret\n")
    data = node.volume("data")
    rootfs = node.container(ID, {"/data": data})
    app = program.Program(data / "logs/app.log")
    app.lines(10)
    (rootfs / "var").mkdir()
    (rootfs / "var/log").symlink_to("/data/logs")
    secret = node.root / "etc/shadow.log"
    for number, target in enumerate(
        [secret, "/etc/shadow.log", "../../../../../../etc/shadow.log",
         f"/proc/self/root{secret}", f"/proc/1/root{secret}"]
    ):  # fmt: skip
        (data / f"logs/steal{number}.log").symlink_to(target)
    (data / "up").symlink_to("../" * 20 + "etc")
    await cluster.show(paths=["/var/log/*.log", "/data/up/*.log"])
    await until_arrived(scene, app.contents())
    app.lines(10)
    await until_arrived(scene, app.contents())
    assert await arrived(scene) == sorted(app.contents())
    [path] = {dict(group.tags)["__path__"] for group in scene.arrivals.groups}
    assert path == "/var/log/app.log"


@pytest.mark.parametrize("away", [False, True], ids=["service-there", "service-away"])
async def test_volume_of_a_pod_that_ends_can_be_unmounted_and_the_rest_is_counted(
    scene, node, tmp_path, away
):
    volume = node.volume("claim")
    node.mount(volume, "-t", "tmpfs", "tmpfs")
    rootfs = node.container(ID, {"/data": volume})
    endpoint = f"http://127.0.0.1:{ports.free_port()}" if away else scene.service.url
    made = Cluster(node, endpoint, scene.arrivals.logstore, tmp_path / "state")
    made.start()
    app, own = program.Program(volume / "app.log"), program.Program(rootfs / "own.log")
    try:
        await made.show(paths=["/data/*.log", "/own.log"])
        app.lines(100_000 if away else 5000)  # more than waits in memory
        own.lines(100)
        app.close()
        own.close()
        if not away:
            await until_arrived(scene, [*app.contents(), *own.contents()])
        over = pods.Pod(**{**fields(made.pod), "running": False, "deleting": True})
        await made.show(over)
        await asyncio.to_thread(
            agent.until, "the volume is free", lambda: node.unmount(volume), seconds=30
        )
        rootfs_is_free = node.unmount(rootfs)
        assert rootfs_is_free
        await made.loop.look()
        stats = made.loop.stats
        lost = stats.pipelines["files"].lost.get("volume_released", 0)
        assert (lost > 0) == away
        if not away:
            await asyncio.to_thread(
                agent.until, "it is drained", lambda: asyncio.run(drained(made)), seconds=30
            )
    finally:
        await made.core.close()


async def drained(made):
    return (await made.core.stats()).sources["files", "uid/app"] == "Drained"


def fields(pod):
    return {name: getattr(pod, name) for name in pod.__dataclass_fields__}


async def test_runtime_without_layers_is_read_through_its_mount(scene, node, cluster):
    rootfs = node.container(ID, {}, layers=False)
    app = program.Program(rootfs / "var/log/app.log")
    app.lines(10)
    await cluster.show(paths=["/var/log/*.log"])
    await until_arrived(scene, app.contents())
    app.close()
    await cluster.show(pods.Pod(**{**fields(cluster.pod), "running": False, "finished": True}))
    await asyncio.to_thread(agent.until, "the mount is free", lambda: node.unmount(rootfs))


async def test_container_that_starts_again_goes_on_in_its_volume_and_anew_in_its_own_files(
    scene, node, cluster
):
    volume = node.volume("data")
    first = node.container(ID, {"/data": volume})
    app, own = program.Program(volume / "app.log"), program.Program(first / "own.log")
    app.lines(10)
    own.lines(10)
    await cluster.show(paths=["/data/*.log", "/own.log"])
    await until_arrived(scene, [*app.contents(), *own.contents()])
    second = node.container("beef", {"/data": volume})
    again = program.Program(second / "own.log")
    again.raw(b"of the second\n")
    app.lines(10)
    container = pods.Container("app", "image", (), "containerd://beef")
    await cluster.show(pods.Pod(**{**fields(cluster.pod), "containers": (container,)}))
    wanted = [*app.contents(), *own.contents(), "of the second"]
    await until_arrived(scene, wanted)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 1)
    assert await arrived(scene) == sorted(wanted)
