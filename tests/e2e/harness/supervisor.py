"""PID 1 of one machine of the local cluster: mounts, then starts and stops what it is told to.

Runs as a script in fresh network, mount and PID namespaces, and imports nothing of this package,
so that it keeps working when the work tree it came from is gone. Killing it ends the machine: the
kernel then kills everything in its PID namespace and drops its mounts. `units` talks to it over a
Unix socket, one JSON line each way.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

REQUEST_BYTES = 1 << 20
"""A request is a command line; a megabyte is far beyond any."""

STOP_SECONDS = 20
"""How long a stopped service may take to be gone; SIGKILL needs milliseconds."""

Reply = dict[str, Any]


class Service:
    """A command line, its log, and the process of its last start."""

    def __init__(self, command: list[str], log: str) -> None:
        self.command = command
        self.log = log
        self.pid = 0
        self.status: int | None = None

    def start(self) -> None:
        """Fork and execute; the process leads a session of its own."""
        with Path(self.log).open("ab") as out:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        # Every child is reaped in one place (`reap`), so Popen must not wait for this one as well.
        process.returncode = 0
        self.pid, self.status = process.pid, None

    @property
    def running(self) -> bool:
        return self.pid != 0 and self.status is None


class Supervisor:
    """The services of this machine by name."""

    def __init__(self) -> None:
        self.services: dict[str, Service] = {}

    def reap(self) -> None:
        """Collect the dead: services, and orphans that the kernel gave to PID 1."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for service in self.services.values():
                if service.pid == pid:
                    service.status = os.waitstatus_to_exitcode(status)

    def answer(self, request: dict[str, Any]) -> Reply:
        """Do what one request says. Raises KeyError for a name that was never started."""
        verb = request["do"]
        if verb == "start":
            return self.start(request["name"], request.get("command"), request.get("log", ""))
        if verb == "stop":
            return self.stop(request["name"], request.get("signal", signal.SIGKILL))
        if verb == "status":
            services = self.services.items()
            return {name: {"pid": s.pid, "status": s.status} for name, s in services}
        return {"error": f"{verb}: no such verb"}

    def start(self, name: str, command: list[str] | None, log: str) -> Reply:
        """Start `name`, with the command of its last start where none is given."""
        if command is not None:
            known = self.services.get(name)
            if known is None or not known.running:
                self.services[name] = Service(command, log)
        service = self.services[name]
        if not service.running:
            service.start()
        return {"pid": service.pid}

    def stop(self, name: str, number: int) -> Reply:
        """Signal `name` and wait until it is gone."""
        service = self.services[name]
        if service.running:
            os.kill(service.pid, number)
        deadline = time.monotonic() + STOP_SECONDS
        while service.running:
            if time.monotonic() > deadline:
                return {"error": f"{name} still runs {STOP_SECONDS} s after signal {number}"}
            time.sleep(0.01)
            self.reap()
        return {"status": service.status}


def mount(mounts: list[dict[str, str]]) -> None:
    """Make this machine's own view of the file system: a list of tmpfs and bind mounts."""
    subprocess.run(["mount", "--make-rshared", "/"], check=True)
    for each in mounts:
        target = each["target"]
        Path(target).mkdir(parents=True, exist_ok=True)
        if "source" in each:
            Path(each["source"]).mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "--bind", each["source"], target], check=True)
        else:
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", target], check=True)
        # A peer group of its own: what the kubelet mounts here must reach containers, not the
        # outer machine.
        subprocess.run(["mount", "--make-private", target], check=True)
        subprocess.run(["mount", "--make-rshared", target], check=True)


def serve(listener: socket.socket, wake: socket.socket) -> None:
    """Answer requests and reap children, for ever."""
    supervisor = Supervisor()
    while True:
        ready, _, _ = select.select([listener, wake], [], [])
        if wake in ready:
            wake.recv(4096)
        supervisor.reap()
        if listener in ready:
            connection, _ = listener.accept()
            with connection:
                converse(supervisor, connection)


def converse(supervisor: Supervisor, connection: socket.socket) -> None:
    """One request, one answer; a bad request is answered, never fatal: PID 1 must not end."""
    try:
        connection.settimeout(5)
        with connection.makefile("rwb") as stream:
            request = json.loads(stream.readline(REQUEST_BYTES))
            try:
                reply = supervisor.answer(request)
            except (KeyError, OSError) as error:
                reply = {"error": f"{type(error).__name__}: {error}"}
            stream.write(json.dumps(reply).encode() + b"\n")
    except (OSError, ValueError) as error:
        print(f"broken request: {error}", file=sys.stderr, flush=True)


def main() -> None:
    """usage: supervisor.py SOCKET MOUNTS, with MOUNTS a JSON list of {target, source}."""
    path, mounts = sys.argv[1], json.loads(sys.argv[2])
    # Bound before the mounts: one of them hides the directory the socket lies in.
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    wake, alarm = socket.socketpair()
    alarm.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(alarm.fileno(), warn_on_full_buffer=False)
    mount(mounts)
    listener.listen(16)
    serve(listener, wake)


if __name__ == "__main__":
    main()
