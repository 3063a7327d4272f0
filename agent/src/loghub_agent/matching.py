"""Which pipelines take which containers: pure, and asked at every change of either.

`planning` asks an `Index` for the pipelines that could take a pod, so that a node with two
namespaces does not pay for pipelines of two thousand.
"""

from collections.abc import Iterable, Iterator

from loghub_agent import pods, wishes
from loghub_agent.config import plan


class Index:
    """Pipelines by the namespaces they select."""

    def __init__(self, pipelines: Iterable[plan.Pipeline]) -> None:
        self._everywhere: list[plan.Pipeline] = []
        self._by_namespace: dict[str, list[plan.Pipeline]] = {}
        for pipeline in pipelines:
            if pipeline.is_of_node:
                continue
            if not pipeline.namespaces:
                self._everywhere.append(pipeline)
            for namespace in pipeline.namespaces:
                self._by_namespace.setdefault(namespace, []).append(pipeline)

    def taking(self, pod: pods.Pod) -> Iterator[plan.Pipeline]:
        """Yield the pipelines that select `pod`, whatever containers they take of it."""
        for candidates in (self._everywhere, self._by_namespace.get(pod.namespace, ())):
            for pipeline in candidates:
                if pod.namespace not in pipeline.exclude_namespaces and selects(pipeline, pod):
                    yield pipeline


def selects(pipeline: plan.Pipeline, pod: pods.Pod) -> bool:
    """Say whether the pod's labels and annotations are those that `pipeline` selects."""
    if pipeline.pod_labels and (pod.labels is None or not pipeline.pod_labels.matches(pod.labels)):
        return False
    if not pipeline.pod_annotations:
        return True
    annotations = pod.annotations
    return annotations is not None and all(
        annotations.get(key) == value for key, value in pipeline.pod_annotations
    )


def takes_container(pipeline: plan.Pipeline, name: str, said: wishes.Said) -> bool:
    """Say whether `pipeline` takes a container from a pod that it selects.

    `said` is what the container says for itself.
    """
    excluded = pipeline.excludes_by_default if said.excluded is None else said.excluded
    if excluded or name in pipeline.exclude_container_names:
        return False
    if pipeline.opt_in is not None and not wishes.granted(pipeline.opt_in, said):
        return False
    return not pipeline.container_names or name in pipeline.container_names
