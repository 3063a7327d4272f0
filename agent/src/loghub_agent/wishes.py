"""What a pod says for itself, resolved for each of its containers. Pure.

Annotations: `loghub.dev/<key>` speaks for the pod, `<container>.loghub.dev/<key>` for one container
and wins. `variables` reads the containers' environment. `optins` reports what comes of it; the
operator makes LogConfigs of that, and `matching` asks here which containers such a one means. A
namespace's defaults are the operator's business: they arrive as `OptIn.unnamed` and
`excludes_by_default`.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

from loghub_agent import pods
from loghub_agent.config import limits

Via = Literal["Annotation", "Environment"]
ANNOTATION: Final = "Annotation"
ENVIRONMENT: Final = "Environment"
VIAS: Final[tuple[Via, ...]] = (ANNOTATION, ENVIRONMENT)

BOTH: Final = ("stdout", "stderr")
"""Streams as the core spells them."""
MAX_TAGS: Final = 32
"""Tags of one container's own; a guess, far above use."""

_STREAMS: Final[Mapping[str, tuple[str, ...]]] = {
    "true": BOTH,
    "false": (),
    "stdout": ("stdout",),
    "stderr": ("stderr",),
}
_LATER: Final = frozenset(("files", "parser", "multiline"))
"""Keys that exist by design and are not honoured yet."""
_KNOWN: Final = frozenset(("logstore", "project", "stdout", "tags", "exclude"))
_TAG_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9.-]*")
"""No `_`: names with it are the default tags' and the service's own."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """One Logstore that a container asks for."""

    logstore: str
    project: str
    """As written; empty where none is named."""
    via: Via
    key: str
    """The annotation or variable that asks."""
    streams: tuple[str, ...] = BOTH
    tags: tuple[tuple[str, str], ...] = ()
    create: tuple[tuple[str, str | int], ...] = ()
    """Fields of the LogStore, if it has to be made."""


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """A key that does not work; the others do. `container` is empty where the pod is meant."""

    container: str
    key: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class Said:
    """All that one container says, or its pod for it."""

    wishes: tuple[Wish, ...] = ()
    excluded: bool | None = None
    """None where neither the container nor the pod says."""
    streams: tuple[str, ...] = BOTH
    """Of the annotations, for a namespace's default."""
    tags: tuple[tuple[str, str], ...] = ()
    """Of the annotations, likewise."""


@dataclasses.dataclass(frozen=True, slots=True)
class OptIn:
    """Part of a pipeline's selector: the containers that ask for this Logstore themselves."""

    logstore: str
    projects: frozenset[str]
    """Spellings of the project that mean this one; the empty one is none."""
    via: frozenset[str]
    unnamed: bool = False
    """Whether containers that ask for nothing are meant too: a namespace's default."""


SILENT: Final = Said()


def granted(opt_in: OptIn, said: Said) -> Sequence[Wish]:
    """Return the container's wishes that `opt_in` fulfils; none where it is not meant."""
    heard = [wish for wish in said.wishes if wish.via in opt_in.via]
    if opt_in.unnamed and not heard and said.streams:
        key = pods.LOGSTORE
        return [Wish(opt_in.logstore, "", ANNOTATION, key, said.streams, said.tags)]
    return [
        wish
        for wish in heard
        if wish.logstore == opt_in.logstore and wish.project in opt_in.projects
    ]


def split_tag(text: str) -> tuple[str, str] | None:
    """Read `name=value`; None where it is none, or not a name and value that a tag can have."""
    name, equals, value = text.strip().partition("=")
    good = _TAG_NAME.fullmatch(name) and len(name) <= limits.MAX_TAG_CHARACTERS
    return (name, value) if equals and value and good and value.isprintable() else None


def annotated(pod: pods.Pod, container: str, problems: list[Problem]) -> Said:
    """Resolve the annotations that bear on one container, adding to `problems`."""
    annotations = pod.annotations
    if not annotations:
        return SILENT
    logstore, key = _effective(annotations, container, "logstore")
    project, _ = _effective(annotations, container, "project")
    excluded = _flag(annotations, container, problems)
    streams = _streams(annotations, container, problems)
    tags = _tags(annotations, container, problems)
    wishes: tuple[Wish, ...] = ()
    if logstore and streams:
        wishes = (Wish(logstore, project, ANNOTATION, key, streams, tags),)
    return Said(wishes, excluded, streams, tags)


def misplaced(pod: pods.Pod) -> Iterator[Problem]:
    """Yield annotations with our prefix that no version reads, or none yet."""
    names = {container.name for container in pod.containers}
    for annotation in sorted(pod.annotations or ()):
        prefix, slash, key = annotation.partition("/")
        container = prefix.removesuffix(pods.PREFIX[:-1])
        if not slash or container == prefix or (container and not container.endswith(".")):
            continue
        container = container.removesuffix(".")
        if container and container not in names:
            listed = ", ".join(sorted(names))
            yield Problem("", annotation, f"the pod has no container {container}, only {listed}")
        elif key in _LATER:
            words = "is not supported yet in a pod's own keys: write a LogConfig for it"
            yield Problem(container, annotation, words)
        elif key not in _KNOWN:
            known = ", ".join(sorted(_KNOWN))
            yield Problem(container, annotation, f"is no key that is known; known are {known}")


def _effective(annotations: Mapping[str, str], container: str, key: str) -> tuple[str, str]:
    """The value of a key for a container, and the annotation that it stands in."""
    for name in (f"{container}.{pods.PREFIX}{key}", f"{pods.PREFIX}{key}"):
        if name in annotations:
            return annotations[name].strip(), name
    return "", f"{pods.PREFIX}{key}"


def _flag(annotations: Mapping[str, str], container: str, problems: list[Problem]) -> bool | None:
    value, name = _effective(annotations, container, "exclude")
    if name in annotations and value not in {"true", "false"}:
        problems.append(_problem(container, name, f"is {value[:80]!r}; write true or false"))
        return None
    return {"true": True, "false": False}.get(value)


def _streams(
    annotations: Mapping[str, str], container: str, problems: list[Problem]
) -> tuple[str, ...]:
    value, name = _effective(annotations, container, "stdout")
    if name in annotations and value not in _STREAMS:
        known = ", ".join(_STREAMS)
        problems.append(_problem(container, name, f"is {value[:80]!r}; write one of {known}"))
    return _STREAMS.get(value, BOTH)


def _tags(
    annotations: Mapping[str, str], container: str, problems: list[Problem]
) -> tuple[tuple[str, str], ...]:
    value, name = _effective(annotations, container, "tags")
    texts = value.split(",") if value else []
    tags = dict(tag for text in texts[:MAX_TAGS] if (tag := split_tag(text)))
    bad = [text for text in texts if split_tag(text) is None]
    if bad or len(texts) > MAX_TAGS:
        shown = f"{bad[0].strip()[:80]!r} is none" if bad else f"these are {len(texts)}"
        words = f"is a list of up to {MAX_TAGS} tags, name=value, names without _; {shown}"
        problems.append(_problem(container, name, words))
    return tuple(sorted(tags.items()))


def _problem(container: str, name: str, message: str) -> Problem:
    """A problem; one with the pod's own key is the pod's, and the same for all containers."""
    return Problem("" if name.startswith(pods.PREFIX) else container, name, message)
