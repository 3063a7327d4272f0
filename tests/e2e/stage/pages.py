"""The fenced blocks of the documents, and which test runs each of them.

`tests/docs` judges every block and holds this inventory; `tests/charts` runs those for which an API
server without nodes is enough, `tests/e2e` those that need a cluster, other tests the rest.
"""

import dataclasses
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    (
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/**/*.md"),
        ROOT / "README.md",
        ROOT / "charts" / "loghub" / "README.md",
        ROOT / "CONTRIBUTING.md",
    )
)

WAYS = {
    "yaml": "judged by the models and by a real API server: tests/docs, tests/charts",
    "apiserver": "run against a real API server without nodes: tests/charts/test_pages.py",
    "cluster": "run on a real cluster: tests/e2e/test_pages.py",
    "shop": "run on a real cluster, with the example's own images: tests/e2e/test_myorder.py",
    "machine": "run as processes of this machine: tests/docs/test_machine.py",
    "questions": "run against the real service: tests/examples/test_myorder.py",
    "replicas": "replicas on real brokers and PostgreSQL, started with these words: tests/kafka",
    "session": "a session with the SDK, run as a doctest: tests/ingest/test_sdk_page.py",
    "make": "targets of the Makefile, which CI runs; `make try` in tests/test_try.py",
    "bench": "minutes to hours of measuring; the figures beside it are its output",
    "outside": "needs what no test has; its words are parsed in tests/docs",
    "shown": "no command: a picture, a file or what a command prints",
}
"""What a block's way means. A comment `<!-- test: WAY -->` in the line above a block chooses it."""

_OF_A_PAGE = {
    "CONTRIBUTING.md": "make",
    "charts/loghub/README.md": "apiserver",
    "docs/replicas.md": "replicas",
    "docs/scale.md": "bench",
    "docs/scale-operator.md": "bench",
    "docs/virtual-machines.md": "machine",
    "examples/myorder/README.md": "questions",
}
"""The way of a page's commands, where it is not `cluster`."""

_BLOCK = re.compile(
    r"(?ms)^(?P<indent> *)(?:<!-- test: (?P<way>[^\n]+?) -->\n\s*)?"
    r"```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```"
)
FOLLOWING = re.compile(r"kubectl loghub (tail|console)|kubectl port-forward")
"""Commands that go on until somebody has seen enough."""
PATIENCE_SECONDS = 120.0


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str
    way: str
    """One of WAYS, perhaps with a reason in words behind a comma."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The shell's logical lines, without comments."""
        joined = self.text.replace("\\\n", " ").splitlines()
        stripped = (re.sub(r"\s+#\s.*$", "", each).strip() for each in joined)
        return [each for each in stripped if each and not each.startswith("#")]


def blocks(way: str = "") -> Iterator[Block]:
    """Every block of the pages, or those of one way."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        name = str(page.relative_to(ROOT))
        for found in _BLOCK.finditer(text):
            indent = len(found["indent"])
            lines = [each[indent:] for each in found["text"].splitlines()]
            line = text.count("\n", 0, found.start()) + 1
            chosen = found["way"] or _usual(name, found["language"])
            made = Block(name, line, found["language"], "\n".join(lines), chosen)
            if way in {"", made.way.partition(",")[0]}:
                yield made


def _usual(page: str, language: str) -> str:
    match language:
        case "yaml":
            return "yaml"
        case "python":
            return "session"
        case "sh":
            return _OF_A_PAGE.get(page, "cluster")
        case "":
            return "shown"
        case _:
            return ""


def run(command: str, folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """One command of a page in a shell: its exit status, and what it says.

    One that follows is interrupted once it has said something, which is its good end.
    """
    shell = ["bash", "-uo", "pipefail", "-c", command]
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', os.environ['PATH'])}"
    with tempfile.TemporaryFile() as said:
        started = subprocess.Popen(
            shell,
            cwd=folder,
            env={**os.environ, **environment, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        follows = FOLLOWING.match(command) is not None
        status = _followed(started, said.fileno()) if follows else started.wait(timeout=600)
        said.seek(0)
        return status, said.read().decode(errors="replace")


def _followed(started: subprocess.Popen[bytes], said: int) -> int:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while started.poll() is None and not os.fstat(said).st_size:
        if time.monotonic() > deadline:
            os.killpg(started.pid, signal.SIGKILL)
            raise AssertionError("it says nothing")
        time.sleep(0.2)
    if started.poll() is not None:
        return started.returncode
    os.killpg(started.pid, signal.SIGINT)
    status = started.wait(timeout=60)
    return 0 if status in {130, -signal.SIGINT} else status
