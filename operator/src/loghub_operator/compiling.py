"""From a LogConfig with its LogStore and LogProject to the LogPipeline that agents run. Pure.

Golden files in `tests/operator/golden` hold the result; the agent's tests read the same files.
"""

import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any, Final

import re2

from loghub_operator import namespaces
from loghub_operator.resources import configs, model, projects, stores

_CONTRACT: Final = 1
_MAX_NAME: Final = 200
_NETWORKS: Final = {"Public": "", "Internal": "-intranet", "VPC": "-vpc", "Accelerate": ""}
"""The suffix of a region in the cloud's endpoint names."""
_ACCELERATED: Final = "log-global.aliyuncs.com"


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
    """The Secret of the release's namespace that holds the agents' key, and what `tls` names."""
    proxy: str = ""
    tls: tuple[str, ...] = ()
    """What of that Secret TLS is done with: caBundle, clientCertificate."""


def pipeline_name(namespace: str, name: str) -> str:
    """The LogPipeline's name: readable, and unique by a hash of both names.

    A ClusterLogConfig's namespace is empty.
    """
    digest = hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:8]
    return f"{namespace or 'cluster'}-{name}"[:_MAX_NAME].rstrip("-.") + f"-{digest}"


def check(spec: configs.LogConfigSpec) -> None:
    """Judge what a schema cannot.

    Raises:
        InvalidError: a pattern that is none.
    """
    for field, pattern in _patterns(spec):
        groups, names = _groups(f"spec.{field}", pattern)
        regex = spec.parser.regex if spec.parser else None
        if regex is None or field != "parser.regex.pattern":
            continue
        if groups != len(regex.keys) if regex.keys else not names:
            raise InvalidError(
                f"spec.parser.regex.pattern has {groups} groups and {len(regex.keys)} keys. "
                "Give each group one key, or a name of its own: (?P<name>...)."
            )


def check_pattern(what: str, pattern: str) -> None:
    """Judge one pattern that is in no spec yet.

    Raises:
        InvalidError: agents cannot run it.
    """
    _groups(what, pattern)


def _patterns(spec: configs.LogConfigSpec) -> Iterator[tuple[str, str]]:
    """Every pattern of a spec with the field it stands in."""
    lines = spec.multiline
    if lines is not None:
        for name, pattern in (
            ("start", lines.start), ("continue", lines.continue_), ("end", lines.end)
        ):  # fmt: skip
            if pattern is not None:
                yield f"multiline.{name}", pattern
    if spec.parser is not None and spec.parser.regex is not None:
        yield "parser.regex.pattern", spec.parser.regex.pattern
    for number, each in enumerate(spec.processors):
        where = f"processors[{number}]"
        if each.mask is not None:
            yield f"{where}.mask.pattern", each.mask.pattern
        if each.filter is not None:
            for kind, map_ in (("include", each.filter.include), ("exclude", each.filter.exclude)):
                for key, pattern in map_.items():
                    yield f"{where}.filter.{kind}.{key}", pattern


def _groups(where: str, pattern: str) -> tuple[int, int]:
    """How many groups a pattern that agents can run has, and how many of them have names."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as fault:
        words = fault.args[0].decode() if isinstance(fault.args[0], bytes) else fault.args[0]
        raise InvalidError(
            f"{where} is no valid regular expression: {words} "
            f"(in {pattern!r}). The syntax is RE2; correct the pattern."
        ) from fault
    return int(compiled.groups), len(compiled.groupindex)


def target(spec: projects.LogProjectSpec, name: str, *, bundled: str, credentials: str) -> Target:
    """Where a project is; `bundled` is the endpoint of this release's service."""
    project = spec.project_name or name
    service = spec.service
    if service.cloud is not None:
        region = service.cloud.region
        host = f"{region}{_NETWORKS[service.cloud.network]}.log.aliyuncs.com"
        if service.cloud.network == "Accelerate":
            host = _ACCELERATED
        return Target(f"https://{host}", project, "Host", "V4", region, credentials)
    if service.url is None:
        return Target(bundled, project, "Header", "V4", "loghub", credentials)
    url = service.url
    own = {"caBundle": url.ca_bundle_ref, "clientCertificate": url.client_cert_ref}
    return Target(
        url.endpoint.rstrip("/"),
        project,
        url.project_in,
        url.signature,
        url.region,
        credentials,
        proxy=url.proxy.rstrip("/"),
        tls=tuple(name for name, reference in own.items() if reference is not None),
    )


def pipeline(
    metadata: dict[str, Any],
    spec: configs.LogConfigSpec,
    store: tuple[str, stores.LogStoreSpec],
    where: Target,
    *,
    excludes_by_default: bool = False,
    scope: namespaces.Scope | None = None,
) -> dict[str, Any]:
    """The LogPipeline's spec; its namespace may exclude all pods that do not say otherwise.

    `scope` is a ClusterLogConfig's; without one it is the LogConfig's own namespace.
    """
    found: dict[str, Any] = {
        "version": _CONTRACT,
        "origin": {
            "kind": "ClusterLogConfig" if scope else "LogConfig",
            "namespace": metadata.get("namespace", ""),
            "name": metadata["name"],
            "uid": metadata["uid"],
            "generation": metadata["generation"],
        },
        "destination": _destination(spec, store, where),
        "select": {
            "namespaces": list(scope.taken) if scope else [metadata["namespace"]],
            "podLabels": _dump(spec.selector.pod_labels),
            "podAnnotations": dict(spec.selector.pod_annotations),
            "containerNames": list(spec.selector.container_names),
            "excludeContainerNames": list(spec.selector.exclude_container_names),
        },
        "input": _explicit(spec.input),
        "tags": {"static": dict(spec.tags.static), "podLabels": dict(spec.tags.pod_labels)},
    }
    if spec.selector.opt_in is not None:
        found["select"]["optIn"] = _opt_in(spec.selector.opt_in)
    if excludes_by_default:
        found["select"]["excludesByDefault"] = True
    if delivery := spec.delivery.model_dump(
        by_alias=True, exclude_defaults=True, exclude={"compression"}
    ):
        found["delivery"] = delivery
    if scope and scope.left_out:
        found["select"]["excludeNamespaces"] = list(scope.left_out)
    if spec.mode != "Collect":
        found["mode"] = spec.mode
    if spec.samples:
        found["samples"] = [_explicit(each) for each in spec.samples]
    if spec.multiline is not None:
        found["multiline"] = _explicit(spec.multiline)
    return found | _shaping(spec)


def _destination(
    spec: configs.LogConfigSpec, store: tuple[str, stores.LogStoreSpec], where: Target
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "endpoint": where.endpoint,
        "project": where.project,
        "logstore": store[1].log_store_name or store[0],
        "projectIn": where.project_in,
        "signature": where.signature,
        "region": where.region,
        "compression": spec.delivery.compression,
        "credentialsSecret": where.credentials,
    }
    # Only where they are asked for: an agent that does not know them refuses, and sends nothing
    # in another way than its owner wants.
    if where.proxy:
        found["proxy"] = where.proxy
    if where.tls:
        found["tls"] = dict.fromkeys(where.tls, True)
    return found


def _shaping(spec: configs.LogConfigSpec) -> dict[str, Any]:
    """How lines become fields; nothing where they stay as they are."""
    found: dict[str, Any] = {}
    if spec.parser is not None:
        found["parser"] = _explicit(spec.parser)
        found["onParseError"] = spec.on_parse_error
        found["keepRaw"] = spec.keep_raw
    if spec.time is not None:
        found["time"] = _explicit(spec.time)
    if spec.processors:
        found["processors"] = [_explicit(each) for each in spec.processors]
    return found


def _opt_in(found: configs.OptIn) -> dict[str, Any]:
    """What says nothing is left out of what agents of the version before do not know."""
    document = _explicit(found)
    later = ("otherNames", "withoutStore", "files", "parser", "multiline", "include", "exclude")
    return {key: value for key, value in document.items() if value or key not in later}


def _explicit(found: model.Model) -> dict[str, Any]:
    """With every default written out: agents need not know them."""
    return found.model_dump(by_alias=True, exclude_none=True)


def _dump(found: model.Model) -> dict[str, Any]:
    return found.model_dump(by_alias=True, exclude_defaults=True)
