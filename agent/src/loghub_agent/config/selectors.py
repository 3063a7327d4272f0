"""Kubernetes LabelSelector semantics, as pure functions. Read by `raw`, asked by `matching`."""

import dataclasses
from collections.abc import Mapping

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
"""The operators of a LabelSelectorRequirement (metav1.LabelSelectorOperator)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement on one label; `values` is empty for Exists and DoesNotExist."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Say whether `labels` meet it. A missing label meets NotIn, as in Kubernetes."""
        value = labels.get(self.key)
        if self.operator == "In":
            return value is not None and value in self.values
        if self.operator == "NotIn":
            return value is None or value not in self.values
        return (value is not None) == (self.operator == "Exists")


@dataclasses.dataclass(frozen=True, slots=True)
class LabelSelector:
    """A conjunction of requirements; the empty one matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether every requirement holds."""
        return all(requirement.holds(labels) for requirement in self.requirements)

    def __bool__(self) -> bool:
        return bool(self.requirements)


def from_labels(labels: Mapping[str, str]) -> tuple[Requirement, ...]:
    """Return `matchLabels` as requirements."""
    return tuple(Requirement(key, "In", frozenset((value,))) for key, value in labels.items())
