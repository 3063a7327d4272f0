"""What to do about what is not well: an object by its condition's reason, an error by its code.

Pure. The message says what is wrong, this the next command. Used by `installation` and `cli`.
"""

from typing import Final

import aiohttp

from slswire.errors import SlsError

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


_BY_CODE: Final = {
    "LogStoreNotExist": "See which there are: `loghub stores -A`, or the console",
    "ProjectNotExist": "See which there are: `kubectl get logprojects -A`; --project takes the "
    "project's name in the service",
    "SignatureNotMatch": "The secret does not go with the access key id: see "
    "LOGHUB_ACCESS_KEY_SECRET, or the project's Secret",
    "Unauthorized": "The key is unknown, of another project or without the right: see "
    "LOGHUB_ACCESS_KEY_ID, or the project's Secret",
    "RequestTimeTooSkewed": "Set this machine's clock",
    "ServerBusy": "Try again; `loghub status` says whether the service is well",
}
"""What to do where the service refuses, by its code."""


def sentence(fault: BaseException) -> str:
    """What an error says, and the way out where one is known."""
    if isinstance(fault, aiohttp.ClientConnectorError):
        return (
            f"{fault.host}:{fault.port} cannot be reached ({fault.strerror}). Is the "
            "service up, and is --endpoint (LOGHUB_ENDPOINT) its address?"
        )
    said = str(fault) or type(fault).__name__
    known = _BY_CODE.get(fault.code, "") if isinstance(fault, SlsError) else ""
    return f"{said}. {known}." if known else said


def advice(kind: str, namespace: str, name: str, *, reason: str, system: str) -> str:
    """The next thing to do; `system` is the release's namespace."""
    plural = _PLURALS.get(kind, kind.lower())
    where = f"-n {namespace} " if namespace else ""
    known = _BY_REASON.get(reason, f"`kubectl {where}describe {plural} {name}`")
    return known.format(namespace=namespace, name=name, plural=plural, system=system)
