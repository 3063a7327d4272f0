"""Kubeconfig files: how kubectl, Helm and the programs under test find an API server.

Certificates are put inside the file, so that it can be copied to wherever it is wanted.
"""

import base64
import json
from pathlib import Path
from typing import Any

from harness.certificates import Pair


def write(path: Path, url: str, authority: Path, user: Pair) -> Path:
    """Write a kubeconfig for `user` at `url`, trusting the PEM file `authority`; return `path`.

    The file is JSON, which every reader of YAML reads.
    """
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "loghub",
        "clusters": [
            {
                "name": "loghub",
                "cluster": {"server": url, "certificate-authority-data": _inline(authority)},
            }
        ],
        "users": [
            {
                "name": "loghub",
                "user": {
                    "client-certificate-data": _inline(user.certificate),
                    "client-key-data": _inline(user.key),
                },
            }
        ],
        "contexts": [{"name": "loghub", "context": {"cluster": "loghub", "user": "loghub"}}],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def _inline(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode("ascii")
