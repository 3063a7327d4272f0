"""A real `loghub-ingest` process on loopback, killed and started at will.

For every test that needs something to write to: the agent's, the operator's, the service's own.
"""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from harness.ports import free_port
from slswire.client import Client, Endpoint
from slswire.signature import Credentials

ROOT_KEY = Credentials("root-id", "root-secret")
DOMAIN = "sls.test"
"""The service's name; clients reach it through a proxy variable, since no resolver knows it."""


class Service:
    """`loghub-ingest serve` on a data directory, with `options` more of its flags."""

    def __init__(self, data: Path, *options: str, port: int | None = None) -> None:
        self.data, self.options = data, options
        self.port, self.admin_port = port or free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.log = data.parent / "service.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, key: Credentials = ROOT_KEY, **options: str) -> Client:
        return Client(Endpoint(self.url, **options), key)

    def command(self) -> list[str]:
        return [sys.executable, "-m", "loghub_ingest"]

    def storage(self) -> list[str]:
        """The flags that say where everything is kept."""
        return ["--data", str(self.data)]

    def start(self) -> None:
        command = [*self.command(), "serve", *self.storage()]
        command += ["--listen", f"127.0.0.1:{self.port}", "--service-name", DOMAIN]
        command += ["--service-name", "127.0.0.1"]
        command += ["--admin-listen", f"127.0.0.1:{self.admin_port}", *self.options]
        environment = os.environ | {
            "LOGHUB_ROOT_ACCESS_KEY_ID": ROOT_KEY.access_key_id,
            "LOGHUB_ROOT_ACCESS_KEY_SECRET": ROOT_KEY.access_key_secret,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stderr=log)
        try:
            self._until_ready(self.process)
        except BaseException:
            self.kill()  # whoever failed to start it does not end it
            raise

    def _until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 60
        while not self.ready():
            assert process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/readyz", timeout=2):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=30)


class Replica(Service):
    """One of many, on the brokers and the catalogue of `where`; `data` holds its key and log."""

    def __init__(self, data: Path, where: str, *options: str, port: int | None = None) -> None:
        super().__init__(data, *options, port=port)
        self.where = where
        data.mkdir(parents=True, exist_ok=True)
        self.log = data / f"replica-{self.port}.log"

    def storage(self) -> list[str]:
        return ["--storage", self.where, "--key-file", str(self.data / "secrets.key")]
