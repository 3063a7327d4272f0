"""The LogPipeline spec as written: every key known, every type right, nothing yet interpreted.

A document comes from the API server (`cluster`) or from a YAML file (`standalone`); `plan` resolves
what this module lets through. The contract is versioned: an agent refuses what it does not know.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final

from loghub_agent.config import delivering, inputs, limits, reading, samples, selectors, shaping

MODES: Final = ("Collect", "Preview", "Paused")
"""Only the first one reads; all of them report what they take."""
COMPRESSIONS: Final = ("LZ4", "ZSTD", "None")

PRESETS: Final = ("Java", "Python", "Go", "DotNet", "Ruby", "NodeJS", "JSON")
"""Kinds of records that the core knows how to join."""

_MAX_GENERATION: Final = 2**63 - 1
"""Generations are int64 in Kubernetes."""
_LABEL_KEY: Final = 317
"""A label or annotation key: a prefix of 253 characters, a slash, a name of 63."""


@dataclasses.dataclass(frozen=True, slots=True)
class Destination:
    """Where log groups go, and under which name the keys are kept."""

    endpoint: str
    project: str
    logstore: str
    project_in: str
    signature: str
    region: str
    compression: str
    credentials_secret: str
    proxy: str = ""
    """`http://host[:port]`; empty for none."""
    ca_bundle: bool = False
    """Whether the Secret's `ca.crt` alone names the authorities that are trusted."""
    client_certificate: bool = False
    """Whether the Secret's `tls.crt` and `tls.key` are shown to the service."""


VIAS: Final = ("Annotation", "Environment")
"""How a pod can ask for collection itself."""


@dataclasses.dataclass(frozen=True, slots=True)
class OptIn:
    """The containers that ask for a Logstore themselves."""

    logstore: str
    projects: tuple[str, ...]
    via: tuple[str, ...]
    unnamed: bool
    other_names: tuple[str, ...]
    without_store: bool
    files: tuple[str, ...]
    parser: str
    multiline: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Select:
    """Which containers: all of the given must hold, inside a list one is enough."""

    namespaces: tuple[str, ...]
    pod_labels: selectors.LabelSelector
    pod_annotations: Mapping[str, str]
    container_names: tuple[str, ...]
    exclude_container_names: tuple[str, ...]
    opt_in: OptIn | None = None
    excludes_by_default: bool = False
    exclude_namespaces: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Multiline:
    """How lines join: patterns in the syntax of Rust's regex crate, `flush_after` a duration."""

    preset: str
    start: str
    go_on: str
    """`continue` in the document."""
    end: str
    flush_after: str
    max_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Spec:
    """One LogPipeline's `spec`, type-checked."""

    destination: Destination
    select: Select
    input: inputs.Input
    multiline: Multiline | None
    shaping: shaping.Document | None
    delivery: delivering.Document | None
    static_tags: Mapping[str, str]
    label_tags: Mapping[str, str]
    mode: str
    samples: tuple[samples.Sample, ...]
    origin_generation: int


def read(document: object, *, subject: str) -> Spec:
    """Read a `spec`; `subject` names its object in sentences ("LogPipeline ns/name").

    Raises:
        RefusedError: an unknown key, a wrong type, a value out of bounds or an unknown version.
    """
    root = reading.Section(document, subject=subject, path="spec")
    version = root.whole("version", (0, _MAX_GENERATION))
    if version != limits.CONTRACT_VERSION:
        root.refuse(
            "version",
            f"is {version}, and this agent reads version {limits.CONTRACT_VERSION} only; "
            "update the agents together with the operator",
        )
    origin_generation = _read_origin(root.section("origin"))
    static_tags, label_tags = _read_tags(root.section("tags"))
    spec = Spec(
        destination=_read_destination(root.required_section("destination")),
        select=_read_select(root.section("select")),
        input=inputs.read(root.required_section("input")),
        multiline=_read_multiline(root.section("multiline")),
        shaping=shaping.read(root),
        delivery=delivering.read(root.section("delivery")),
        static_tags=static_tags,
        label_tags=label_tags,
        mode=root.choice("mode", MODES, "Collect"),
        samples=samples.read(root),
        origin_generation=origin_generation,
    )
    root.end()
    return spec


def _read_origin(origin: reading.Section | None) -> int:
    """Check the origin, which is for people who read the object; return its generation."""
    if origin is None:
        return 0
    for key in ("kind", "namespace", "name", "uid"):
        origin.text(key, "")
    generation = origin.whole("generation", (0, _MAX_GENERATION), 0)
    origin.end()
    return generation


def _read_destination(section: reading.Section) -> Destination:
    signature = section.choice("signature", ("V1", "V4"), "V4")
    region = section.text("region", "")
    if signature == "V4" and not region:
        section.refuse("region", "is missing; signature V4 signs the region, so name it")
    tls = section.section("tls")
    destination = Destination(
        endpoint=section.text("endpoint"),
        project=section.text("project"),
        logstore=section.text("logstore"),
        project_in=section.choice("projectIn", ("Header", "Host"), "Header"),
        signature=signature,
        region=region,
        compression=section.choice("compression", COMPRESSIONS, "LZ4"),
        credentials_secret=section.text("credentialsSecret"),
        proxy=section.text("proxy", ""),
        ca_bundle=tls is not None and tls.flag("caBundle"),
        client_certificate=tls is not None and tls.flag("clientCertificate"),
    )
    if tls is not None:
        tls.end()
    section.end()
    return destination


def _read_select(section: reading.Section | None) -> Select:
    if section is None:
        return Select((), selectors.LabelSelector(), {}, (), ())
    select = Select(
        namespaces=section.texts("namespaces", limits.MAX_NAMESPACES),
        pod_labels=_read_label_selector(section.section("podLabels")),
        pod_annotations=section.mapping(
            "podAnnotations", key_limit=_LABEL_KEY, value_limit=limits.MAX_ANNOTATION_CHARACTERS
        ),
        container_names=section.texts("containerNames"),
        exclude_container_names=section.texts("excludeContainerNames"),
        opt_in=_read_opt_in(section.section("optIn")),
        excludes_by_default=section.flag("excludesByDefault"),
        exclude_namespaces=section.texts("excludeNamespaces", limits.MAX_NAMESPACES),
    )
    section.end()
    return select


def _read_opt_in(section: reading.Section | None) -> OptIn | None:
    if section is None:
        return None
    opt_in = OptIn(
        logstore=section.text("logstore"),
        projects=section.texts("projects") or ("",),
        via=section.texts("via") or VIAS,
        unnamed=section.flag("unnamed"),
        other_names=section.texts("otherNames"),
        without_store=section.flag("withoutStore"),
        files=section.texts("files", limits.FILES_PATHS),
        parser=section.text("parser", ""),
        multiline=section.text("multiline", ""),
        include=section.texts("include"),
        exclude=section.texts("exclude"),
    )
    for index, via in enumerate(opt_in.via):
        if via not in VIAS:
            section.refuse(f"via[{index}]", f"is {via[:80]!r}; it must be one of {', '.join(VIAS)}")
    section.end()
    return opt_in


def _read_label_selector(section: reading.Section | None) -> selectors.LabelSelector:
    if section is None:
        return selectors.LabelSelector()
    labels = section.mapping("matchLabels", key_limit=_LABEL_KEY)
    requirements = list(selectors.from_labels(labels))
    for expression in section.sections("matchExpressions"):
        operator = expression.choice("operator", selectors.OPERATORS)
        values = expression.texts("values")
        if operator in {"In", "NotIn"} and not values:
            expression.refuse("values", f"is empty; {operator} needs at least one value")
        if operator in {"Exists", "DoesNotExist"} and values:
            expression.refuse("values", f"must be empty for {operator}; remove the values")
        key = expression.text("key", limit=_LABEL_KEY)
        requirements.append(selectors.Requirement(key, operator, frozenset(values)))
        expression.end()
    section.end()
    return selectors.LabelSelector(tuple(requirements))


def _read_multiline(section: reading.Section | None) -> Multiline | None:
    if section is None:
        return None
    multiline = Multiline(
        preset=section.choice("preset", ("", *PRESETS), ""),
        start=section.text("start", ""),
        go_on=section.text("continue", ""),
        end=section.text("end", ""),
        flush_after=section.text("flushAfter", "5s"),
        max_bytes=section.whole("maxBytes", limits.MULTILINE_BYTES, 512 * 1024),
    )
    section.end()
    patterns = bool(multiline.start or multiline.go_on or multiline.end)
    if patterns == bool(multiline.preset):
        section.refuse("", "must have either preset or some of start, continue and end")
    return multiline


def _read_tags(section: reading.Section | None) -> tuple[Mapping[str, str], Mapping[str, str]]:
    if section is None:
        return {}, {}
    static = section.mapping("static", key_limit=limits.MAX_TAG_CHARACTERS)
    labels = section.mapping(
        "podLabels", key_limit=_LABEL_KEY, value_limit=limits.MAX_TAG_CHARACTERS
    )
    section.end()
    return static, labels
