"""The local cluster's wire: a network namespace per machine and a bridge in the control plane's.

Only one interface and its routes appear on the outer machine; its iptables stay untouched. The
bridge lies in the control plane's namespace, so that a firewall outside does not see it.
"""

import contextlib
import ipaddress
import json
import subprocess
from pathlib import Path

from harness import layout, shell, units
from harness.layout import Machine
from harness.trouble import TroubleError

BRIDGE = "wire"
PREFIX = ipaddress.ip_network(layout.WIRE).prefixlen


def create() -> None:
    """Make the namespaces and join them. `remove` undoes it, also when this was broken off."""
    _check_free()
    for machine in layout.MACHINES:
        machine.run.mkdir(parents=True, exist_ok=True)
        machine.namespace.touch()
        shell.run(["unshare", f"--net={machine.namespace}", "true"])
        _ip(machine, "link", "set", "lo", "up")
    _ip(layout.MASTER, "link", "add", BRIDGE, "type", "bridge")
    _ip(layout.MASTER, "addr", "add", f"{layout.CONTROL_PLANE}/{PREFIX}", "dev", BRIDGE)
    _ip(layout.MASTER, "link", "set", BRIDGE, "up")
    _plug_outer()
    for node in layout.NODES:
        _plug_node(node)
    _routes()


def remove() -> None:
    """Drop namespaces and interface. The machines' processes must be gone by now."""
    # The interface's other end vanishes with its namespace, but only when the kernel comes to it.
    subprocess.run(["ip", "link", "del", layout.INTERFACE], capture_output=True, check=False)
    for machine in layout.MACHINES:
        if machine.namespace.exists():
            while shell.succeeds(["umount", machine.namespace]):
                pass
            with contextlib.suppress(FileNotFoundError):
                machine.namespace.unlink()


def plugged() -> bool:
    """Whether the outer interface exists."""
    return Path(f"/sys/class/net/{layout.INTERFACE}").exists()


def set_link(machine: Machine, *, up: bool) -> None:
    """Pull `machine` off the wire, or put it back: a network partition."""
    _ip(layout.MASTER, "link", "set", machine.name, "up" if up else "down")


def _ip(machine: Machine, *words: str) -> None:
    shell.run(["nsenter", f"--net={machine.namespace}", "ip", *words])


def _check_free() -> None:
    """TroubleError when the machine already uses one of our address ranges."""
    ours = [ipaddress.ip_network(each) for each in (layout.WIRE, layout.PODS)]
    routes = json.loads(shell.run(["ip", "-json", "-4", "route", "show", "table", "all"]))
    for route in routes:
        destination = route.get("dst", "default")
        if destination == "default" or route.get("dev") == layout.INTERFACE:
            continue
        taken = ipaddress.ip_network(destination, strict=False)
        if taken.prefixlen and any(taken.overlaps(each) for each in ours):
            raise TroubleError(
                f"this machine routes {destination} through {route.get('dev')}, "
                f"which the local cluster needs ({layout.WIRE}, {layout.PODS}): "
                "use CLUSTER=kind or CLUSTER=existing"
            )


def _plug_outer() -> None:
    pair = ["ip", "link", "add", layout.INTERFACE, "type", "veth"]
    shell.run([*pair, "peer", "name", "outer", "netns", layout.MASTER.namespace])
    shell.run(["ip", "addr", "add", f"{layout.OUTER}/{PREFIX}", "dev", layout.INTERFACE])
    shell.run(["ip", "link", "set", layout.INTERFACE, "up"])
    _ip(layout.MASTER, "link", "set", "outer", "master", BRIDGE, "up")


def _plug_node(node: Machine) -> None:
    pair = ["link", "add", node.name, "type", "veth"]
    _ip(layout.MASTER, *pair, "peer", "name", "eth0", "netns", str(node.namespace))
    _ip(layout.MASTER, "link", "set", node.name, "master", BRIDGE, "up")
    _ip(node, "addr", "add", f"{node.address}/{PREFIX}", "dev", "eth0")
    _ip(node, "link", "set", "eth0", "up")
    # Without a default route the kernel refuses service addresses before kube-proxy's rules
    # can rewrite them.
    _ip(node, "route", "add", "default", "via", layout.CONTROL_PLANE)


def _routes() -> None:
    """Everyone reaches each node's pods through that node, and services through the first one."""
    for node in layout.NODES:
        shell.run(["ip", "route", "add", node.pods, "via", node.address])
        for other in layout.MACHINES:
            if other is not node:
                _ip(other, "route", "add", node.pods, "via", node.address)
    first = layout.NODES[0].address
    shell.run(["ip", "route", "add", layout.SERVICES, "via", first])
    _ip(layout.MASTER, "route", "add", layout.SERVICES, "via", first)


def tune(machine: Machine) -> None:
    """Kernel settings of a node's namespace: forward packets, and show bridged ones to iptables."""
    settings = {
        "net.ipv4.ip_forward": "1",
        # Replies between pods of one node pass only its bridge; unseen, their addresses would not
        # be rewritten back from the service's.
        "net.bridge.bridge-nf-call-iptables": "1",
    }
    for key, value in settings.items():
        shell.run([*units.inside(machine), "sysctl", "-qw", f"{key}={value}"])
