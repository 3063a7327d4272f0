"""One machine of the local cluster from outside: bring its supervisor up, talk to it, kill it.

`network` has made the network namespace before; `nodes` and `servers` say what then runs in it.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness import places, waiting
from harness.layout import Machine
from harness.trouble import TroubleError

SUPERVISOR = places.HARNESS / "supervisor.py"

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""A machine of its own inherits nothing else from the shell of whoever started it."""

START_SECONDS = 20
KILL_SECONDS = 30
"""The kernel ends a few hundred processes in well under a second; mounts take their time."""


def launch(machine: Machine, mounts: list[dict[str, str]]) -> None:
    """Start the supervisor of `machine` in its namespaces, and return when it answers."""
    machine.data.mkdir(parents=True, exist_ok=True)
    # A copy: the machine must not depend on the work tree that started it.
    program = _program(machine)
    shutil.copyfile(SUPERVISOR, program)
    enter = ["nsenter", f"--net={machine.namespace}", "unshare", "--mount", "--pid", "--fork"]
    enter += ["--kill-child", "--mount-proc", "--propagation", "private"]
    python = [sys.executable, "-I", "-S", str(program), str(_socket(machine)), json.dumps(mounts)]
    log = machine.data / "supervisor.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*enter, *python],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            env={"PATH": SEARCH_PATH, "HOME": "/"},
            start_new_session=True,
        )

    def answers() -> bool:
        if process.poll() is not None:
            raise TroubleError(f"{machine.name} ended at once: {log.read_text()[-1500:]}")
        return isinstance(ask(machine, do="status"), dict)

    waiting.until(f"the supervisor of {machine.name} answers", answers, seconds=START_SECONDS)


def ask(machine: Machine, **request: Any) -> dict[str, Any]:
    """One request to the supervisor; OSError when there is none, TroubleError when it says no."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(_socket(machine)))
        with connection.makefile("rwb") as stream:
            stream.write(json.dumps(request).encode() + b"\n")
            stream.flush()
            reply: dict[str, Any] = json.loads(stream.readline() or b"{}")
    if "error" in reply:
        raise TroubleError(f"{machine.name}: {reply['error']}")
    return reply


def start(machine: Machine, name: str, command: list[str]) -> None:
    """Start service `name` on `machine`, logging to its data directory; nothing if it runs."""
    ask(machine, do="start", name=name, command=command, log=str(log(machine, name)))


def log(machine: Machine, name: str) -> Path:
    """Where service `name` writes."""
    return machine.data / f"{name}.log"


def dead(machine: Machine) -> list[str]:
    """Services that were started on `machine` and run no more; OSError where it is down."""
    status = ask(machine, do="status")
    return [name for name, each in status.items() if each["status"] is not None]


def inside(machine: Machine) -> list[str]:
    """The command line prefix that runs a program in all namespaces of `machine`.

    Errors: TroubleError when the machine is down.
    """
    init = _init(machine)
    if init is None:
        raise TroubleError(f"{machine.name} is not running; `make cluster` starts it")
    return ["nsenter", f"--target={init}", "--net", "--mount", "--pid", "--"]


def kill(machine: Machine) -> None:
    """End everything on `machine` by killing its PID 1, and wait until the kernel is done."""
    for pid, around in sorted(_supervisors(machine).items(), key=lambda each: each[1]):
        with contextlib.suppress(ProcessLookupError):
            # PID 1 first: it is a zombie, and then gone, only when all of its namespace is.
            # --kill-child covers an `unshare` that has no child yet.
            os.kill(pid, signal.SIGKILL)
            if not around:
                break
    waiting.until(
        f"all processes of {machine.name} are gone",
        lambda: not _supervisors(machine),
        seconds=KILL_SECONDS,
    )


def _socket(machine: Machine) -> Path:
    return machine.run / "control"


def _program(machine: Machine) -> Path:
    return machine.run / "supervisor.py"


def _init(machine: Machine) -> int | None:
    found = _supervisors(machine).items()
    return next((pid for pid, around in found if not around), None)


def _supervisors(machine: Machine) -> dict[int, bool]:
    """Living processes of the supervisor: pid -> whether it is the `unshare` around PID 1.

    Found by their command lines, which hold the paths of this machine: no file of pids can be
    stale, or be missing because `up` was killed before it could write it.
    """
    marks = {str(_program(machine)), str(_socket(machine))}
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            words = _command_line(entry)
            if marks <= set(words):
                found[int(entry.name)] = words[0] in {"nsenter", "unshare"}
    return found


def _command_line(process: Path) -> list[str]:
    """The words of a process; none when it is gone or a zombie."""
    try:
        return (process / "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
