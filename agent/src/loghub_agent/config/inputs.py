"""What a pipeline reads: containers' own output, or files by their paths. Read by `raw`.

Paths are patterns that the core compiles (`patterns.rs`); here their form is judged.
"""

import dataclasses
import json
from typing import Final

from loghub_agent.config import limits, reading

STREAMS: Final = ("Stdout", "Stderr")
ENCODINGS: Final = ("UTF8", "GBK")
STARTS: Final = ("Beginning", "End")
INPUTS: Final = ("stdout", "containerFiles", "nodeFiles")


@dataclasses.dataclass(frozen=True, slots=True)
class Files:
    """Files that programs write themselves."""

    of_node: bool
    """Whether the paths are the node's; else a container's."""
    paths: tuple[str, ...]
    exclude: tuple[str, ...]
    max_depth: int
    encoding: str
    tail_bytes: int | None
    """Of files that are there at the first look, how much is read; None is all."""

    def text(self) -> str:
        """JSON text of the core's `files` without braces and mounts."""
        document = {
            "paths": self.paths,
            "exclude": self.exclude,
            "maxDepth": self.max_depth,
            "encoding": self.encoding,
            "tailBytes": self.tail_bytes,
            "linksAnywhere": not self.of_node,
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"))[1:-1]


@dataclasses.dataclass(frozen=True, slots=True)
class Input:
    """Exactly one of them."""

    streams: tuple[str, ...] = ()
    files: Files | None = None


def read(section: reading.Section) -> Input:
    """Read `spec.input`."""
    found = {name: section.section(name) for name in INPUTS}
    section.end()
    given = {name: each for name, each in found.items() if each is not None}
    if len(given) != 1:
        names = " and ".join(given) or "nothing"
        section.refuse("", f"has {names}; it must have exactly one of {', '.join(INPUTS)}")
    [(name, chosen)] = given.items()
    if name == "stdout":
        return Input(streams=_streams(chosen))
    return Input(files=_files(chosen, of_node=name == "nodeFiles"))


def _streams(stdout: reading.Section) -> tuple[str, ...]:
    streams = stdout.texts("streams") or STREAMS
    for index, stream in enumerate(streams):
        if stream not in STREAMS:
            stdout.refuse(f"streams[{index}]", f"is {stream[:80]!r}; it must be Stdout or Stderr")
    stdout.end()
    return streams


def _files(section: reading.Section, *, of_node: bool) -> Files:
    start = section.choice("startAt", STARTS, "Beginning")
    tail = section.whole("tailBytes", limits.TAIL_BYTES, 0)
    files = Files(
        of_node=of_node,
        paths=_paths(section, "paths"),
        exclude=_paths(section, "exclude"),
        max_depth=section.whole("maxDepth", limits.FILES_DEPTH, limits.DEFAULT_FILES_DEPTH),
        encoding=section.choice("encoding", ENCODINGS, "UTF8"),
        tail_bytes=tail if start == "End" else None,
    )
    section.end()
    if not files.paths:
        section.refuse("paths", "is empty; name at least one file, as /var/log/app/*.log")
    if tail and start != "End":
        section.refuse("tailBytes", "needs startAt: End; set it, or remove tailBytes")
    return files


def _paths(section: reading.Section, key: str) -> tuple[str, ...]:
    paths = section.texts(key)
    if len(paths) > limits.FILES_PATHS:
        section.refuse(key, f"has {len(paths)} paths; at most {limits.FILES_PATHS} are allowed")
    for index, path in enumerate(paths):
        if not path.startswith("/") or ".." in path.split("/"):
            section.refuse(
                f"{key}[{index}]", f"is {path[:80]!r}; it must be an absolute path without '..'"
            )
    return paths
