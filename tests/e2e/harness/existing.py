"""The provider for a cluster of somebody else: we only find its kubeconfig."""

import os
from pathlib import Path

from harness import shell
from harness.kubectl import Kubectl
from harness.trouble import TroubleError

NOT_OURS = "the existing cluster is not the harness' to change"


class Existing:
    """The cluster that $KUBECONFIG, or ~/.kube/config, points to."""

    name = "existing"

    @property
    def kubeconfig(self) -> Path:
        """The file; TroubleError where there is none."""
        path = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
        if not path.is_file():
            raise TroubleError(f"{path}: no such kubeconfig; set KUBECONFIG to a cluster's")
        return path

    def up(self) -> None:
        """Nothing to do but see that it answers."""
        ailment = self.ailment()
        if ailment is not None:
            raise TroubleError(f"the existing cluster {ailment}")

    def down(self) -> None:
        """Leave it as it is."""

    def ailment(self) -> str | None:
        """None when its API server answers."""
        answers = shell.succeeds(Kubectl(self.kubeconfig).command("get", "--raw=/readyz"))
        return None if answers else "does not answer"

    def build_image(self, tag: str, file: Path, context: Path, arguments: list[str]) -> None:
        """Refused: we cannot know what it could pull."""
        raise TroubleError(
            f"{NOT_OURS}: build {tag} from {file}, push it where the cluster pulls from, "
            "and set the chart's image values"
        )

    def has_image(self, tag: str) -> bool:
        """We know of none."""
        return False

    def load_images(self, tags: list[str]) -> None:
        """Refused, as above."""
        raise TroubleError(f"{NOT_OURS}: it pulls {', '.join(tags)} from a registry of its own")

    def recycle_volumes(self) -> None:
        """Nothing to do: its storage class provisions volumes."""

    def inside(self, machine: str) -> list[str]:
        """Refused."""
        raise TroubleError(f"{NOT_OURS}, so there is no way into {machine}")

    def kill_container(self, node: str, identity: str) -> None:
        """Refused."""
        raise TroubleError(f"{NOT_OURS}, so nothing on {node} can be killed")

    def service(self, machine: str, name: str, verb: str) -> None:
        """Refused."""
        raise TroubleError(f"{NOT_OURS}: {name} of {machine} stays as it is")

    def link(self, machine: str, *, up: bool) -> None:
        """Refused."""
        raise TroubleError(f"{NOT_OURS}: the network of {machine} stays as it is")
