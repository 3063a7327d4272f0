"""ClusterLogConfig: a LogConfig of the platform's team, for containers of many namespaces."""

from typing import Annotated

import pydantic

from loghub_operator.resources import configs, model

_PATTERN = "^[a-z0-9*?-]+$"

NamePattern = Annotated[
    str,
    pydantic.Field(
        min_length=1,
        max_length=63,
        json_schema_extra=model.rules(
            (
                f"self.matches('{_PATTERN}')",
                "must be a namespace's name in which * stands for any characters and ? for one",
            )
        ),
    ),
]


class Namespaces(model.Model):
    """Which namespaces: called as `names` or `patterns` say, with `labels`, not in `exclude`.

    Nothing given takes all but the release's own: what collects would collect itself.
    """

    names: list[model.Name] = pydantic.Field(default=[], max_length=256)
    patterns: list[NamePattern] = pydantic.Field(
        default=[], max_length=64, description="shop-*: beside the names."
    )
    labels: model.LabelSelector = model.LabelSelector()
    exclude: list[NamePattern] = pydantic.Field(
        default=[], max_length=64, description="Names or patterns that are left out."
    )


class ClusterSelector(configs.Selector):
    """Which containers of which namespaces; all that is given must hold, nothing selects all."""

    namespaces: Namespaces = Namespaces()


class ClusterReference(model.Reference):
    """A LogStore of any namespace."""

    namespace: model.Name


class ClusterLogConfigSpec(configs.LogConfigSpec):
    """The spec of a ClusterLogConfig."""

    log_store_ref: ClusterReference
    input: configs.ClusterInput
    selector: ClusterSelector = ClusterSelector()
