"""The cluster through its own kubectl: apply, get, delete, run something on a node."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from stage import waiting

ROOT = Path(__file__).resolve().parents[3]


class Cluster:
    """One cluster; every call is a process of kubectl or of the harness."""

    def __init__(self) -> None:
        self.kubeconfig = self.harness("kubeconfig").strip()
        self._kubectl = self.harness("tool", "kubectl").strip()
        self._helm = self.harness("tool", "helm").strip()

    def harness(self, *arguments: str, check: bool = True) -> str:
        """What `python -m harness ARGUMENTS` prints."""
        return _run([sys.executable, "-m", "harness", *arguments], check=check)

    def environment(self) -> dict[str, str]:
        """Variables with which a shell finds this cluster, and the programs for it."""
        folders = [str(Path(each).parent) for each in (self._kubectl, self._helm)]
        path = os.pathsep.join([*folders, os.environ["PATH"]])
        return {"KUBECONFIG": self.kubeconfig, "PATH": path}

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """What kubectl prints."""
        command = [self._kubectl, f"--kubeconfig={self.kubeconfig}", *arguments]
        return _run(command, stdin=stdin, check=check)

    def helm(self, *arguments: str, check: bool = True) -> str:
        """What helm prints."""
        return _run([self._helm, f"--kubeconfig={self.kubeconfig}", *arguments], check=check)

    def apply(self, *objects: dict[str, Any], check: bool = True) -> str:
        """Apply objects as a user would: unknown fields are refused."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return self.kubectl("apply", "-f", "-", stdin=json.dumps(listed), check=check)

    def add_namespace(self, found: dict[str, Any]) -> None:
        """Apply a namespace, and wait until pods may be made in it: they need its account."""
        self.apply(found)
        name = found["metadata"]["name"]
        waiting.until(
            f"the service account of {name}",
            lambda: self.get("serviceaccount", "default", name),
            every=0.1,
        )

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """One object, or None."""
        where = ["-n", namespace] if namespace else []
        text = self.kubectl("get", kind, name, *where, "-o", "json", "--ignore-not-found")
        return dict(json.loads(text)) if text.strip() else None

    def list(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        """Objects of a kind; `arguments` are kubectl's (`-n`, `-A`, `-l`)."""
        text = self.kubectl("get", kind, *arguments, "-o", "json")
        return list(json.loads(text)["items"])

    def on_node(self, node: str, *command: str, check: bool = True) -> str:
        """What a command prints that runs as root on a node, in its namespaces."""
        return self.harness("node-exec", node, "--", *command, check=check)

    def kill(self, node: str, pattern: str) -> int:
        """SIGKILL every process on a node whose command line has `pattern`; returns how many."""
        found = self.on_node(node, "pgrep", "-f", pattern, check=False).split()
        for pid in found:
            self.on_node(node, "kill", "-9", pid, check=False)
        return len(found)


def condition(found: dict[str, Any] | None, kind: str) -> dict[str, Any]:
    """A condition of an object that speaks of its current generation; empty while there is none."""
    for each in ((found or {}).get("status") or {}).get("conditions", []):
        current = each.get("observedGeneration") == (found or {})["metadata"]["generation"]
        if each["type"] == kind and current:
            return dict(each)
    return {}


def _run(command: list[str], *, stdin: str | None = None, check: bool) -> str:
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, cwd=ROOT, timeout=600, check=False
    )
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command[:6])}: {done.stderr[-2000:]}{done.stdout[-500:]}")
    return done.stdout if check else done.stdout + done.stderr
