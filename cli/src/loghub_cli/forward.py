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

from loghub_cli import errors, kubectl

_IN_CLUSTER: Final = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)\.svc(\.cluster\.local)?")
_READY: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")
READY_SECONDS: Final = 20
"""Until kubectl says that it listens."""


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
    arguments = ["port-forward", f"--namespace={namespace}", f"service/{service}", f":{port}"]
    process = subprocess.Popen(  # noqa: S603 - a list, no shell
        cluster.command(arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield f"{parts.scheme}://127.0.0.1:{_port(process, service)}"
    finally:
        process.terminate()
        process.communicate()


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
    words = process.stderr.read() if process.stderr else ""
    raise errors.CliError(f"kubectl port-forward to service {service}: {words.strip()[:500]}")


def _drain(stream: IO[str]) -> None:
    # kubectl prints a line per connection; unread, a full pipe would stop it.
    threading.Thread(target=lambda: list(stream), daemon=True).start()
