"""Kubernetes through the user's own `kubectl`: its contexts, its log-ins, its plug-ins.

A plug-in of kubectl has kubectl by its side; no second client reads the kubeconfig another way.
Used by `discovery` and `inspecting` (reading objects) and `forward` (reaching a Service).
"""

import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any, Final

from loghub_cli import errors, patience

TIMEOUT_SECONDS: Final = 30
"""For one `kubectl get`."""


_KLOG: Final = re.compile(r"[EWI]\d{4} ")
"""Begins a line of kubectl's own log, which repeats what its last line says better."""


@dataclasses.dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with the user's choice of cluster and namespace (empty: kubectl's own default)."""

    context: str = ""
    kubeconfig: str = ""
    timeout_seconds: int = TIMEOUT_SECONDS

    def command(self, arguments: Sequence[str]) -> list[str]:
        """The whole command line of `kubectl ARGUMENTS`.

        Raises:
            CliError: there is no kubectl.
        """
        program = shutil.which("kubectl")
        if program is None:
            raise errors.CliError(
                "kubectl is not on PATH. Install it, or reach the service directly with --endpoint."
            )
        chosen = [f"--context={self.context}"] if self.context else []
        chosen += [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []
        return [program, *chosen, *arguments]

    def namespace(self) -> str:
        """The namespace of the current context."""
        view = ["config", "view", "--minify", "--output=jsonpath={..namespace}"]
        return self._run(view).strip() or "default"

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any] | None:
        """One object, or None where there is none.

        Raises:
            CliError: kubectl failed, with its own words.
        """
        arguments = ["get", kind, name, f"--namespace={namespace}", "--output=json"]
        text = self._run([*arguments, "--ignore-not-found"])
        return dict(json.loads(text)) if text.strip() else None

    def items(
        self, kinds: str, namespace: str = "", *, labels: str = "", name: str = ""
    ) -> list[dict[str, Any]]:
        """Objects of one kind or of several (`a,b`), of all namespaces where none is named.

        Raises:
            CliError: kubectl failed, with its own words.
        """
        where = f"--namespace={namespace}" if namespace else "--all-namespaces"
        arguments = ["get", kinds, where, "--output=json"]
        arguments += [f"--selector={labels}"] if labels else []
        arguments += [f"--field-selector=metadata.name={name}"] if name else []
        return list(json.loads(self._run(arguments))["items"])

    def names(self, kind: str, namespace: str) -> list[str]:
        """Names of the objects of a kind."""
        output = "--output=jsonpath={.items[*].metadata.name}"
        return self._run(["get", kind, f"--namespace={namespace}", output]).split()

    def output(self, arguments: Sequence[str]) -> str:
        """What `kubectl ARGUMENTS` prints.

        Raises:
            CliError: kubectl failed, with its own words.
        """
        return self._run(arguments)

    def _run(self, arguments: Sequence[str]) -> str:
        command = self.command(arguments)
        try:
            with patience.shown(f"kubectl {' '.join(arguments[:2])}"):
                done = subprocess.run(  # noqa: S603 - a list, no shell
                    command,
                    capture_output=True,
                    text=True,
                    timeout=self.timeout_seconds,
                    check=False,
                )
        except subprocess.TimeoutExpired as fault:
            raise errors.CliError(
                f"kubectl did not answer within {self.timeout_seconds} s: is the cluster reachable?"
            ) from fault
        if done.returncode != 0:
            raise errors.CliError(f"kubectl {arguments[0]}: {_words(done.stderr)}")
        return done.stdout


def _words(stderr: str) -> str:
    lines = [line for line in stderr.strip().splitlines() if not _KLOG.match(line)]
    return "\n".join(lines)[:500] or stderr.strip()[-500:]
