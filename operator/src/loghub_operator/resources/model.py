"""What every resource model is made of: camelCase names, unknown fields refused, rules in CEL.

A rule stands on the model that it is about, with the sentence a user reads when it is broken.
"""

from typing import Annotated, Any, Final, Literal

import pydantic
import pydantic.alias_generators

GROUP: Final = "loghub.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

PROJECT_PATTERN: Final = "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"
LOGSTORE_PATTERN: Final = "^[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]$"


class Model(pydantic.BaseModel):
    """Base of every part of a spec."""

    model_config = pydantic.ConfigDict(
        alias_generator=pydantic.alias_generators.to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
    )


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    """CEL rules with their messages, for `json_schema_extra`."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": words} for rule, words in pairs]}


Name = Annotated[str, pydantic.Field(min_length=1, max_length=253)]
"""A Kubernetes object's name."""

ProjectName = Annotated[
    str,
    pydantic.Field(
        min_length=3,
        max_length=63,
        json_schema_extra=rules(
            (
                f"self.matches('{PROJECT_PATTERN}')",
                "must be 3 to 63 lower-case letters, digits or '-', with a letter or digit at "
                "both ends",
            ),
            ("self == oldSelf", "is immutable: the remote project cannot be renamed"),
        ),
    ),
]

LogStoreName = Annotated[
    str,
    pydantic.Field(
        min_length=3,
        max_length=63,
        json_schema_extra=rules(
            (
                f"self.matches('{LOGSTORE_PATTERN}')",
                "must be 3 to 63 lower-case letters, digits, '-' or '_', with a letter or digit "
                "at both ends",
            ),
            ("self == oldSelf", "is immutable: a Logstore cannot be renamed"),
        ),
    ),
]

Labels = Annotated[dict[str, Annotated[str, pydantic.Field(max_length=4096)]], pydantic.Field()]


class Requirement(Model):
    """One expression of a label selector."""

    key: Name
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[Annotated[str, pydantic.Field(max_length=63)]] = pydantic.Field(
        default=[], max_length=64
    )


class LabelSelector(Model):
    """Kubernetes' own label selector."""

    match_labels: Labels = pydantic.Field(default={})
    match_expressions: list[Requirement] = pydantic.Field(default=[], max_length=64)

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether it selects an object with `labels`."""
        if any(labels.get(key) != value for key, value in self.match_labels.items()):
            return False
        return all(_holds(each, labels) for each in self.match_expressions)


def _holds(requirement: Requirement, labels: dict[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values


class Reference(Model):
    """Another object, in the same namespace unless one is named."""

    name: Name
    namespace: Name | None = None


class LocalReference(Model):
    """Another object of the same namespace."""

    name: Name


DeletionPolicy = Literal["Retain", "Delete"]
AdoptionPolicy = Literal["Adopt", "Fail"]
