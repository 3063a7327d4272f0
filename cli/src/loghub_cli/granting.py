"""A pod's own keys: whether `loghub.dev/logstore` is granted, and why not; what others do. Pure.

The same rules as the operator's, which alone decides; here they are only explained. Part of
`explaining`.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Final

from loghub_cli import objects, selecting

PREFIX: Final = "loghub.dev/"
LOGSTORE: Final = PREFIX + "logstore"
PROJECT: Final = PREFIX + "project"
_REFINING: Final = ("stdout", "files", "parser", "multiline", "tags")
_KNOWN: Final = (LOGSTORE, PROJECT, *(PREFIX + key for key in _REFINING), selecting.EXCLUDE)

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]")
"""A Logstore's name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Surroundings:
    """What decides on an opt-in beside the pod."""

    configs: Sequence[objects.Object]
    """LogConfigs of the pod's namespace."""
    projects: Sequence[objects.Object]
    """LogProjects of the pod's namespace, and those that are named elsewhere."""
    stores: Sequence[objects.Object]
    """LogStores of the pod's namespace."""
    namespace_labels: Mapping[str, str]
    default_project: str = ""
    """The release's own, as NAMESPACE/NAME."""


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """One annotation of the pod that is ours, or looks so."""

    annotation: str
    value: str
    works: bool
    message: str


def keys(pod: objects.Object, around: Surroundings) -> list[Key]:
    """Every such annotation of a pod and what comes of it."""
    found = selecting.annotations(pod)
    return [
        Key(key, found[key], *_outcome(key, pod, around)) for key in sorted(found) if _ours(key)
    ]


def _outcome(key: str, pod: objects.Object, around: Surroundings) -> tuple[bool, str]:
    if key == LOGSTORE:
        return _opt_in(pod, around)
    if key == PROJECT:
        return _asked_project(pod, around)
    if key == selecting.EXCLUDE:
        return _exclusion(selecting.annotations(pod)[key])
    container, _, bare = key.rpartition(PREFIX)
    if PREFIX + bare in _KNOWN:
        if not container:
            return True, "It refines what the pod asks for; without a Logstore, of the default one."
        if container.removesuffix(".") in selecting.containers(pod):
            return True, f"For container {container[:-1]}; it wins over {PREFIX}{bare}."
    return False, f"It does nothing in this version; known are {', '.join(_KNOWN)}."


def _exclusion(value: str) -> tuple[bool, str]:
    if value == "true":
        return True, "Nothing is collected of containers that do not say otherwise."
    if value == "false":
        return True, "It is collected even where its namespace excludes pods by default."
    return False, 'It does nothing: only "true" leaves a pod out, and "false" keeps it in.'


def _asked_project(pod: objects.Object, around: Surroundings) -> tuple[bool, str]:
    found, home = selecting.annotations(pod), objects.namespace(pod)
    if LOGSTORE not in found:
        return False, f"It does nothing without {LOGSTORE}."
    wanted = _place(found[PROJECT], home)
    for each in around.stores:
        if objects.place(each) == f"{home}/{found[LOGSTORE]}":
            there = "/".join(objects.refer(objects.spec(each).get("projectRef") or {}, home))
            if there != wanted:
                return False, (
                    f"It does nothing: LogStore {objects.place(each)} is there already, and in "
                    f"LogProject {there}."
                )
    return True, f"The project that {LOGSTORE} is asked of."


def _place(asked: str, home: str) -> str:
    return asked if "/" in asked else f"{home}/{asked}"


def _opt_in(pod: objects.Object, around: Surroundings) -> tuple[bool, str]:
    namespace, found = objects.namespace(pod), selecting.annotations(pod)
    refused = refusal(found, namespace, around)
    if refused:
        return False, f"Refused: {refused}"
    made = _made(found[LOGSTORE], around) or f"optin-{found[LOGSTORE]}"
    if all(objects.name(each) != made for each in around.configs):
        return False, (
            f"Allowed, but LogConfig {namespace}/{made} is not there. The operator makes it when "
            "the node's agent has reported the pod: see `loghub status`."
        )
    return True, f"Granted: LogConfig {namespace}/{made}."


def _made(logstore: str, around: Surroundings) -> str:
    """The name of the LogConfig that takes pods asking for a Logstore; empty without one."""
    for each in around.configs:
        opt_in = (objects.spec(each).get("selector") or {}).get("optIn") or {}
        plain = not opt_in.keys() & {"files", "parser", "multiline"}
        if opt_in.get("logstore") == logstore and plain:
            return objects.name(each)
    return ""


def refusal(annotations: Mapping[str, str], namespace: str, around: Surroundings) -> str:
    """Why the opt-in of a pod in `namespace` is refused; empty when it is granted."""
    wanted = annotations.get(LOGSTORE, "")
    if not _NAME.fullmatch(wanted):
        return (
            f"{wanted!r} is no name that a Logstore can have: 3 to 63 lower-case letters, digits, "
            "'-' or '_', with a letter or digit at both ends."
        )
    project, why = _project(annotations.get(PROJECT, ""), namespace, around)
    if project is None:
        return why
    place, policy = objects.place(project), objects.spec(project).get("optIn") or {}
    if not _allowed(project, namespace, around.namespace_labels):
        return (
            f"LogProject {place} is not open to namespace {namespace}: its owner can open it in "
            "spec.allowedNamespaces."
        )
    if policy.get("annotations", "Enabled") != "Enabled":
        return f"LogProject {place} takes no opt-in by annotation: spec.optIn.annotations."
    there = any(
        wanted in {objects.name(each), objects.spec(each).get("logStoreName")}
        for each in around.stores
    )
    if not there and not policy.get("autoCreateLogStores", True):
        return (
            f"There is no LogStore {namespace}/{wanted}, and LogProject {place} makes none by "
            "itself (spec.optIn.autoCreateLogStores): create the LogStore."
        )
    return ""


def _ours(key: str) -> bool:
    return key.startswith(PREFIX) or f".{PREFIX}" in key


def _project(asked: str, namespace: str, around: Surroundings) -> tuple[objects.Object | None, str]:
    """The project that is meant, or a sentence why none is."""
    by_place = {objects.place(each): each for each in around.projects}
    if asked:
        place = _place(asked, namespace)
        words = f"LogProject {place} ({PROJECT}) does not exist: create it or correct the name."
        return by_place.get(place), words
    own = [each for each in around.projects if objects.namespace(each) == namespace]
    if len(own) == 1:
        return own[0], ""
    if own:
        names = ", ".join(sorted(objects.name(each) for each in own))
        words = f"Namespace {namespace} has several LogProjects ({names}): name one in {PROJECT}."
        return None, words
    words = (
        f"Namespace {namespace} has no LogProject and the release no default one: create one, or "
        f"name another namespace's in {PROJECT} as NAMESPACE/NAME."
    )
    return by_place.get(around.default_project), words


def _allowed(project: objects.Object, namespace: str, labels: Mapping[str, str]) -> bool:
    rule = objects.spec(project).get("allowedNamespaces") or {}
    kind = rule.get("from", "Same")
    if namespace == objects.namespace(project) or kind == "All":
        return True
    return kind == "Selector" and selecting.selects(rule.get("selector") or {}, labels)
