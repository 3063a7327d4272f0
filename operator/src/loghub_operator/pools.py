"""Which CollectionAgent a node belongs to where the selectors of several fit it. Pure.

Two agents on one node would read everything twice, so the more specific pool has the node: its
selector names more labels; of equally specific ones the older. The others' DaemonSets get a node
affinity that leaves its nodes out. Asked by `reconciling.agents`.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

_MAX_TERMS: Final = 64
"""Alternatives of one affinity; each overlap multiplies them."""


class ConflictError(Exception):
    """The pool cannot have a node of its own; the sentence says beside which."""


def affinity(pool: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The affinity of a pool's pods: its own, without the nodes of pools that come before it.

    Raises:
        ConflictError: nothing would be left.
    """
    own = dict((pool.get("spec") or {}).get("affinity") or {})
    before = [each for each in others if _overlap(pool, each) and _rank(each) < _rank(pool)]
    if not before:
        return own
    selector = _selector(pool)
    terms = _terms(own)
    for other in sorted(before, key=_rank):
        apart = sorted(set(_selector(other).items()) - set(selector.items()))
        if not apart:
            raise ConflictError(
                f"CollectionAgent {other['metadata']['name']} has every node that "
                "spec.nodeSelector selects: narrow it, or remove one of the two."
            )
        terms = [
            _and(term, {"key": key, "operator": "NotIn", "values": [value]})
            for term, (key, value) in itertools.product(terms, apart)
        ]
        if len(terms) > _MAX_TERMS:
            raise ConflictError(
                "spec.nodeSelector overlaps with those of too many other CollectionAgents: give "
                "each pool a value of one label of its own."
            )
    node = dict(own.get("nodeAffinity") or {})
    node["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
    return own | {"nodeAffinity": node}


def _selector(pool: Mapping[str, Any]) -> Mapping[str, str]:
    return (pool.get("spec") or {}).get("nodeSelector") or {}


def _rank(pool: Mapping[str, Any]) -> tuple[int, str, str]:
    metadata = pool["metadata"]
    age = str(metadata.get("creationTimestamp", ""))
    return (-len(_selector(pool)), age, str(metadata["name"]))


def _overlap(pool: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a node can fit both: no label must have two values."""
    if pool["metadata"]["name"] == other["metadata"]["name"]:
        return False
    if other["metadata"].get("deletionTimestamp"):
        return False
    mine, theirs = _selector(pool), _selector(other)
    return all(theirs.get(key, value) == value for key, value in mine.items())


def _terms(own: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    node = own.get("nodeAffinity") or {}
    required = node.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    return list(required.get("nodeSelectorTerms") or [{}])


def _and(term: Mapping[str, Any], expression: Mapping[str, Any]) -> dict[str, Any]:
    return {**term, "matchExpressions": [*(term.get("matchExpressions") or []), expression]}
