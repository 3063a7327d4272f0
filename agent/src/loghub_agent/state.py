"""What the control remembers on the node's disk, so that it can start with the API server away.

One file per watch beneath `<state>/control/`, rewritten whole: `{"format": 1, "scope": {…},
"resourceVersion": "…", "items": […]}`. `scope` names the installation, namespace and node that the
items belong to; a file of another scope is as good as none. Files are written under a temporary
name, synced and renamed, with mode 0600 because one of them holds credentials. The core keeps its
checkpoints beside them and neither reads the other's.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import threading
from collections.abc import Mapping
from typing import Any, Final

from loghub_agent import errors

FORMAT: Final = 1
"""Raised whenever an older agent could misread what a newer one wrote."""
MAX_FILE_BYTES: Final = 256 * 1024 * 1024
"""Bound on reading one file: 5,000 pipelines of 4 KB are 20 MB. A larger file is not ours."""
_FOLDER: Final = "control"


@dataclasses.dataclass(frozen=True, slots=True)
class Saved:
    """The content of one file."""

    resource_version: str
    items: list[Any]


class Directory:
    """The control's own folder in the state directory."""

    def __init__(self, state_dir: pathlib.Path, scope: Mapping[str, str]) -> None:
        """Create the folder where it is missing.

        Raises:
            StateError: the directory cannot be written.
        """
        self._folder = state_dir / _FOLDER
        self._scope = dict(scope)
        self._one_writer = threading.Lock()  # a cancelled save may still be running on its thread
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as fault:
            raise errors.StateError(
                f"the state directory {state_dir} cannot be used: {fault.strerror}; give --state "
                "(LOGHUB_STATE) a directory that this user may write"
            ) from fault

    def save(self, name: str, saved: Saved) -> None:
        """Replace the file `name` atomically.

        Raises:
            StateError: the disk refused; the former content is still there.
        """
        document = {
            "format": FORMAT,
            "scope": self._scope,
            "resourceVersion": saved.resource_version,
            "items": saved.items,
        }
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        final, draft = self._folder / f"{name}.json", self._folder / f"{name}.json.new"
        try:
            with self._one_writer:
                _write_synced(draft, text.encode("utf-8", "surrogatepass"))
                draft.replace(final)
                _sync_folder(self._folder)
        except OSError as fault:
            raise errors.StateError(f"{final} cannot be written: {fault.strerror}") from fault

    def load(self, name: str) -> Saved | None:
        """Return the content of the file `name`; None where there is none, or of another scope.

        Raises:
            StateError: the file is torn, too large, or of a format this agent does not know.
        """
        path = self._folder / f"{name}.json"
        try:
            with path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise errors.StateError(f"{path} cannot be read: {fault.strerror}") from fault
        if len(content) > MAX_FILE_BYTES:
            raise errors.StateError(f"{path} is larger than {MAX_FILE_BYTES} bytes; not used")
        try:
            document = json.loads(content.decode("utf-8", "surrogatepass"))
            if document["format"] != FORMAT:
                raise errors.StateError(
                    f"{path} has format {document['format']!r}, this agent knows {FORMAT}; not used"
                )
            saved = Saved(str(document["resourceVersion"]), list(document["items"]))
            scope = document["scope"]
        except (ValueError, KeyError, TypeError, RecursionError) as fault:
            raise errors.StateError(f"{path} is torn or not ours; not used") from fault
        return saved if scope == self._scope else None


def _write_synced(path: pathlib.Path, content: bytes) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()  # a draft left by a crash may have been made under another mode
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: pathlib.Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
