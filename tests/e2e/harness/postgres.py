"""A real PostgreSQL on a Unix socket and loopback, with its data in a temporary directory.

Debian's own package; where it is missing and root runs, apt-get installs it. The server refuses to
run as root, so it runs as the user that the package made.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from harness import packages, waiting
from harness.ports import free_port
from harness.trouble import TroubleError

NEEDED = {"/usr/lib/postgresql": "postgresql"}
USER = "postgres"


class Postgres:
    """One server; `url` is that of a fresh database of each name."""

    def __init__(self) -> None:
        packages.install_missing(NEEDED, "tests with PostgreSQL")
        self.programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
        # Not below a test's directory: those are shut for every other user, again and again.
        self.directory, self.port = Path(tempfile.mkdtemp(prefix="loghub-postgres-")), free_port()
        self.log = self.directory / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        if os.geteuid() == 0:
            shutil.chown(self.directory, USER, USER)
        self._run("initdb", "--auth=trust", "--no-sync", "-U", USER, "-D", str(self._data))

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _user(self) -> str | None:
        return USER if os.geteuid() == 0 else None

    def start(self) -> None:
        """Start it and wait until it answers."""
        waiting.until("PostgreSQL answers", lambda: self._runs() and self._answers())

    def _runs(self) -> bool:
        # After a kill it refuses to start while a process of before is still there.
        if self._process is not None and self._process.poll() is None:
            return True
        command = [str(self.programs / "postgres"), "-D", str(self._data)]
        command += ["-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.directory)]
        # Processes are killed here, not machines; syncing every file of a crashed data directory
        # takes minutes on a busy disk.
        command += ["-c", "max_connections=200", "-c", "fsync=off"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, user=self._user, cwd="/", start_new_session=True
            )
        return True

    def database(self) -> str:
        """The address of a new, empty database."""
        self._made += 1
        name = f"test{self._made}"
        at = ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER]
        self._run("createdb", *at, name)
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def kill(self) -> None:
        """End it at once, as a crash does."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it in order, and remove what it kept."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait()
        shutil.rmtree(self.directory)

    def _answers(self) -> bool:
        at = ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER]
        done = subprocess.run([self.programs / "pg_isready", *at], capture_output=True, check=False)
        return done.returncode == 0

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [self.programs / program, *words],
            capture_output=True,
            text=True,
            check=False,
            user=self._user,
            cwd="/",
        )
        if done.returncode:
            raise TroubleError(f"{program} failed:\n{(done.stdout + done.stderr)[-2000:]}")
