"""What the harness offers to pytest: `from harness.fixtures import control_plane` in a conftest.

Mark the tests `apiserver`. Each test makes a namespace of its own: the control plane is shared.
"""

import shutil
from collections.abc import Iterator

import pytest

from harness.control_plane import ControlPlane


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A real API server without nodes, one per session."""
    if shutil.which("go") is None:
        pytest.skip("a real API server is built from source, and there is no `go` on PATH")
    with ControlPlane() as running:
        yield running
