"""Names and addresses of the local cluster: three machines made of namespaces, on one wire.

The control plane's namespace holds the bridge. The outer machine has one interface into it,
`loghub0`, and routes to pods and services through it, all of which vanish with the namespace.
"""

from dataclasses import dataclass
from pathlib import Path

from harness import places

INTERFACE = f"{places.NAME}0"
OUTER = "10.199.0.1"
"""The outer machine's own address on the cluster's wire."""

CONTROL_PLANE = "10.199.0.2"
WIRE = "10.199.0.0/24"
PODS = "10.244.0.0/16"
SERVICES = "10.96.0.0/16"
DNS = "10.96.0.10"
API_PORT = 6443
DOMAIN = "cluster.local"

DATA = Path(f"/var/lib/{places.NAME}-cluster")
"""What is too large for /run: etcd's data, container file systems, volumes. Gone after `down`."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One of the three: a network, mount and PID namespace under a supervisor."""

    name: str
    address: str

    @property
    def run(self) -> Path:
        """Control socket, namespace file and pid of the supervisor."""
        return places.RUN / self.name

    @property
    def data(self) -> Path:
        return DATA / self.name

    @property
    def namespace(self) -> Path:
        """The file its network namespace is bound to."""
        return self.run / "net"


@dataclass(frozen=True, slots=True)
class Node(Machine):
    """A machine that runs pods."""

    pods: str
    """Its share of PODS."""
    zone: str

    @property
    def cgroup(self) -> str:
        """Its pods' cgroup. Two kubelets below one would remove each other's pods."""
        return f"{places.NAME}-{self.name}"


MASTER = Machine("control-plane", CONTROL_PLANE)
NODES = (
    Node("node-1", "10.199.0.11", "10.244.1.0/24", "zone-a"),
    Node("node-2", "10.199.0.12", "10.244.2.0/24", "zone-b"),
)
MACHINES: tuple[Machine, ...] = (MASTER, *NODES)


def machine(name: str) -> Machine | None:
    """The machine called `name`, or None."""
    return next((each for each in MACHINES if each.name == name), None)
