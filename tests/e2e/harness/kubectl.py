"""kubectl, built from source where the machine has none of its own, against one kubeconfig."""

import json
from pathlib import Path
from typing import Any

from harness import binaries, places, shell


class Kubectl:
    """kubectl bound to a kubeconfig file."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def command(self, *words: str) -> list[str]:
        """The whole command line."""
        program, discovered = binaries.path("kubectl"), places.cache() / "kubectl"
        options = [f"--kubeconfig={self.kubeconfig}", f"--cache-dir={discovered}"]
        return [str(program), *options, *words]

    def run(self, *words: str, text: str | None = None) -> str:
        """Its stdout; TroubleError with what it said when it fails."""
        return shell.run(self.command(*words), text=text)

    def apply(self, objects: list[dict[str, Any]]) -> None:
        """Server-side apply of `objects`."""
        document = {"apiVersion": "v1", "kind": "List", "items": objects}
        words = ("apply", "--server-side", "--force-conflicts", "--filename=-")
        self.run(*words, text=json.dumps(document))

    def ready_nodes(self) -> list[str]:
        """Names of nodes that are Ready."""
        path = '{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status}'
        listed = self.run("get", "nodes", f"--output=jsonpath={path} {{end}}").split()
        return [each.removesuffix("=True") for each in listed if each.endswith("=True")]
