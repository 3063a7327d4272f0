"""A command beside a service on port 80 whose names resolve, as clients that allow no port want it.

Run by tests as a program: in network and mount namespaces of its own, so that neither the machine's
port 80 nor its /etc/hosts is touched, and users other than root may do it too.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import ingest, places

PROJECTS = ("java-project", "node-project", "absent-project")
"""Those whose host names resolve."""


def run(
    command: Sequence[str], data: Path, *, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `command` to its end; the service logs every request to `service.log` beside `data`."""
    private = ["unshare", "--net", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    return subprocess.run(
        [*private, sys.executable, "-m", "harness.wellknown", str(data), *command],
        env={**os.environ, "PYTHONPATH": str(places.HARNESS.parent), **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def main() -> int:
    """Serve while the command runs; the exit status is the command's."""
    parser = argparse.ArgumentParser(prog="harness.wellknown", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.NamedTemporaryFile("w") as hosts:
        names = ["localhost", ingest.DOMAIN, *(f"{each}.{ingest.DOMAIN}" for each in PROJECTS)]
        hosts.write(f"127.0.0.1 {' '.join(names)}\n")
        hosts.flush()
        subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)
        service = ingest.Service(options.data, "--access-log", "all", port=80)
        service.start()
        try:
            return subprocess.run(options.command, check=False).returncode
        finally:
            service.stop()


if __name__ == "__main__":
    sys.exit(main())
