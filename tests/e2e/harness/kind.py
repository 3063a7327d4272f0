"""The kind provider: nodes are containers of Docker or Podman, images come from a registry.

For machines that have either; CI services do. The verbs are `local`'s, spelled in kind's commands.
"""

import json
import shutil
from pathlib import Path

from harness import archives, places, progress, shell
from harness.kubectl import Kubectl
from harness.trouble import TroubleError

CLUSTER = "loghub"
ENGINES = ("docker", "podman")
READY = "180s"

KUBELET = """kind: KubeletConfiguration
containerLogMaxSize: 1Mi
containerLogMaxFiles: 5
containerLogMonitorInterval: 3s
"""
"""As `nodes` sets it: logs rotate often enough for a test to see it."""


class Kind:
    """The provider's verbs."""

    name = "kind"

    def __init__(self) -> None:
        reason = possible()
        if reason:
            raise TroubleError(f"kind cannot run here: {reason}")
        self._engine = _engine() or ""
        self._file = places.cache() / "cluster" / "kind.kubeconfig"

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of the administrator; TroubleError where no cluster is up."""
        if not self._file.exists():
            raise TroubleError("no kind cluster of ours is up; `make cluster` brings one up")
        return self._file

    def up(self) -> None:
        """Create the cluster, unless it is there and well."""
        if self.ailment() is None:
            progress.say("the kind cluster is up already")
            return
        self.down()
        self._file.parent.mkdir(parents=True, exist_ok=True)
        progress.say(f"kind creates a cluster with {self._engine} (a minute or two)")
        create = ["create", "cluster", "--config=-", f"--wait={READY}"]
        self._kind(*create, f"--kubeconfig={self._file}", text=json.dumps(configuration()))
        progress.say(f"the kind cluster is up: export KUBECONFIG={self._file}")

    def down(self) -> None:
        """Delete it."""
        self._kind("delete", "cluster")
        self._file.unlink(missing_ok=True)

    def ailment(self) -> str | None:
        """Why it cannot be used; None when it can."""
        if not self._file.exists():
            return "none is up"
        answers = shell.succeeds(Kubectl(self._file).command("get", "--raw=/readyz"))
        return None if answers else "the API server does not answer"

    def build_image(self, tag: str, file: Path, context: Path, arguments: list[str]) -> None:
        """Build on the Dockerfile's own public base, and keep the archive."""
        words = [word for each in arguments for word in ("--build-arg", each)]
        shell.run([self._engine, "build", *words, "--file", file, "--tag", tag, context])
        self._save(tag)
        for old in archives.outdated():
            archives.delete(old)

    def _save(self, tag: str) -> None:
        identity = shell.run([self._engine, "image", "inspect", "--format", "{{.Id}}", tag]).strip()
        if archives.identity(tag) != identity:
            archives.forget(tag)
            shell.run([self._engine, "save", "--output", archives.archive(tag), tag])
            archives.record(tag, identity)

    def load_images(self, tags: list[str]) -> None:
        """Give built images to every node."""
        for tag in tags:
            if not self.has_image(tag):
                shell.run([self._engine, "pull", tag])
                self._save(tag)
            self._kind("load", "image-archive", str(archives.existing(tag)))

    def has_image(self, tag: str) -> bool:
        """Whether `tag` was built and can be loaded."""
        return bool(archives.identity(tag))

    def recycle_volumes(self) -> None:
        """Nothing to do: kind's storage class provisions volumes."""

    def inside(self, machine: str) -> list[str]:
        """The command line prefix that runs a program on a node, such as loghub-worker."""
        return [self._engine, "exec", "--interactive", machine]

    def kill_container(self, node: str, identity: str) -> None:
        """SIGKILL the first process of a container."""
        kill = ["ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", identity]
        shell.run([*self.inside(node), *kill])

    def service(self, machine: str, name: str, verb: str) -> None:
        """The API server only: moving its manifest away stops it."""
        if name != "kube-apiserver":
            raise TroubleError(f"on kind only kube-apiserver can be stopped, not {name}")
        here, away = f"/etc/kubernetes/manifests/{name}.yaml", f"/etc/kubernetes/{name}.yaml"
        source, target = (here, away) if verb == "stop" else (away, here)
        shell.run([*self.inside(f"{CLUSTER}-control-plane"), "mv", source, target])

    def link(self, machine: str, *, up: bool) -> None:
        """Cut a node off the container network, or join it again."""
        verb = "connect" if up else "disconnect"
        shell.run([self._engine, "network", verb, "kind", machine])

    def _kind(self, *words: str, text: str | None = None) -> None:
        command = ["env", f"KIND_EXPERIMENTAL_PROVIDER={self._engine}", "kind", *words]
        shell.run([*command, f"--name={CLUSTER}"], text=text)


def configuration() -> dict:
    """kind's own configuration document: one control plane, two workers in two zones."""
    zones = [{"labels": {"topology.kubernetes.io/zone": f"zone-{zone}"}} for zone in ("a", "b")]
    workers = [{"role": "worker", **zone} for zone in zones]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [{"role": "control-plane"}, *workers],
        "kubeadmConfigPatches": [KUBELET],
    }


def possible() -> str | None:
    """Why kind cannot run here; None when it can."""
    if shutil.which("kind") is None:
        return "there is no `kind` on PATH"
    return None if _engine() else "neither docker nor podman answers"


def _engine() -> str | None:
    return next((each for each in ENGINES if shell.succeeds([each, "info"])), None)
