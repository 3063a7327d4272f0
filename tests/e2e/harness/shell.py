"""Running other programs, with their last words in the error when they fail."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.trouble import TroubleError

LAST_WORDS = 3000
"""Characters of a failed program's output that the error repeats."""


def run(command: Sequence[str | Path], *, text: str | None = None, seconds: float = 600) -> str:
    """Run `command` with `text` as its input and return its stdout.

    Errors: TroubleError with the end of what it said, when it fails, is missing or takes too long.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, input=text, capture_output=True, text=True, check=False, timeout=seconds
        )
    except FileNotFoundError as error:
        raise TroubleError(f"{words[0]}: not installed, or not on PATH") from error
    except subprocess.TimeoutExpired as error:
        raise TroubleError(f"`{' '.join(words)[:200]}` took longer than {seconds:g} s") from error
    if done.returncode:
        said = (done.stdout + done.stderr)[-LAST_WORDS:].strip()
        raise TroubleError(f"`{' '.join(words)[:300]}` failed ({done.returncode}):\n{said}")
    return done.stdout


def succeeds(command: Sequence[str | Path]) -> bool:
    """Whether `command` ends with status 0; its output is of no interest."""
    words = [str(word) for word in command]
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
