"""CollectionAgent: one DaemonSet of agents and how its pods are made.

Fields that Kubernetes defines itself (tolerations, affinity, resources) are passed through; the
API server judges them when the DaemonSet is applied.
"""

from typing import Annotated, Any, Literal

import pydantic

from loghub_operator.resources import model

_OPEN = {"x-kubernetes-preserve-unknown-fields": True}
Open = Annotated[dict[str, Any], pydantic.Field(json_schema_extra=_OPEN)]


class UpdateStrategy(model.Model):
    """How a change reaches the nodes."""

    max_unavailable: Annotated[
        int | str, pydantic.Field(json_schema_extra={"x-kubernetes-int-or-string": True})
    ] = "10%"


class CollectionAgentSpec(model.Model):
    """The spec of a CollectionAgent."""

    node_selector: model.Labels = pydantic.Field(default={})
    tolerations: list[Open] = pydantic.Field(default=[], max_length=64)
    affinity: Open = pydantic.Field(default={})
    priority_class_name: Annotated[str, pydantic.Field(max_length=253)] = ""
    resources: Open = pydantic.Field(default={})
    image: Annotated[
        str, pydantic.Field(max_length=512, description="By default the operator's own version.")
    ] = ""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    update_strategy: UpdateStrategy = UpdateStrategy()
    host_access: Literal["Files", "Logs"] = pydantic.Field(
        default="Files",
        description="Files: the node's file system, read-only, for inputs that are files. Logs: no "
        "more than /var/log/pods; LogConfigs with containerFiles then collect nothing.",
    )
    extra_env: list[Open] = pydantic.Field(default=[], max_length=64)
