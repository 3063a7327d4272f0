"""etcd and a real API server on loopback, no nodes: what the programs' own tests talk to.

Needs no root. `fixtures.control_plane` starts one per test session; `stop()` and `start()` make an
outage with the data kept and the address unchanged. The full cluster is `local`'s.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Self

from harness import kubeconfig, ports, servers, waiting
from harness.certificates import Pair
from harness.children import Child


class ControlPlane:
    """A control plane in a temporary directory; a context manager.

    `controllers` names controllers of kube-controller-manager to run beside it, such as
    `garbage-collector-controller`: without any, nothing collects owned objects, ends a deleted
    namespace or makes `default` service accounts.
    """

    def __init__(self, *, controllers: tuple[str, ...] = ()) -> None:
        self._controllers = controllers
        self._directory = Path(tempfile.mkdtemp(prefix="loghub-control-plane-"))
        api, etcd, peer = ports.free_ports(3)
        self._site = servers.Site(self._directory, "127.0.0.1", api, etcd, peer)
        self._children: dict[str, Child] = {}

    @property
    def url(self) -> str:
        """The API server's address, such as https://127.0.0.1:41234; the same after a restart."""
        return self._site.url

    @property
    def authority(self) -> Path:
        """PEM file of the authority that signed the API server's certificate."""
        return self._site.authority.pair.certificate

    @property
    def admin(self) -> Pair:
        """Client certificate and key files of a user who may do everything."""
        return self._site.admin

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig file for `admin`."""
        return self.kubeconfig_for("loghub-admin", "system:masters")

    def kubeconfig_for(self, user: str, *groups: str) -> Path:
        """A kubeconfig file for any `user` in any `groups`, as RBAC sees them.

        A service account is the user `system:serviceaccount:<namespace>:<name>`.
        """
        file = "user-" + "".join(c if c.isalnum() or c in "-." else "_" for c in user)
        pair = self._site.authority.issue(file, user, groups=groups)
        return kubeconfig.write(
            self._directory / f"{file}.kubeconfig", self.url, self.authority, pair
        )

    def start(self) -> None:
        """Start what does not run and return when the API server is ready."""
        if "etcd" not in self._children:
            self._launch("etcd", servers.etcd(self._site))
        if "kube-apiserver" not in self._children:
            self._launch("kube-apiserver", servers.apiserver(self._site))
        waiting.until("kube-apiserver is ready", self._ready, seconds=servers.READY_SECONDS)
        waiting.until("namespace default exists", self._has_default_namespace)
        if self._controllers and "controllers" not in self._children:
            selection = ",".join(self._controllers)
            self._launch("controllers", servers.controller_manager(self._site, selection))

    def stop(self) -> None:
        """Kill the API server: open watches break and its port refuses. The data stays in etcd."""
        for name in ("controllers", "kube-apiserver"):
            if name in self._children:
                self._children.pop(name).kill()

    def close(self) -> None:
        """End every process and remove every file."""
        self.stop()
        for child in self._children.values():
            child.kill()
        self._children.clear()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _launch(self, name: str, command: list[str]) -> None:
        self._children[name] = Child(command, self._directory / f"{name}.log")

    def _ready(self) -> bool:
        for child in self._children.values():
            child.check()
        return servers.answers(self._site, "/readyz")

    def _has_default_namespace(self) -> bool:
        return servers.answers(self._site, "/api/v1/namespaces/default")
