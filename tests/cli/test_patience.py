"""A person who waits is told for what, and a pipe never is."""

import os
import pty
import subprocess
import sys

WAITING = """
import sys, time
from loghub_cli import patience
patience.QUIET_SECONDS = 0.1
with patience.shown("asking"):
    time.sleep(float(sys.argv[1]))
print("done")
"""


def shown(seconds: str, *, terminal: bool) -> tuple[str, bytes]:
    """Standard output, and what standard error had."""
    reader, writer = pty.openpty() if terminal else os.pipe()
    done = subprocess.run(
        [sys.executable, "-c", WAITING, seconds], stdout=subprocess.PIPE, stderr=writer, check=True
    )
    os.set_blocking(reader, False)
    try:
        said = os.read(reader, 65536)
    except BlockingIOError:
        said = b""
    finally:
        os.close(reader)
        os.close(writer)
    return done.stdout.decode(), said


def test_long_wait_is_told_on_a_terminal_and_wiped_away():
    out, said = shown("1", terminal=True)
    assert out == "done\n"
    assert b"\r\x1b[Kasking ... 1 s" in said
    assert said.endswith(b"\r\x1b[K")


def test_short_wait_is_not_worth_a_word():
    assert shown("0", terminal=True)[1] == b""


def test_pipe_has_nothing_of_it():
    assert shown("0.5", terminal=False)[1] == b""
