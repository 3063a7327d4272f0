"""Which kind of cluster: kind, our own local one, or one that exists already.

The same verbs on all three, so that the same tests run on all; what one cannot do it says.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from harness import kind, local, progress
from harness.existing import Existing
from harness.kind import Kind
from harness.local import Local
from harness.trouble import TroubleError


class Provider(Protocol):
    """What every provider offers; each verb raises TroubleError for what it cannot do."""

    name: str

    @property
    def kubeconfig(self) -> Path: ...
    def up(self) -> None: ...
    def down(self) -> None: ...
    def ailment(self) -> str | None: ...
    def build_image(self, tag: str, file: Path, context: Path, arguments: list[str]) -> None: ...
    def has_image(self, tag: str) -> bool: ...
    def load_images(self, tags: list[str]) -> None: ...
    def recycle_volumes(self) -> None: ...
    def inside(self, machine: str) -> list[str]: ...
    def kill_container(self, node: str, identity: str) -> None: ...
    def service(self, machine: str, name: str, verb: str) -> None: ...
    def link(self, machine: str, *, up: bool) -> None: ...


KINDS: dict[str, Callable[[], Provider]] = {"kind": Kind, "local": Local, "existing": Existing}


def choose(name: str) -> Provider:
    """The provider called `name`; for `auto`, kind where it works, else the local cluster.

    Errors: TroubleError when this machine can do neither.
    """
    if name != "auto":
        return KINDS[name]()
    without_kind = kind.possible()
    if without_kind is None:
        progress.say("CLUSTER=auto: kind")
        return Kind()
    without_local = local.possible()
    if without_local is None:
        return Local()
    raise TroubleError(
        f"no cluster can be made here: not by kind, since {without_kind}; not the local one, since "
        f"{without_local}. Or name one of yours: CLUSTER=existing KUBECONFIG=..."
    )
