"""A way from this machine to a Service of the cluster: `kubectl port-forward`, as long as needed.

An endpoint outside the cluster is left as it is. Between `discovery` and `reading`.
"""

import contextlib
import re
import subprocess
import threading
from collections.abc import Iterator
from typing import IO, Final
from urllib.parse import urlsplit

from loghub_cli import errors, kubectl, patience

_IN_CLUSTER: Final = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)\.svc(\.cluster\.local)?")
_READY: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
READY_SECONDS: Final = 20
"""Until kubectl says that it listens."""
AGAIN_SECONDS: Final = 1.0
"""Between two tries to get a way back."""


@contextlib.contextmanager
def reachable(cluster: kubectl.Kubectl, endpoint: str) -> Iterator[str]:
    """`endpoint` itself, or one on this machine that leads to it while the context lasts.

    Raises:
        CliError: kubectl could not forward.
    """
    parts = urlsplit(endpoint)
    inside = _IN_CLUSTER.fullmatch(parts.hostname or "")
    if not inside:
        yield endpoint
        return
    service, namespace = inside.group(1), inside.group(2)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with _Forward(cluster, namespace, service, port) as local:
        yield f"{parts.scheme}://127.0.0.1:{local}"


class _Forward:
    """`kubectl port-forward`, begun again on the same port of this machine when it ends.

    It ends with the pod that it led to; whoever follows a Logstore outlives the service's restart.
    """

    def __init__(self, cluster: kubectl.Kubectl, namespace: str, service: str, port: int) -> None:
        self._cluster, self._service = cluster, service
        self._words = ["port-forward", f"--namespace={namespace}", f"service/{service}"]
        self._port = port
        self._leaving = threading.Event()

    def __enter__(self) -> int:
        self._process = self._start("")
        with patience.shown(f"forwarding to service {self._service}"):
            self._local = _port(self._process, self._service)
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()
        return self._local

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._process.terminate()
        self._keeper.join()

    def _start(self, local: str) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - a list, no shell
            self._cluster.command([*self._words, f"{local}:{self._port}"]),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _keep(self) -> None:
        while True:
            self._process.wait()
            if self._process.stderr:
                self._process.stderr.close()
            if self._leaving.wait(AGAIN_SECONDS):
                return
            self._process = self._start(str(self._local))
            if self._leaving.is_set():
                self._process.terminate()
            with contextlib.suppress(errors.CliError):
                # Not yet, as a rule: its pod is still starting.
                _port(self._process, self._service)


def _port(process: subprocess.Popen[str], service: str) -> int:
    deadline = threading.Timer(READY_SECONDS, process.kill)
    deadline.start()
    try:
        if process.stdout and (found := _READY.search(process.stdout.readline())):
            _drain(process.stdout)
            return int(found.group(1))
    finally:
        deadline.cancel()
    process.kill()
    _, words = process.communicate()
    raise errors.CliError(f"kubectl port-forward to service {service}: {words.strip()[:500]}")


def _drain(stream: IO[str]) -> None:
    # kubectl prints a line per connection; unread, a full pipe would stop it.
    threading.Thread(target=_read_away, args=(stream,), daemon=True).start()


def _read_away(stream: IO[str]) -> None:
    with stream:
        for _ in stream:
            pass
