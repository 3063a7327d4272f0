"""A command for which a running service has port 80 and a name, as clients that allow no port want.

The command runs in network and mount namespaces of its own; there port 80 leads, through a Unix
socket that both sides see, to the service's real port. Run as a program it is the inner side.
"""

import argparse
import contextlib
import os
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness import places

CHUNK_BYTES = 64 * 1024


class _Pipe(socketserver.BaseRequestHandler):
    """Carries one connection to the server's target and back."""

    def handle(self) -> None:
        with self.server.connect() as onward:  # type: ignore[attr-defined]
            back = threading.Thread(target=_carry, args=(onward, self.request))
            back.start()
            _carry(self.request, onward)
            # A client that is done has read its answer: none of them closes one side alone.
            with contextlib.suppress(OSError):
                onward.shutdown(socket.SHUT_RDWR)
            back.join()


class _Outer(socketserver.ThreadingUnixStreamServer):
    port = 0

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port))


class _Inner(socketserver.ThreadingTCPServer):
    daemon_threads = True  # It ends with its command.
    path = ""

    def connect(self) -> socket.socket:
        onward = socket.socket(socket.AF_UNIX)
        onward.connect(self.path)
        return onward


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            target.sendall(chunk)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def run(
    command: Sequence[str],
    port: int,
    names: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    seconds: float = 110,
) -> subprocess.CompletedProcess[str]:
    """Run `command` to its end; `http://NAME` for each name is the service on `port`."""
    private = ["unshare", "--net", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    with tempfile.TemporaryDirectory(prefix="relay") as place:
        outer = _Outer(f"{place}/socket", _Pipe)
        outer.port = port
        words = [sys.executable, "-m", "harness.relay", f"{place}/socket", ",".join(names)]
        with _serving(outer):
            return subprocess.run(
                [*private, *words, *command],
                env={**os.environ, "PYTHONPATH": str(places.HARNESS.parent), **(environment or {})},
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
            )


def main() -> int:
    """The inner side: names and port 80, then the command; the exit status is the command's."""
    parser = argparse.ArgumentParser(prog="harness.relay", description=__doc__)
    parser.add_argument("socket", type=Path)
    parser.add_argument("names")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.NamedTemporaryFile("w") as hosts:
        hosts.write(f"127.0.0.1 localhost {options.names.replace(',', ' ')}\n")
        hosts.flush()
        subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)
        inner = _Inner(("127.0.0.1", 80), _Pipe)
        inner.path = str(options.socket)
        with _serving(inner):
            return subprocess.run(options.command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
