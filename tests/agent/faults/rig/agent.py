"""A real `loghub-agent run --pipelines` process, killed and started at will."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from harness import ingest, ports
from rig import arrivals

END_SECONDS = 60


class Agent:
    """One agent with its state directory; it may be started any number of times."""

    def __init__(self, home: Path, endpoint: str, logstore: str) -> None:
        self.endpoint = endpoint
        self.logstore = logstore
        self.home = home
        self.pods = home / "pods"
        self.state = home / "state"
        self.log = home / "agent.log"
        self._admin = ports.free_port()
        self._flags: list[str] = []
        self._before = 0
        """Characters that its log had when it was started last."""
        self.process: subprocess.Popen[bytes] | None = None
        self.peak_kib = 0
        for folder in (self.pods, home / "pipelines"):
            folder.mkdir(parents=True, exist_ok=True)
        key = ingest.ROOT_KEY
        (home / "credentials.yaml").write_text(
            f"key: {{accessKeyId: {key.access_key_id}, accessKeySecret: {key.access_key_secret}}}\n"
        )
        self.pipeline("lines")

    def pipeline(
        self, name: str, *, endpoint: str = "", logstore: str = "", rest: str = "", more: str = ""
    ) -> None:
        """Write a pipeline's document; a running agent takes it up."""
        draft = self.home / "draft"
        draft.write_text(
            f"""apiVersion: loghub.dev/v1alpha1
kind: LogPipeline
metadata: {{name: {name}}}
spec:
  version: 1
  destination:
    endpoint: {endpoint or self.endpoint}
    project: {arrivals.PROJECT}
    logstore: {logstore or self.logstore}
    region: loghub
    credentialsSecret: key
{more}{rest or "  input: {stdout: {}}"}
"""
        )
        draft.rename(self.home / "pipelines" / f"{name}.yaml")

    def start(self, *flags: str, through: tuple[str, ...] = ()) -> None:
        """Start it; `flags` are kept for the next start. `through` is a program that starts it."""
        self._flags = list(flags) or self._flags
        command = [*through, sys.executable, "-m", "loghub_agent", "run", "--pipelines"]
        command += [str(self.home / "pipelines"), "--credentials"]
        command += [str(self.home / "credentials.yaml"), "--state", str(self.state)]
        command += ["--pods-dir", str(self.pods), "--node-name", "node-1"]
        command += ["--admin-listen", f"127.0.0.1:{self._admin}", *self._flags]
        self._before = len(self.log.read_text()) if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env=dict(os.environ))

    def alive(self) -> bool:
        """Whether it runs; notes its peak memory."""
        assert self.process is not None
        if self.process.poll() is not None:
            return False
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                self.peak_kib = max(self.peak_kib, int(line.split()[1]))
        return True

    def kill(self) -> None:
        """End it as a crash does."""
        assert self.process is not None
        self.alive()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """End it in order; gives its exit status."""
        process = self.process
        assert process is not None
        # While the interpreter starts a signal ends it as it ends any program.
        until("it runs", lambda: process.poll() is not None or self.answers())
        self.alive()
        process.terminate()
        return process.wait(timeout=END_SECONDS)

    def metrics(self) -> str:
        """The page of metrics."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._admin}/metrics", timeout=5) as page:
            return str(page.read().decode())

    def answers(self) -> bool:
        """Whether it runs and says so."""
        try:
            return bool(self.metrics())
        except OSError:
            return False

    def metric(self, start: str) -> float:
        """The sum of the samples whose line begins so; 0 while there are none."""
        try:
            page = self.metrics()
        except OSError:
            return 0.0
        return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(start))

    def until_said(self, words: str) -> None:
        """Wait until its log says so since its start; a scrape makes it look at once."""
        until(words, lambda: self.answers() and words in self.log.read_text()[self._before :])


def until(
    what: str, look: Callable[[], object], *, seconds: float = 60, every: float = 0.1
) -> None:
    """Wait for a condition; the machine is slow, so deadlines are generous."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(every)
