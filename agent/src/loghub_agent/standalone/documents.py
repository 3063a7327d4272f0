"""Reads LogPipeline documents and credentials from YAML files, again whenever a file changes.

`running` looks every second. A file that cannot be read keeps the pipelines it had, as a broken
object in a cluster does; what is wrong with it stands in `complaints`.
"""

import logging
import pathlib
from collections.abc import Mapping
from typing import Any, Final

import yaml

from loghub_agent import catalog, credentials, errors

_log = logging.getLogger(__name__)

MAX_FILE_BYTES: Final = 4 * 1024 * 1024
"""Bound on one file; an object in Kubernetes has at most 1.5 MiB."""
MAX_FILES: Final = 10_000
"""Bound on the files of the directory: twice the pipelines that a cluster is designed for."""
_SUFFIXES: Final = frozenset((".yaml", ".yml"))
_API_VERSION: Final = "loghub.dev/v1alpha1"
_MAX_GENERATION: Final = 2**63 - 1
_FIELDS: Final = frozenset(("apiVersion", "kind", "metadata", "spec"))

Signature = tuple[int, int, int]
"""Modification time in ns, size and inode: what tells that a file is another one than before."""


class _StrictLoader(yaml.SafeLoader):
    """YAML without silent surprises: a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a map, refusing a repeated key."""
        seen = set()
        for key_node, _ in node.value:
            key = getattr(key_node, "value", None)
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key if isinstance(key, str) else None)
        return super().construct_mapping(node, deep)


def load(path: pathlib.Path) -> list[Any]:
    """Return the YAML documents of a file, empty ones left out.

    Raises:
        RefusedError: it cannot be read, is too large or is no YAML.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise errors.RefusedError(f"{path} has over {MAX_FILE_BYTES} bytes; split it")
        documents = list(yaml.load_all(content, Loader=_StrictLoader))
    except OSError as fault:
        raise errors.RefusedError(f"{path} cannot be read: {fault.strerror}") from fault
    except (yaml.YAMLError, ValueError, RecursionError) as fault:
        reason = " ".join(str(fault).split())[:300]
        raise errors.RefusedError(f"{path} is no valid YAML: {reason}") from fault
    return [document for document in documents if document is not None]


def signature(path: pathlib.Path) -> Signature | None:
    """Return what tells this file from a later one; None where there is none."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


def _read_document(document: object, path: pathlib.Path) -> tuple[str, catalog.Version]:
    """Return the name and version of one document; only one without a name is refused here."""
    if not isinstance(document, dict):
        raise errors.RefusedError(f"{path} holds a document that is no map; remove it")
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(name, str) or not name:
        raise errors.RefusedError(f"{path} holds a document without metadata.name; give it one")
    subject = f"LogPipeline {name} in {path.name}"
    kind = document.get("apiVersion"), document.get("kind")
    if kind != (_API_VERSION, "LogPipeline"):
        raise errors.RefusedError(
            f"{subject}: apiVersion and kind are {kind[0]!r} and {kind[1]!r}; only {_API_VERSION} "
            "LogPipeline is read here"
        )
    unknown = sorted(str(key) for key in document if key not in _FIELDS)
    if unknown:
        raise errors.RefusedError(
            f"{subject}: {unknown[0][:80]} is not a field this agent knows; correct or remove it"
        )
    generation = metadata.get("generation", 1)
    if type(generation) is not int or not 0 < generation <= _MAX_GENERATION:
        raise errors.RefusedError(f"{subject}: metadata.generation must be a number from 1 on")
    version = catalog.read_version(
        document.get("spec"), name=name, namespace="", generation=generation
    )
    return name, version


class Documents:
    """The pipelines of a directory, file by file."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
        self._signatures: dict[pathlib.Path, Signature | None] = {}
        self._versions: dict[pathlib.Path, dict[str, catalog.Version]] = {}
        self._of_files: dict[pathlib.Path, list[str]] = {}
        self._of_directory = ""
        self._of_names: list[str] = []

    @property
    def complaints(self) -> list[str]:
        """Sentences about files and documents that are not used."""
        own = [self._of_directory] if self._of_directory else []
        own += [sentence for path in sorted(self._of_files) for sentence in self._of_files[path]]
        return own + self._of_names

    def look(self) -> bool:
        """Read what changed since the last look; say whether anything did."""
        try:
            paths = self._paths()
        except OSError as fault:
            sentence = f"{self._directory} cannot be read: {fault.strerror}"
            changed, self._of_directory = sentence != self._of_directory, sentence
            return changed
        self._of_directory = ""
        signatures = {path: signature(path) for path in paths}
        changed_paths = [
            path
            for path, seen in signatures.items()
            if path not in self._signatures or self._signatures[path] != seen
        ]
        gone_paths = self._signatures.keys() - signatures.keys()
        for path in gone_paths:
            self._versions.pop(path, None)
            self._of_files.pop(path, None)
        for path in changed_paths:
            self._read(path)
        self._signatures = signatures
        return bool(changed_paths or gone_paths)

    def _paths(self) -> list[pathlib.Path]:
        paths = sorted(
            path
            for path in self._directory.iterdir()
            if path.suffix in _SUFFIXES and not path.name.startswith(".")
        )
        if len(paths) > MAX_FILES:
            _log.warning("too many files; the rest is not read", extra={"limit": MAX_FILES})
        return paths[:MAX_FILES]

    def _read(self, path: pathlib.Path) -> None:
        try:
            documents = load(path)
        except errors.RefusedError as refusal:
            self._of_files[path] = [f"{refusal}; what it held before goes on"]
            return
        versions: dict[str, catalog.Version] = {}
        complaints: list[str] = []
        for document in documents:
            try:
                name, version = _read_document(document, path)
            except errors.RefusedError as refusal:
                complaints.append(str(refusal))
                continue
            if name in versions:
                complaints.append(f"{path} holds LogPipeline {name} twice; the last one counts")
            versions[name] = version
        self._versions[path] = versions
        self._of_files[path] = complaints

    def versions(self) -> Mapping[str, catalog.Version]:
        """Return every pipeline by name; of two files with the same name the first one counts."""
        merged: dict[str, catalog.Version] = {}
        self._of_names = []
        for path in sorted(self._versions):
            for name, version in self._versions[path].items():
                if name in merged:
                    self._of_names.append(
                        f"{path} holds LogPipeline {name}, which a file before it holds too; "
                        "rename one"
                    )
                merged.setdefault(name, version)
        return merged


class CredentialsFile:
    """The keys of `--credentials FILE`; a broken file leaves the former keys in use."""

    def __init__(self, path: pathlib.Path | None) -> None:
        self._path = path
        self._signature: Signature | None = None
        self._looked = False
        self.keys: Mapping[str, credentials.Key] = {}
        self.complaint = ""

    def look(self) -> bool:
        """Read the file where it changed since the last look; say whether it did."""
        if self._path is None:
            return False
        seen = signature(self._path)
        if self._looked and seen == self._signature:
            return False
        self._looked, self._signature = True, seen
        try:
            keys: dict[str, credentials.Key] = {}
            for document in load(self._path):
                keys |= credentials.from_document(document, subject=str(self._path))
            self.keys = keys
            self.complaint = ""
        except errors.RefusedError as refusal:
            self.complaint = str(refusal)
        return True
