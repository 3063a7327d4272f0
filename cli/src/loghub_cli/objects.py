"""Kubernetes objects as kubectl prints them, and the few questions that are asked of all of them.

Pure. `installation`, `explaining` and `listing` are made of these.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

Object = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Ready:
    """What an object's Ready condition says of the object as it is now."""

    status: str
    """True, False, or Unknown where the operator has not judged this generation."""
    reason: str
    message: str


def name(found: Object) -> str:
    """`metadata.name`."""
    return str(found["metadata"]["name"])


def namespace(found: Object) -> str:
    """`metadata.namespace`; empty for cluster-scoped objects."""
    return str(found["metadata"].get("namespace") or "")


def place(found: Object) -> str:
    """NAMESPACE/NAME, or NAME of a cluster-scoped object."""
    return "/".join(filter(None, [namespace(found), name(found)]))


def of_kind(found: Iterable[Object], kind: str) -> list[Object]:
    """Those of one kind, by namespace and name."""
    return sorted((each for each in found if each.get("kind") == kind), key=place)


def spec(found: Object) -> Object:
    """`spec`, or nothing."""
    return found.get("spec") or {}


def status(found: Object) -> Object:
    """`status`, or nothing."""
    return found.get("status") or {}


def ready(found: Object) -> Ready:
    """The Ready condition, if it speaks of the current generation."""
    generation = found["metadata"].get("generation")
    for each in status(found).get("conditions") or []:
        if each.get("type") == "Ready" and each.get("observedGeneration") == generation:
            words = str(each.get("message") or "")
            return Ready(str(each.get("status")), str(each.get("reason") or ""), words)
    sentence = f"The operator has not looked at generation {generation} yet."
    return Ready("Unknown", "NotObserved", sentence)


def refer(reference: Object, home: str) -> tuple[str, str]:
    """Namespace and name of a reference from an object in namespace `home`."""
    return str(reference.get("namespace") or home), str(reference.get("name") or "")
