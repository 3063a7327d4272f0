"""What runs on one node of the local cluster: containerd, the kubelet and kube-proxy, configured.

Each node has its own /run, /var/log, /var/lib/kubelet, /var/lib/cni and agent state, so that host
paths mean the node's and not the machine's.
"""

import json
from pathlib import Path
from typing import Any

from harness import binaries, layout, servers, shell, units, waiting
from harness.layout import Node
from harness.servers import Site

PAUSE_IMAGE = "loghub.local/pause:bookworm"
"""Holds each pod's namespaces; made by `images` from the base image."""

LOG_BYTES = "1Mi"
"""Container logs rotate at this size: a tenth of the default, for tests to see it."""

LOG_FILES = 5
"""Rotated files kept per container, the kubelet's default."""

LOG_CHECK = "3s"
"""How often the kubelet looks at log sizes: the shortest that it accepts."""

CRI_SOCKET = "/run/containerd/containerd.sock"
OWN_DIRECTORIES = ("/var/log", "/var/lib/kubelet", "/var/lib/cni", "/var/lib/loghub-agent")


def mounts(node: Node) -> list[dict[str, str]]:
    """The supervisor's mounts: a fresh /run, and directories of its own where pods look."""
    binds = [
        {"source": str(node.data / "root" / path.strip("/")), "target": path}
        for path in OWN_DIRECTORIES
    ]
    return [{"target": "/run"}, *binds]


def start_runtime(node: Node) -> None:
    """Start containerd and return when it answers."""
    config = node.data / "containerd.toml"
    config.write_text(_containerd(node), encoding="ascii")
    network = node.data / "cni"
    network.mkdir(exist_ok=True)
    (network / "10-loghub.conflist").write_text(_cni(node), encoding="ascii")
    units.start(node, "containerd", ["containerd", "--config", str(config)])
    command = [*units.inside(node), "ctr", "--address", CRI_SOCKET, "version"]
    waiting.until(f"containerd of {node.name} answers", lambda: shell.succeeds(command))


def start_kubelet(node: Node, site: Site) -> None:
    """Start the kubelet and kube-proxy; they register the node by themselves."""
    authority = site.authority
    user = f"system:node:{node.name}"
    serving = authority.issue(f"{node.name}-serving", user, hosts=(node.name, node.address))
    config = node.data / "kubelet.json"
    document = _kubelet(node)
    document["authentication"]["x509"]["clientCAFile"] = str(authority.pair.certificate)
    document["tlsCertFile"] = str(serving.certificate)
    document["tlsPrivateKeyFile"] = str(serving.key)
    config.write_text(json.dumps(document, indent=1), encoding="ascii")
    kubelet = [str(binaries.path("kubelet")), f"--config={config}"]
    kubelet.append(f"--kubeconfig={servers.client(site, node.name, user, 'system:nodes')}")
    kubelet += [f"--hostname-override={node.name}", f"--node-ip={node.address}"]
    kubelet.append(f"--node-labels=topology.kubernetes.io/zone={node.zone}")
    units.start(node, "kubelet", kubelet)
    proxy = servers.client(site, "kube-proxy", "system:kube-proxy")
    units.start(node, "kube-proxy", _proxy(node, proxy))


def _proxy(node: Node, config: Path) -> list[str]:
    return [
        str(binaries.path("kube-proxy")),
        f"--kubeconfig={config}",
        f"--hostname-override={node.name}",
        "--proxy-mode=iptables",
        f"--cluster-cidr={layout.PODS}",
        # Zero: leave the kernel's connection tracking limits alone, which are the machine's.
        "--conntrack-max-per-core=0",
        "--conntrack-min=0",
        "--conntrack-tcp-timeout-established=0s",
        "--conntrack-tcp-timeout-close-wait=0s",
        # Rules follow endpoints at once rather than in batches of a second.
        "--iptables-min-sync-period=100ms",
    ]


def snapshotter(filesystem: str) -> str:
    """containerd's way to stack layers: overlay mounts, unless these would lie on one another."""
    return "native" if filesystem in {"overlay", "overlayfs", "tmpfs"} else "overlayfs"


def _containerd(node: Node) -> str:
    filesystem = shell.run(["stat", "--file-system", "--format=%T", node.data]).strip()
    return f"""version = 2
root = "{node.data}/containerd"
state = "/run/containerd"
[grpc]
  address = "{CRI_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{node.data}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Where CAP_SYS_RESOURCE is missing, runc could not lower it and would die.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter(filesystem)}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{node.data}/cni"
"""


def _cni(node: Node) -> str:
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        # A pod may reach itself through a service.
        "hairpinMode": True,
        # No masquerading: pods see each other's real addresses, as Kubernetes asks.
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": node.pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "loghub", "plugins": [bridge, portmap]})


def _kubelet(node: Node) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "x509": {}},
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{CRI_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.cgroup}",
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [layout.DNS],
        "clusterDomain": layout.DOMAIN,
        # Empty: pods ask the cluster's DNS only, not the machine's, which they cannot reach.
        "resolvConf": "",
        "containerLogMaxSize": LOG_BYTES,
        "containerLogMaxFiles": LOG_FILES,
        "containerLogMonitorInterval": LOG_CHECK,
        # Images cannot be pulled again, and the disk is the developer's: neither is collected.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        # Its default is a directory of the machine's /usr.
        "volumePluginDir": f"{node.data}/plugins",
        # A test that kills a container often need not wait minutes for the next one.
        "crashLoopBackOff": {"maxContainerRestartPeriod": "5s"},
    }
