"""The agent's settings: each by flag or LOGHUB_* variable, the flag wins. Made by `cli`.

A field's docstring says what it is in; `cli` holds the flags' help.
"""

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True, slots=True)
class CoreSettings:
    """What the core is told at its start; None leaves it to the core's own default."""

    batch_bytes: int | None = None
    batch_logs: int | None = None
    batch_seconds: float | None = None
    queue_bytes_per_destination: int | None = None
    requests_per_destination: int | None = None
    max_line_bytes: int | None = None
    scan_seconds: float | None = None
    data_threads: int | None = None
    max_deleted_files: int | None = None
    max_open_files: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What both ways of running need."""

    state: pathlib.Path
    """The state directory: checkpoints of the core, memory of the control."""
    pods_dir: pathlib.Path
    """Where the kubelet keeps container logs."""
    root: pathlib.Path
    """Where the node's own files are, and those of containers' volumes."""
    node: str
    admin_listen: str
    """HOST:PORT, or empty for no admin port."""
    drain_seconds: float
    """How long the end may take to deliver what is in flight."""
    core: CoreSettings


@dataclasses.dataclass(frozen=True, slots=True)
class ClusterSettings:
    """What an agent in a cluster needs besides."""

    namespace: str
    """Where LogPipelines, credentials and reports are."""
    pool: str
    pool_uid: str
    """Of the CollectionAgent; empty leaves the report without an owner."""
    pod: str
    """The agent's own pod, for the report."""
    kubeconfig: pathlib.Path | None
    aliases: tuple[str, ...] = ()
    """Names of other collectors whose keys on pods count too."""


@dataclasses.dataclass(frozen=True, slots=True)
class StandaloneSettings:
    """What an agent without Kubernetes needs besides."""

    pipelines: pathlib.Path
    """Directory of YAML documents."""
    credentials: pathlib.Path | None
    once: bool
    """End when everything is read and acknowledged."""
