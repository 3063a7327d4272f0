"""CollectionAgent: one DaemonSet of agents and how its pods are made.

Fields that Kubernetes defines itself (tolerations, affinity, resources) are passed through; the
API server judges them when the DaemonSet is applied.
"""

from typing import Annotated, Any, Final, Literal

import pydantic

from loghub_operator.resources import model

_OPEN = {"x-kubernetes-preserve-unknown-fields": True}
Open = Annotated[dict[str, Any], pydantic.Field(json_schema_extra=_OPEN)]


class UpdateStrategy(model.Model):
    """How a change reaches the nodes."""

    max_unavailable: Annotated[
        int | str, pydantic.Field(json_schema_extra={"x-kubernetes-int-or-string": True})
    ] = "10%"
    canary_percent: Annotated[int, pydantic.Field(ge=0, le=50)] = pydantic.Field(
        default=0,
        description="Of the nodes: so many get a change first, and all others only after these "
        "have been ready for canarySeconds; where they are not, it stops there. 0: no canaries.",
    )
    canary_seconds: Annotated[int, pydantic.Field(ge=1, le=3600)] = 60


class Limits(model.Model):
    """What an agent may use; each has a default of its own."""

    queue_bytes_per_destination: Annotated[int, pydantic.Field(ge=1024 * 1024, le=2**30)] | None = (
        pydantic.Field(default=None, description="Memory of what waits for one destination.")
    )
    requests_per_destination: Annotated[int, pydantic.Field(ge=1, le=64)] | None = None
    data_threads: Annotated[int, pydantic.Field(ge=1, le=16)] | None = pydantic.Field(
        default=None, description="Threads that read and compress."
    )


STARTUP_TAINT: Final = f"{model.GROUP}/agent-not-ready"
"""The key of the taint that nodes are registered with, whatever its value and effect."""


class StartupTaint(model.Model):
    """Nodes that take workloads only once their agent is ready."""

    remove: bool = pydantic.Field(
        default=False,
        description=f"Take the taint {STARTUP_TAINT} off a node when its agent is ready. Nodes are "
        "registered with it by whoever makes them; the operator needs rights on nodes for it.",
    )
    timeout_seconds: Annotated[int, pydantic.Field(ge=10, le=86400)] = pydantic.Field(
        default=600, description="After that, from the node's creation, it is taken off anyway."
    )


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
    limits: Limits = Limits()
    startup_taint: StartupTaint = StartupTaint()
    host_access: Literal["Files", "Logs"] = pydantic.Field(
        default="Files",
        description="Files: the node's file system, read-only, for inputs that are files. Logs: no "
        "more than /var/log/pods; LogConfigs with containerFiles then collect nothing.",
    )
    extra_env: list[Open] = pydantic.Field(default=[], max_length=64)
