"""From the name of a LogStore to where its lines are: endpoint, project, Logstore, key.

Everything is read from what the operator wrote: the LogStore's project, and the Secret that the
project keeps for applications. `forward` makes the endpoint reachable, `reading` reads.
"""

import base64
import binascii
import dataclasses
from collections.abc import Mapping
from typing import Any

from loghub_cli import errors, kubectl
from slswire.signature import Credentials


@dataclasses.dataclass(frozen=True, slots=True)
class Destination:
    """One Logstore and how to reach it."""

    endpoint: str
    project: str
    logstore: str
    credentials: Credentials


def find(cluster: kubectl.Kubectl, name: str, namespace: str) -> Destination:
    """The destination of the LogStore `namespace/name`.

    Raises:
        CliError: it is not there, not ready, or its key cannot be read; says which and what next.
    """
    store = cluster.get("logstores.loghub.dev", name, namespace)
    if store is None:
        known = ", ".join(cluster.names("logstores.loghub.dev", namespace)[:20]) or "none"
        raise errors.CliError(
            f"There is no LogStore {name} in namespace {namespace} (there: {known}). "
            "Choose another namespace with -n."
        )
    project_name, project_namespace = _project(store, namespace)
    secret_name = f"{project_name}-loghub-credentials"
    secret = cluster.get("secret", secret_name, project_namespace)
    if secret is None:
        raise errors.CliError(
            f"LogProject {project_namespace}/{project_name} has no Secret {secret_name} yet. "
            f"See `kubectl -n {project_namespace} describe logproject {project_name}`."
        )
    data = _texts(secret, secret_name)
    return Destination(
        endpoint=data["endpoint"],
        project=data["project"],
        logstore=str(store["spec"].get("logStoreName") or name),
        credentials=Credentials(data["accessKeyId"], data["accessKeySecret"]),
    )


def _project(store: Mapping[str, Any], namespace: str) -> tuple[str, str]:
    reference = store["spec"].get("projectRef") or {}
    if not reference.get("name"):
        name = store["metadata"]["name"]
        raise errors.CliError(f"LogStore {namespace}/{name} names no project: set spec.projectRef.")
    return str(reference["name"]), str(reference.get("namespace") or namespace)


def _texts(secret: Mapping[str, Any], name: str) -> dict[str, str]:
    found = {}
    for key in ("endpoint", "project", "accessKeyId", "accessKeySecret"):
        try:
            found[key] = base64.b64decode(secret.get("data", {})[key], validate=True).decode()
        except (KeyError, binascii.Error, UnicodeDecodeError) as fault:
            raise errors.CliError(f"Secret {name} has no readable key {key}.") from fault
    return found
