"""Command lines of etcd and the Kubernetes servers, for the small control plane and for a cluster.

`control_plane` starts the first two on loopback; `local` starts all in a network namespace.
"""

import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from harness import binaries, kubeconfig
from harness.certificates import Authority, Pair

SERVICE_RANGE = "10.96.0.0/16"
"""Cluster IPs of services; the same as kubeadm's usual range."""

SERVICE_IP = "10.96.0.1"
"""The API server's own service: always the first address of the range."""

READY_SECONDS = 90
"""An API server is ready in 4 s on an idle machine; two builds beside it make that a minute."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where one control plane lives: its files, and its addresses."""

    directory: Path
    address: str
    api_port: int
    etcd_port: int
    peer_port: int

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.api_port}"

    @property
    def authority(self) -> Authority:
        return Authority(self.directory / "pki")

    @property
    def admin(self) -> Pair:
        return self.authority.issue("admin", "loghub-admin", groups=("system:masters",))


def etcd(site: Site) -> list[str]:
    """etcd's command line. No fsync: a test cluster's data need not outlive the machine."""
    client = f"http://127.0.0.1:{site.etcd_port}"
    peer = f"http://127.0.0.1:{site.peer_port}"
    return [
        str(binaries.path("etcd")),
        f"--data-dir={site.directory / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(site: Site) -> list[str]:
    """kube-apiserver's command line."""
    authority = site.authority
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
    names += ("kubernetes.default.svc.cluster.local", "localhost")
    hosts = (*names, SERVICE_IP, "127.0.0.1", site.address)
    serving = authority.issue("apiserver", "kube-apiserver", hosts=hosts)
    kubelet = authority.issue(
        "kubelet-client", "kube-apiserver-kubelet", groups=("system:masters",)
    )
    aggregator = authority.issue("front-proxy", "front-proxy")
    accounts = authority.key_only("service-accounts")
    loopback = site.address.startswith("127.")
    return [
        str(binaries.path("kube-apiserver")),
        f"--etcd-servers=http://127.0.0.1:{site.etcd_port}",
        f"--bind-address={site.address if loopback else '0.0.0.0'}",  # noqa: S104 (own namespace)
        f"--advertise-address={site.address}",
        f"--secure-port={site.api_port}",
        # Endpoints may not name loopback addresses; without nodes nobody would follow them anyway.
        f"--endpoint-reconciler-type={'none' if loopback else 'lease'}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--tls-cert-file={serving.certificate}",
        f"--tls-private-key-file={serving.key}",
        f"--client-ca-file={authority.pair.certificate}",
        f"--kubelet-client-certificate={kubelet.certificate}",
        f"--kubelet-client-key={kubelet.key}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={authority.pair.certificate}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={aggregator.certificate}",
        f"--proxy-client-key-file={aggregator.key}",
        f"--service-account-key-file={accounts}",
        f"--service-account-signing-key-file={accounts}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
    ]


def client(site: Site, name: str, user: str, *groups: str) -> Path:
    """A kubeconfig for one component, in the site's directory."""
    authority = site.authority
    pair = authority.issue(name, user, groups=groups)
    path = site.directory / f"{name}.kubeconfig"
    return kubeconfig.write(path, site.url, authority.pair.certificate, pair)


def controller_manager(site: Site, controllers: str = "*") -> list[str]:
    """kube-controller-manager's command line; `controllers` is a comma-separated selection."""
    authority = site.authority
    config = client(site, "controller-manager", "system:kube-controller-manager", "system:masters")
    return [
        str(binaries.path("kube-controller-manager")),
        f"--kubeconfig={config}",
        f"--controllers={controllers}",
        # Its default is a directory of the machine's /usr.
        f"--flex-volume-plugin-dir={site.directory / 'plugins'}",
        f"--root-ca-file={authority.pair.certificate}",
        f"--service-account-private-key-file={authority.key_only('service-accounts')}",
        "--leader-elect=false",
        "--secure-port=0",
    ]


def scheduler(site: Site) -> list[str]:
    """kube-scheduler's command line."""
    config = client(site, "scheduler", "system:kube-scheduler", "system:masters")
    command = [str(binaries.path("kube-scheduler")), f"--kubeconfig={config}"]
    return [*command, "--leader-elect=false", "--secure-port=0"]


def coredns(site: Site, domain: str) -> list[str]:
    """CoreDNS' command line, after writing its configuration: `domain` and nothing else."""
    pair = site.authority.issue("coredns", "loghub-coredns", groups=("system:masters",))
    file = site.directory / "Corefile"
    file.write_text(
        f"""{domain}:53 {{
    bind {site.address}
    errors
    kubernetes {domain} {{
        endpoint {site.url}
        tls {pair.certificate} {pair.key} {site.authority.pair.certificate}
        pods insecure
        ttl 5
    }}
}}
.:53 {{
    bind {site.address}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
""",
        encoding="ascii",
    )
    return [str(binaries.path("coredns")), "-conf", str(file)]


def answers(site: Site, path: str) -> bool:
    """Whether GET of `path`, such as /readyz, gives 200; OSError while it does not."""
    context = ssl.create_default_context(cafile=str(site.authority.pair.certificate))
    context.load_cert_chain(site.admin.certificate, site.admin.key)
    with urllib.request.urlopen(f"{site.url}{path}", context=context, timeout=5) as answer:
        return answer.status == 200
