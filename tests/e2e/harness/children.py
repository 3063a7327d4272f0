"""A server that ends with the test run that started it, however that run ends.

A test runner that is killed cannot clean up. So each child stands under a shell that holds the read
end of a pipe of ours: when we are gone, the pipe closes, and the shell kills the child.
"""

import subprocess
from pathlib import Path
from typing import Self

from harness.trouble import TroubleError

GUARD = (
    'exec 3<&0; "$@" 3<&- </dev/null & child=$!; '
    '{ read -r _ <&3; kill -9 "$child"; } 2>/dev/null & exec 3<&-; wait "$child"'
)

TAIL_BYTES = 3000
"""How much of a dead child's log an error shows."""


class Child:
    """One running server with its log file."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.name = Path(command[0]).name
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", GUARD, "guard", *command],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def check(self) -> Self:
        """Return itself while it runs; TroubleError with the end of its log when it has died."""
        if self._process.poll() is not None:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
                tail = log.read().decode("utf-8", "replace")
            raise TroubleError(f"{self.name} ended by itself; the end of {self.log}:\n{tail}")
        return self

    def kill(self) -> None:
        """End it at once and wait until it is gone, so that its port is free again."""
        # The guard kills the child when the pipe closes, and ends itself once it has reaped it.
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
