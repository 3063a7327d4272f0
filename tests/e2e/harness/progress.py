"""Progress lines with the time since the command began, so that a slow step is seen as it runs."""

import sys
import time

STARTED = time.monotonic()
"""When this command began; every line counts from here."""


def say(sentence: str) -> None:
    """Print one line such as `[3.2s] node-1 is Ready` on stderr (stdout is for answers)."""
    print(f"[{time.monotonic() - STARTED:.1f}s] {sentence}", file=sys.stderr, flush=True)
