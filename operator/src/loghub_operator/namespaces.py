"""Which namespaces a ClusterLogConfig takes, as the LogPipeline says it to agents. Pure.

Agents know pods, not the labels of namespaces, so `compiling` gets names from here; a new
namespace makes `dispatching` ask again. Names alone are passed on as they are: they work with the
operator away.
"""

import dataclasses
import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any, Final

from loghub_operator.resources import cluster_configs

NOWHERE: Final = "-"
"""No namespace can have that name: stands where a selector fits none, as an empty list is all."""
EXCLUDE: Final = "loghub.dev/exclude"


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """Namespaces by name."""

    taken: tuple[str, ...]
    """Empty: all."""
    left_out: tuple[str, ...] = ()


def scope(
    wanted: cluster_configs.Namespaces, known: Iterable[Mapping[str, Any]], *, own: str
) -> Scope:
    """The namespaces that are `wanted` of those `known`; `own` is the release's."""
    listed = [each["metadata"] for each in known]
    left_out = {own} - set(wanted.names)
    for each in listed:
        said = (each.get("annotations") or {}).get(EXCLUDE) == "true"
        if said or _fits(each["name"], wanted.exclude):
            left_out.add(each["name"])
    left_out |= {name for name in wanted.names if _fits(name, wanted.exclude)}
    labels = wanted.labels
    by_label = bool(labels.match_labels or labels.match_expressions)
    if not by_label and not wanted.patterns:
        taken = set(wanted.names)
        if not taken:
            return Scope((), tuple(sorted(left_out)))
    else:
        taken = {
            each["name"]
            for each in listed
            if _named(each["name"], wanted) and labels.matches(dict(each.get("labels") or {}))
        }
    return Scope(tuple(sorted(taken - left_out)) or (NOWHERE,))


def _named(name: str, wanted: cluster_configs.Namespaces) -> bool:
    if not wanted.names and not wanted.patterns:
        return True
    return name in wanted.names or _fits(name, wanted.patterns)


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
