"""A resolved LogPipeline: checked across fields, immutable, ready to be matched and handed over.

`raw` gives the spec as written; `matching` asks a `Pipeline` which containers it takes, and
`planning` copies `head` into the core's plan. Nothing else of the agent looks at documents.
"""

import dataclasses
import json
import urllib.parse
from typing import Any, Final

from loghub_agent import errors, forms, wishes
from loghub_agent.config import durations, inputs, limits, raw, samples, selectors

_PORTS: Final = range(1, 65536)


@dataclasses.dataclass(frozen=True, slots=True)
class Pipeline:
    """One pipeline that the core can be asked to run."""

    name: str
    generation: int
    credentials: str
    """The Secret's name, or the name in the credentials file."""
    namespaces: frozenset[str]
    """Empty: every namespace."""
    pod_labels: selectors.LabelSelector
    pod_annotations: tuple[tuple[str, str], ...]
    container_names: frozenset[str]
    """Empty: every container."""
    exclude_container_names: frozenset[str]
    exclude_namespaces: frozenset[str]
    opt_in: wishes.OptIn | None
    """Given: only containers that ask for it themselves."""
    excludes_by_default: bool
    """Whether containers are left out unless they say that they want to be collected."""
    label_tags: tuple[tuple[str, str], ...]
    """Pairs of pod label and tag name."""
    static_tags: tuple[tuple[str, str], ...]
    streams: str
    """JSON text of the list of streams, as the core spells them."""
    origin_generation: int
    """Of the resource that the pipeline was made from; 0 where it is not known."""
    files: inputs.Files | None
    """Given: files by their paths are read, and no streams."""
    files_text: str
    """JSON text of the core's `files` without braces and mounts."""
    head: str
    """JSON text of the plan's pipeline without braces and sources. Kept as text because the plan is
    rebuilt at every change of a pod, and thousands of pipelines do not change with it."""

    @property
    def is_of_node(self) -> bool:
        """Say whether it reads the node's files, and takes no container."""
        return self.files is not None and self.files.of_node

    @property
    def needs_pod_metadata(self) -> bool:
        """Say whether it selects by what only the API server knows of a pod."""
        return bool(self.pod_labels or self.pod_annotations or self.opt_in)


def resolve(document: object, *, name: str, namespace: str, generation: int) -> Pipeline:
    """Read and resolve a `spec`.

    Raises:
        RefusedError: the sentence names the object, the field and the way out.
    """
    subject = f"LogPipeline {namespace}/{name}" if namespace else f"LogPipeline {name}"
    spec = raw.read(document, subject=subject)
    head: dict[str, Any] = {
        "name": name,
        "generation": generation,
        "destination": _destination(spec.destination, subject),
        "multiline": _multiline(spec.multiline, subject),
        "shaping": spec.shaping,
        "paused": spec.mode != "Collect",
    }
    if spec.delivery is not None:
        head["delivery"] = spec.delivery
    samples.judge(spec.samples, head["multiline"], spec.shaping, subject=subject)
    return Pipeline(
        name=name,
        generation=generation,
        credentials=spec.destination.credentials_secret,
        namespaces=frozenset(spec.select.namespaces),
        pod_labels=spec.select.pod_labels,
        pod_annotations=tuple(sorted(spec.select.pod_annotations.items())),
        container_names=frozenset(spec.select.container_names),
        exclude_container_names=frozenset(spec.select.exclude_container_names),
        exclude_namespaces=frozenset(spec.select.exclude_namespaces),
        opt_in=_opt_in(spec.select.opt_in),
        excludes_by_default=spec.select.excludes_by_default,
        label_tags=tuple(sorted(spec.label_tags.items())),
        static_tags=tuple(sorted(spec.static_tags.items())),
        origin_generation=spec.origin_generation,
        streams=json.dumps(
            [stream.lower() for stream in inputs.STREAMS if stream in spec.input.streams]
        ),
        files=spec.input.files,
        files_text=spec.input.files.text() if spec.input.files else "",
        head=json.dumps(head, ensure_ascii=False, separators=(",", ":"))[1:-1],
    )


def _opt_in(found: raw.OptIn | None) -> wishes.OptIn | None:
    if found is None:
        return None
    return wishes.OptIn(
        found.logstore,
        frozenset(found.projects),
        frozenset(found.via),
        found.unnamed,
        found.without_store,
        forms.Form(
            tuple(sorted(found.files)),
            found.parser,
            found.multiline,
            found.include,
            found.exclude,
        ),
        frozenset(found.other_names),
    )


def _destination(destination: raw.Destination, subject: str) -> dict[str, Any]:
    _check_endpoint("endpoint", destination.endpoint, ("http", "https"), subject)
    found: dict[str, Any] = {
        "endpoint": destination.endpoint,
        "project": destination.project,
        "logstore": destination.logstore,
        "projectIn": destination.project_in,
        "signature": destination.signature,
        "region": destination.region,
        "compression": destination.compression,
        "credentials": destination.credentials_secret,
    }
    if destination.proxy:
        _check_endpoint("proxy", destination.proxy, ("http",), subject)
        found["proxy"] = destination.proxy
    if destination.ca_bundle or destination.client_certificate:
        found["tls"] = {
            "caBundle": destination.ca_bundle,
            "clientCertificate": destination.client_certificate,
        }
    return found


def _check_endpoint(field: str, endpoint: str, schemes: tuple[str, ...], subject: str) -> None:
    try:
        url = urllib.parse.urlsplit(endpoint)
        port_is_good = url.port is None or url.port in _PORTS
    except ValueError:
        port_is_good, url = False, urllib.parse.SplitResult("", "", "", "", "")
    plain = not (url.query or url.fragment or url.username or url.path.strip("/"))
    if url.scheme not in schemes or not url.hostname or not port_is_good or not plain:
        forms = " or ".join(f"{scheme}://host[:port]" for scheme in schemes)
        raise errors.RefusedError(
            f"{subject}: spec.destination.{field} is not of the form {forms}; correct it"
        )


def _multiline(multiline: raw.Multiline | None, subject: str) -> dict[str, str | float] | None:
    if multiline is None:
        return None
    flush = durations.seconds(multiline.flush_after)
    least, most = limits.FLUSH_SECONDS
    if flush is None or not least <= flush <= most:
        raise errors.RefusedError(
            f"{subject}: spec.multiline.flushAfter is not a duration between {least:g}s and "
            f"{most:g}s; write it as 5s or 250ms"
        )
    patterns = {
        "preset": multiline.preset,
        "start": multiline.start,
        "continue": multiline.go_on,
        "end": multiline.end,
    }
    given = {name: text for name, text in patterns.items() if text}
    return given | {"flushSeconds": flush, "maxBytes": multiline.max_bytes}
