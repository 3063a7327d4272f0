"""The local provider: a cluster of one control plane and two nodes, made of Linux namespaces.

`up` order: packages and binaries, `network`, the three machines (`units`), the servers of the
control plane (`servers`), the nodes (`nodes`), then the objects that make it usable. `down` kills
each machine's PID 1, after which little is left to clean.
"""

import contextlib
import os
import shutil
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

from harness import (
    archives,
    binaries,
    cgroups,
    images,
    kubeconfig,
    layout,
    network,
    nodes,
    packages,
    places,
    progress,
    servers,
    shell,
    units,
    volumes,
    waiting,
)
from harness.kubectl import Kubectl
from harness.layout import Node
from harness.trouble import TroubleError

MADE = "made-directories"
NODE_SECONDS = 120
"""A node is Ready in 10 s on an idle machine."""


class Local:
    """The provider's verbs."""

    name = "local"

    def __init__(self) -> None:
        packages.extend_search_path()
        self.site = servers.Site(
            layout.MASTER.data,
            layout.CONTROL_PLANE,
            layout.API_PORT,
            etcd_port=2379,
            peer_port=2380,
        )

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of the administrator; TroubleError where no cluster is up."""
        path = places.RUN / "kubeconfig"
        if not path.exists():
            raise TroubleError("no local cluster is up; `make cluster` brings one up")
        return path

    def up(self) -> None:
        """Bring the cluster up, or find that it is; what is left of a broken one goes first."""
        _require_root()
        packages.install_missing()
        binaries.build_all()
        ailment = self.ailment()
        if ailment is None:
            progress.say("the local cluster is up already")
            return
        if layout.DATA.exists() or places.RUN.exists():
            progress.say(f"clearing away what is left of an earlier cluster ({ailment})")
            self.down()
        images.ensure_base()
        try:
            self._create()
        except BaseException:
            progress.say(f"that failed; `make down` clears it away, logs are below {layout.DATA}")
            raise

    def down(self) -> None:
        """End the cluster and leave nothing of it on the machine; fine when there is none."""
        _require_root()
        for machine in layout.MACHINES:
            units.kill(machine)
        network.remove()
        for node in layout.NODES:
            cgroups.remove(node.cgroup)
        _unmake_directories()
        for directory in (places.RUN, layout.DATA):
            if directory.exists():
                shutil.rmtree(directory)
        progress.say("the local cluster is gone")

    def ailment(self) -> str | None:
        """Why the cluster cannot be used, as words; None when it can."""
        if not (places.RUN / "kubeconfig").exists():
            return "none is up"
        try:
            for machine in layout.MACHINES:
                dead = units.dead(machine)
                if dead:
                    return f"{', '.join(dead)} of {machine.name} ended"
            if not servers.answers(self.site, "/readyz"):
                return "the API server is not ready"
            ready = Kubectl(self.kubeconfig).ready_nodes()
        except (OSError, TroubleError) as error:
            return f"it does not answer: {error}"
        unready = [node.name for node in layout.NODES if node.name not in ready]
        return f"not Ready: {', '.join(unready)}" if unready else None

    def load_images(self, tags: list[str]) -> None:
        """Import the archives of `tags` into both nodes, unless they hold them already."""
        ours = [tag for tag in tags if tag != images.PUBLIC_BASE]  # every node has that one
        for tag in ours:
            archives.existing(tag)
        _on_each_node(lambda node: _import(node, ours))

    def has_image(self, tag: str) -> bool:
        """Whether `tag` was built and can be loaded."""
        return tag == images.PUBLIC_BASE or bool(archives.identity(tag))

    def build_image(self, tag: str, file: Path, context: Path, arguments: list[str]) -> None:
        """Build `tag` on the local base image."""
        _require_root()
        packages.install_missing()
        images.build(tag, file, context, arguments)

    def recycle_volumes(self) -> None:
        """Make released volumes available again."""
        for name in volumes.recycle(Kubectl(self.kubeconfig)):
            progress.say(f"volume {name} is empty and available")

    def inside(self, machine: str) -> list[str]:
        """The command line prefix that runs a program on `machine`."""
        found = layout.machine(machine)
        if found is None:
            known = ", ".join(each.name for each in layout.MACHINES)
            raise TroubleError(f"{machine}: no such machine; there are {known}")
        return units.inside(found)

    def kill_container(self, node: str, identity: str) -> None:
        """SIGKILL the first process of a container, by its id."""
        ctr = ["ctr", "--address", nodes.CRI_SOCKET, "--namespace", "k8s.io"]
        shell.run([*self.inside(node), *ctr, "tasks", "kill", "--signal", "SIGKILL", identity])

    def service(self, machine: str, name: str, verb: str) -> None:
        """Stop (SIGKILL) or start one server, such as kube-apiserver of control-plane.

        A started API server is waited for.
        """
        self.inside(machine)
        found = layout.machine(machine)
        assert found is not None
        try:
            units.ask(found, do=verb, name=name)
        except OSError as error:
            raise TroubleError(f"{machine} does not answer: {error}") from error
        if verb == "start" and name == "kube-apiserver":
            self._wait_for_api()

    def link(self, machine: str, *, up: bool) -> None:
        """Cut `machine` off the network, or join it again."""
        self.inside(machine)
        found = layout.machine(machine)
        assert found is not None
        network.set_link(found, up=up)

    def _create(self) -> None:
        places.RUN.mkdir(mode=0o700)
        layout.DATA.mkdir(mode=0o700)
        _make_directories()
        # Built into some kernels, and then no modules; `network.tune` notices a missing one.
        shell.succeeds(["modprobe", "--all", "br_netfilter", "overlay"])
        network.create()
        for node in layout.NODES:
            cgroups.create(node.cgroup)
        units.launch(layout.MASTER, [])
        units.start(layout.MASTER, "etcd", servers.etcd(self.site))
        units.start(layout.MASTER, "kube-apiserver", servers.apiserver(self.site))
        with futures.ThreadPoolExecutor(1) as beside:
            prepared = beside.submit(_on_each_node, _prepare)
            self._wait_for_api()
            self._start_rest()
            prepared.result()
        for node in layout.NODES:
            nodes.start_kubelet(node, self.site)
        self._wait_for_nodes()
        self.load_images(archives.newest())
        progress.say(f"the local cluster is up: export KUBECONFIG={self.kubeconfig}")

    def _wait_for_api(self) -> None:
        def ready() -> bool:
            if "kube-apiserver" in units.dead(layout.MASTER):
                log = units.log(layout.MASTER, "kube-apiserver").read_text()[-2000:]
                raise TroubleError(f"kube-apiserver ended by itself:\n{log}")
            return servers.answers(self.site, "/readyz")

        waiting.until("kube-apiserver is ready", ready, seconds=servers.READY_SECONDS)
        progress.say("kube-apiserver is ready")

    def _start_rest(self) -> None:
        units.start(layout.MASTER, "controllers", servers.controller_manager(self.site))
        units.start(layout.MASTER, "scheduler", servers.scheduler(self.site))
        units.start(layout.MASTER, "coredns", servers.coredns(self.site, layout.DOMAIN))
        admin = self.site.admin
        authority = self.site.authority.pair.certificate
        file = kubeconfig.write(places.RUN / "kubeconfig", self.site.url, authority, admin)
        Kubectl(file).apply([*_dns(), *volumes.objects()])

    def _wait_for_nodes(self) -> None:
        kubectl = Kubectl(self.kubeconfig)
        seen: set[str] = set()

        def ready() -> bool:
            for name in kubectl.ready_nodes():
                if name not in seen:
                    progress.say(f"{name} is Ready")
                    seen.add(name)
            return len(seen) == len(layout.NODES)

        waiting.until("both nodes are Ready", ready, seconds=NODE_SECONDS)
        account = kubectl.command("get", "serviceaccount", "default")
        waiting.until("namespace default has its account", lambda: shell.succeeds(account))


def possible() -> str | None:
    """Why this machine cannot run the local cluster; None when it can."""
    if os.uname().sysname != "Linux":
        return "it is no Linux machine"
    if os.geteuid() != 0:
        return "you are not root"
    return None


def _require_root() -> None:
    reason = possible()
    if reason:
        raise TroubleError(f"the local cluster cannot run here: {reason}")


def _on_each_node(work: Callable[[Node], None]) -> None:
    with futures.ThreadPoolExecutor(len(layout.NODES)) as pool:
        for done in [pool.submit(work, node) for node in layout.NODES]:
            done.result()


def _make_directories() -> None:
    """Make the directories that nodes cover by their own, noting which the machine did not have."""
    absent = [path for path in nodes.OWN_DIRECTORIES if not Path(path).exists()]
    (layout.DATA / MADE).write_text("\n".join(absent), encoding="ascii")
    for path in absent:
        Path(path).mkdir(parents=True)


def _unmake_directories() -> None:
    made = layout.DATA / MADE
    for path in made.read_text(encoding="ascii").split() if made.exists() else []:
        with contextlib.suppress(OSError):  # somebody else's by now, if it holds anything
            Path(path).rmdir()


def _prepare(node: Node) -> None:
    units.launch(node, nodes.mounts(node))
    network.tune(node)
    nodes.start_runtime(node)
    _import(node, [nodes.PAUSE_IMAGE, images.BASE_IMAGE])
    progress.say(f"containerd of {node.name} answers and has the base image")


def _import(node: Node, tags: list[str]) -> None:
    notes = node.data / "images"
    notes.mkdir(exist_ok=True)
    for tag in tags:
        note = notes / archives.file_name(tag)
        identity = archives.identity(tag)
        with contextlib.suppress(FileNotFoundError):
            if note.read_text(encoding="ascii") == identity:
                continue
        store = [*_ctr(node), "images"]
        shell.run([*store, "import", archives.existing(tag)])
        if tag == images.BASE_IMAGE:
            shell.run([*store, "tag", "--force", tag, images.PUBLIC_BASE])
        note.write_text(identity, encoding="ascii")


def _ctr(node: Node) -> list[str]:
    """containerd's own client on `node`."""
    return [*units.inside(node), "ctr", "--address", nodes.CRI_SOCKET, "--namespace", "k8s.io"]


def _dns() -> list[dict[str, Any]]:
    """The cluster's DNS service: no pods behind it, but CoreDNS on the control plane."""
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]
    meta = {"name": "kube-dns", "namespace": "kube-system"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {**meta, "labels": {"k8s-app": "kube-dns"}},
            "spec": {"clusterIP": layout.DNS, "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**meta, "labels": {"kubernetes.io/service-name": "kube-dns"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [layout.CONTROL_PLANE], "conditions": {"ready": True}}],
            "ports": ports,
        },
    ]
