"""What to do about an object that is not well, by its kind and the reason of its condition. Pure.

The condition's message says what is wrong; this names the next command. Used by `installation`.
"""

from typing import Final

_BY_REASON: Final = {
    "NotObserved": "Is the operator running? `kubectl -n {system} logs deployment/loghub-operator`",
    "InvalidSpec": "Correct the field: `kubectl -n {namespace} edit {plural} {name}`",
    "ProjectNotFound": "Create the LogProject, or correct spec.projectRef of the LogStore.",
    "ProjectNotReady": "Mend the LogProject first; it is listed here too.",
    "StoreNotFound": "Create the LogStore, or correct spec.logStoreRef: `loghub stores -A`",
    "StoreNotReady": "Mend the LogStore first; it is listed here too.",
    "NamespaceNotAllowed": "Ask the project's owner to open it: spec.allowedNamespaces of the "
    "LogProject.",
    "RemoteExists": "Choose another name, or take it over with spec.adoptionPolicy: Adopt.",
    "CredentialsNotFound": "Create the Secret in namespace {namespace}, with accessKeyId and "
    "accessKeySecret.",
    "CredentialsIncomplete": "Give the Secret both accessKeyId and accessKeySecret.",
    "NoBundledService": "Install with ingest.enabled=true, or set spec.service.url.",
    "Unreachable": "Is the service up, and may the operator reach it? "
    "`kubectl -n {system} get pods`",
    "DeletionPending": "It goes as soon as its service answers; or set spec.deletionPolicy: "
    "Retain to leave the remote alone.",
    "AgentsFailed": "See each node's own words: `loghub agents`",
    "NotOnAllNodes": "See which node is behind: `loghub agents`",
    "DaemonSetRefused": "Correct the field: `kubectl edit collectionagent {name}`",
    "RollingOut": "Watch it: `kubectl -n {system} get pods "
    "-l app.kubernetes.io/component=agent -o wide`",
    "NotReady": "See why: `kubectl -n {namespace} get pods -l app.kubernetes.io/name=loghub`, then "
    "describe the pod and read its logs.",
    "ScaledToZero": "Give it pods: `kubectl -n {namespace} scale {plural} {name} --replicas=1`",
    "NoNodes": "No node fits: compare nodeSelector and tolerations of "
    "`kubectl get collectionagents -o yaml` with the nodes.",
    "Missing": "Install the release: `helm install loghub charts/loghub -n loghub-system "
    "--create-namespace`",
    "OptInNotGranted": "Ask why: `loghub explain pod {name} -n {namespace}`",
    "AgentErrors": "Read its log: `kubectl -n {system} logs -l app.kubernetes.io/component=agent "
    "--prefix`",
    "SignatureNotMatch": "The access key's secret is wrong: correct the Secret of the LogProject.",
    "Unauthorized": "The access key may not do this: give it the right, or use another key.",
}

_PLURALS: Final = {
    "LogProject": "logprojects",
    "LogStore": "logstores",
    "LogConfig": "logconfigs",
    "CollectionAgent": "collectionagents",
}


def advice(kind: str, namespace: str, name: str, *, reason: str, system: str) -> str:
    """The next thing to do; `system` is the release's namespace."""
    plural = _PLURALS.get(kind, kind.lower())
    where = f"-n {namespace} " if namespace else ""
    known = _BY_REASON.get(reason, f"`kubectl {where}describe {plural} {name}`")
    return known.format(namespace=namespace, name=name, plural=plural, system=system)
