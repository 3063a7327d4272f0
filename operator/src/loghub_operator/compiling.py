"""From a LogConfig with its LogStore and LogProject to the LogPipeline that agents run. Pure.

Golden files in `tests/operator/golden` hold the result; the agent's tests read the same files.
"""

import dataclasses
import hashlib
from typing import Any, Final

import re2

from loghub_operator.resources import configs, model, projects, stores

_CONTRACT: Final = 1
_MAX_NAME: Final = 200


class InvalidError(Exception):
    """The LogConfig cannot run so; the sentence names the field and the way out."""


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """Where a project is, as agents and applications reach it."""

    endpoint: str
    project: str
    project_in: str
    signature: str
    region: str
    credentials: str
    """The Secret of the release's namespace that holds the agents' key."""


def pipeline_name(namespace: str, name: str) -> str:
    """The LogPipeline's name: readable, and unique by a hash of both names."""
    digest = hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:8]
    return f"{namespace}-{name}"[:_MAX_NAME].rstrip("-.") + f"-{digest}"


def check(spec: configs.LogConfigSpec) -> None:
    """Judge what a schema cannot.

    Raises:
        InvalidError: a pattern that is none.
    """
    if spec.multiline is None or spec.multiline.start is None:
        return
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        re2.compile(spec.multiline.start, options)
    except re2.error as fault:
        words = fault.args[0].decode() if isinstance(fault.args[0], bytes) else fault.args[0]
        raise InvalidError(
            f"spec.multiline.start is no valid regular expression: {words} "
            f"(in {spec.multiline.start!r}). The syntax is RE2; correct the pattern."
        ) from fault


def target(spec: projects.LogProjectSpec, name: str, *, bundled: str, credentials: str) -> Target:
    """Where a project is; `bundled` is the endpoint of this release's service."""
    project = spec.project_name or name
    if spec.service.url is None:
        return Target(bundled, project, "Header", "V4", "loghub", credentials)
    url = spec.service.url
    return Target(
        url.endpoint.rstrip("/"), project, url.project_in, url.signature, url.region, credentials
    )


def pipeline(
    metadata: dict[str, Any],
    spec: configs.LogConfigSpec,
    store: tuple[str, stores.LogStoreSpec],
    where: Target,
) -> dict[str, Any]:
    """The LogPipeline's spec."""
    found: dict[str, Any] = {
        "version": _CONTRACT,
        "origin": {
            "kind": "LogConfig",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "generation": metadata["generation"],
        },
        "destination": {
            "endpoint": where.endpoint,
            "project": where.project,
            "logstore": store[1].log_store_name or store[0],
            "projectIn": where.project_in,
            "signature": where.signature,
            "region": where.region,
            "compression": spec.delivery.compression,
            "credentialsSecret": where.credentials,
        },
        "select": {
            "namespaces": [metadata["namespace"]],
            "podLabels": _dump(spec.selector.pod_labels),
            "podAnnotations": dict(spec.selector.pod_annotations),
            "containerNames": list(spec.selector.container_names),
            "excludeContainerNames": list(spec.selector.exclude_container_names),
        },
        "input": {"stdout": {"streams": list(spec.input.stdout.streams)}},
        "tags": {"static": dict(spec.tags.static), "podLabels": dict(spec.tags.pod_labels)},
    }
    if spec.multiline is not None:
        start = spec.multiline.start or configs.PRESETS[spec.multiline.preset or "Java"]
        found["multiline"] = {
            "start": start,
            "flushAfter": spec.multiline.flush_after,
            "maxBytes": spec.multiline.max_bytes,
        }
    return found


def _dump(found: model.Model) -> dict[str, Any]:
    return found.model_dump(by_alias=True, exclude_defaults=True)
