"""Images as files in the cache: one OCI archive per tag, and the image id it was made from.

`images` writes them; providers read them into a cluster.
"""

from pathlib import Path

from harness import places
from harness.trouble import TroubleError

KEPT = 2
"""Archives kept per repository: this build's, and the one before it to compare with. A tag may
change with every line of source, and each archive has a hundred megabytes."""


def file_name(tag: str) -> str:
    """`tag` as a file name: loghub.local/agent:0.1.0 -> loghub.local_agent_0.1.0."""
    return tag.replace("/", "_").replace(":", "_")


def archive(tag: str) -> Path:
    """The OCI archive of `tag`, which need not exist."""
    return places.images() / f"{file_name(tag)}.tar"


def identity(tag: str) -> str:
    """What tells one build of `tag` from the next; empty when there is none."""
    note = _note(tag)
    return note.read_text(encoding="ascii").strip() if note.exists() else ""


def record(tag: str, identity: str) -> None:
    """Note that the archive of `tag` now holds `identity`. Call it when the archive is complete."""
    _note(tag).write_text(identity + "\n", encoding="ascii")
    (places.images() / f"{file_name(tag)}.tag").write_text(tag + "\n", encoding="ascii")


def outdated() -> list[str]:
    """Tags that are not among the newest KEPT of their repository, and so may go."""
    by_repository: dict[str, list[str]] = {}
    for tag in sorted(tags(), key=lambda tag: archive(tag).stat().st_mtime, reverse=True):
        by_repository.setdefault(tag.rpartition(":")[0], []).append(tag)
    return [tag for newest_first in by_repository.values() for tag in newest_first[KEPT:]]


def newest() -> list[str]:
    """The newest tag of each repository."""
    found: dict[str, str] = {}
    for tag in sorted(tags(), key=lambda tag: archive(tag).stat().st_mtime):
        found[tag.rpartition(":")[0]] = tag
    return sorted(found.values())


def delete(tag: str) -> None:
    """Remove the archive of `tag`."""
    forget(tag)
    archive(tag).unlink(missing_ok=True)
    (places.images() / f"{file_name(tag)}.tag").unlink(missing_ok=True)


def forget(tag: str) -> None:
    """The archive of `tag` is about to be written anew."""
    _note(tag).unlink(missing_ok=True)


def tags() -> list[str]:
    """Every tag with a complete archive."""
    found = sorted(places.images().glob("*.tag"))
    names = [file.read_text(encoding="ascii").strip() for file in found]
    return [tag for tag in names if identity(tag)]


def existing(tag: str) -> Path:
    """The archive of `tag`; TroubleError when it was never built."""
    if not identity(tag):
        raise TroubleError(f"{tag} was never built here; `harness build-image --tag {tag}` does")
    return archive(tag)


def _note(tag: str) -> Path:
    return places.images() / f"{file_name(tag)}.id"
