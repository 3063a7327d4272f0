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

from loghub_agent import forms, pods
from loghub_agent.config import limits

Via = Literal["Annotation", "Environment"]
ANNOTATION: Final = "Annotation"
ENVIRONMENT: Final = "Environment"
VIAS: Final[tuple[Via, ...]] = (ANNOTATION, ENVIRONMENT)

BOTH: Final = ("stdout", "stderr")
"""Streams as the core spells them."""
MAX_TAGS: Final = 32
"""Tags of one container's own; a guess, far above use."""

_MAX_FAULTS: Final = 3
"""Bad paths named in one sentence."""

_STREAMS: Final[Mapping[str, tuple[str, ...]]] = {
    "true": BOTH,
    "false": (),
    "stdout": ("stdout",),
    "stderr": ("stderr",),
}
KEYS: Final = (
    "logstore", "project", "stdout", "files", "parser", "multiline", "tags", "exclude",
)  # fmt: skip
"""What may follow the prefix."""
_TAG_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9.-]*")
"""No `_`: names with it are the default tags' and the service's own."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """One Logstore that a container asks for, for its output or for files of it."""

    logstore: str
    """Empty where none is named: the namespace's or the project's default."""
    project: str
    """As written; empty where none is named."""
    via: Via
    key: str
    """The annotation or variable that asks."""
    streams: tuple[str, ...] = BOTH
    """Of its output; none where files are asked for."""
    tags: tuple[tuple[str, str], ...] = ()
    form: forms.Form = forms.PLAIN
    create: tuple[tuple[str, str | int], ...] = ()
    """Fields of the LogStore, if it has to be made."""

    def __str__(self) -> str:
        return spoken(self.logstore, self.form)


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
    project: str = ""
    """Of the annotations, for `aliases`."""


@dataclasses.dataclass(frozen=True, slots=True)
class OptIn:
    """Part of a pipeline's selector: the containers that ask for this Logstore themselves."""

    logstore: str
    projects: frozenset[str]
    """Spellings of the project that mean this one; the empty one is none."""
    via: frozenset[str]
    unnamed: bool = False
    """Whether containers that ask for nothing are meant too: a namespace's default."""
    without_store: bool = False
    """Whether containers that ask for collection and name no Logstore are meant too."""
    form: forms.Form = forms.PLAIN
    other_names: frozenset[str] = frozenset()
    """Of the same Logstore."""


SILENT: Final = Said()


def granted(opt_in: OptIn, said: Said) -> Sequence[Wish]:
    """Return the container's wishes that `opt_in` fulfils; none where it is not meant."""
    heard = [wish for wish in said.wishes if wish.via in opt_in.via]
    if opt_in.unnamed and not heard and said.streams:
        key = pods.LOGSTORE
        return [Wish(opt_in.logstore, "", ANNOTATION, key, said.streams, said.tags)]
    return [wish for wish in heard if _means(opt_in, wish)]


def _means(opt_in: OptIn, wish: Wish) -> bool:
    default = opt_in.without_store or opt_in.unnamed
    names = {opt_in.logstore, *opt_in.other_names, *([""] if default else ())}
    return wish.logstore in names and wish.form == opt_in.form and wish.project in opt_in.projects


def spoken(logstore: str, form: forms.Form) -> str:
    """What is asked for, in words."""
    name = logstore or "the default Logstore"
    return f"{name} ({', '.join(form.files)})" if form.files else name


def split_tag(text: str) -> tuple[str, str] | None:
    """Read `name=value`; None where it is none, or not a name and value that a tag can have."""
    name, equals, value = text.strip().partition("=")
    good = _TAG_NAME.fullmatch(name) and len(name) <= limits.MAX_TAG_CHARACTERS
    return (name, value) if equals and value and good and value.isprintable() else None


def readable(pod: pods.Pod) -> Mapping[str, str]:
    """The annotations that are not too long; `misplaced` names the others."""
    found, most = pod.annotations or {}, limits.MAX_ANNOTATION_CHARACTERS
    if any(len(value) > most for value in found.values()):
        return {key: value for key, value in found.items() if len(value) <= most}
    return found


def annotated(pod: pods.Pod, container: str, problems: list[Problem]) -> Said:
    """Resolve the annotations that bear on one container, adding to `problems`."""
    annotations = readable(pod)
    if not annotations:
        return SILENT
    logstore, key = _effective(annotations, container, "logstore")
    project, _ = _effective(annotations, container, "project")
    excluded = _flag(annotations, container, problems)
    streams = _streams(annotations, container, problems)
    tags = _tags(annotations, container, problems)
    form = _form(annotations, container, problems)
    plain = dataclasses.replace(form, files=())
    wishes = []
    if streams and (asking := key if logstore else _asking(annotations, container, form)):
        wishes.append(Wish(logstore, project, ANNOTATION, asking, streams, tags, plain))
    if form.files:
        _, asking = _effective(annotations, container, "files")
        wishes.append(Wish(logstore, project, ANNOTATION, asking, (), tags, form))
    return Said(tuple(wishes), excluded, streams, tags, project)


def _asking(annotations: Mapping[str, str], container: str, form: forms.Form) -> str:
    """The key that asks for a container's output without naming a Logstore; empty without one."""
    said, name = _effective(annotations, container, "stdout")
    if _STREAMS.get(said):
        return name
    given = (key for key in ("parser", "multiline") if getattr(form, key) and not form.files)
    return next((_effective(annotations, container, key)[1] for key in given), "")


def misplaced(pod: pods.Pod) -> Iterator[Problem]:
    """Yield annotations with our prefix that nobody reads."""
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
        elif key not in KEYS:
            known = ", ".join(sorted(KEYS))
            yield Problem(container, annotation, f"is no key that is known; known are {known}")
        elif len((pod.annotations or {})[annotation]) > limits.MAX_ANNOTATION_CHARACTERS:
            words = f"is longer than {limits.MAX_ANNOTATION_CHARACTERS} characters; shorten it"
            yield Problem(container, annotation, words)


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


def _form(annotations: Mapping[str, str], container: str, problems: list[Problem]) -> forms.Form:
    """How it is to be read; what is bad about it is a problem, and the rest counts."""
    text, name = _effective(annotations, container, "files")
    files, faults = forms.split_files(text) if name in annotations else ((), [])
    if faults:
        problems.append(_problem(container, name, "; it ".join(faults[:_MAX_FAULTS])))
    words = {}
    for key, judge in (("parser", forms.parser_fault), ("multiline", forms.multiline_fault)):
        word, name = _effective(annotations, container, key)
        fault = judge(word) if name in annotations else ""
        if fault:
            problems.append(_problem(container, name, fault))
        words[key] = "" if fault else word
    return forms.Form(files, words["parser"], forms.split_multiline(words["multiline"]))


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
