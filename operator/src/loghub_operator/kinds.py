"""The kinds that the operator looks at, by plural, and their API paths. Used by `cluster`."""

import dataclasses
from typing import Final

from loghub_operator.resources import model


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """One kind of the API server."""

    name: str
    plural: str
    api_version: str
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of an object, or of all of a namespace, or of all."""
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [root, self.api_version]
        parts += ["namespaces", namespace] if namespace and self.namespaced else []
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


def _own(name: str, plural: str, *, namespaced: bool = True) -> Kind:
    return Kind(name, plural, model.API_VERSION, namespaced)


PROJECT: Final = _own("LogProject", "logprojects")
STORE: Final = _own("LogStore", "logstores")
CONFIG: Final = _own("LogConfig", "logconfigs")
CLUSTER_CONFIG: Final = _own("ClusterLogConfig", "clusterlogconfigs", namespaced=False)
AGENT: Final = _own("CollectionAgent", "collectionagents", namespaced=False)
PIPELINE: Final = _own("LogPipeline", "logpipelines")
REPORT: Final = _own("AgentReport", "agentreports")
NAMESPACE: Final = Kind("Namespace", "namespaces", "v1", namespaced=False)

NODE: Final = Kind("Node", "nodes", "v1", namespaced=False)
POD: Final = Kind("Pod", "pods", "v1")
SERVICE: Final = Kind("Service", "services", "v1")
SECRET: Final = Kind("Secret", "secrets", "v1")
SERVICE_ACCOUNT: Final = Kind("ServiceAccount", "serviceaccounts", "v1")
EVENT: Final = Kind("Event", "events", "v1")
DAEMON_SET: Final = Kind("DaemonSet", "daemonsets", "apps/v1")
REVIEW: Final = Kind(
    "SubjectAccessReview", "subjectaccessreviews", "authorization.k8s.io/v1", namespaced=False
)
LEASE: Final = Kind("Lease", "leases", "coordination.k8s.io/v1")

CONFIGS: Final = (CONFIG, CLUSTER_CONFIG)
"""What becomes a LogPipeline."""
WATCHED: Final = (PROJECT, STORE, CONFIG, CLUSTER_CONFIG, AGENT, PIPELINE, REPORT, NAMESPACE)
"""What `watching` keeps in memory; Secrets and DaemonSets are read when they are needed."""
