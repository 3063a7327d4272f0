"""Every reason that a condition or an Event of ours can have, with what it means. Pure.

A user's script, Argo CD rule or alert matches on these words, so the list is the whole list: the
answers of a service become one of them here, and `docs/` prints it.
"""

from collections.abc import Mapping
from typing import Final

from slswire import errors

ABOUT: Final[Mapping[str, str]] = {
    "AgentLate": "No agent became ready on a node in time; its start-up taint is gone.",
    "AgentReady": "A node's agent is ready; its start-up taint is gone.",
    "AgentsFailed": "Some agents refuse the pipeline; `status.nodeErrors` says which and why.",
    "Available": "All agents of the pool run and are up to date.",
    "CollectNotAllowed": "The service account lacks the right to collect into the LogStore.",
    "Compiled": "The pipeline is written, agents take it within seconds.",
    "CredentialsIncomplete": "The Secret lacks a half of the key.",
    "CredentialsNotFound": "The Secret with the access key does not exist.",
    "CredentialsRotated": "A new key stands in the Secrets; the old one works on for a while.",
    "DaemonSetRefused": "The API server refuses the DaemonSet; the message has its words.",
    "DriftCorrected": "Somebody changed the remote; it was set back.",
    "ImmutableRemote": "The remote has a setting that can never change, and it is another one.",
    "InvalidSpec": "The spec cannot work as it is; the message names the field.",
    "InvalidOptIn": "A pod has an opt-in key that does not work; its other keys do.",
    "NameTaken": "Another LogProject has that project of the service already.",
    "NamespaceNotAllowed": "The owner of the project has not opened it to this namespace.",
    "NoBundledService": "The release was installed without its own service.",
    "NotSupported": "The service does not have what the spec asks for.",
    "OptInRefused": "A pod or namespace asks for a Logstore that it cannot have; it says why.",
    "Paused": "By `spec.mode` the config reads nothing; by the annotation `loghub.dev/paused` "
    "nothing is done for the object.",
    "Preview": "The config ships nothing, its status shows what it would take: spec.mode.",
    "PoolConflict": "Another CollectionAgent has all nodes that this one selects.",
    "ProjectNotExist": "The remote project is not there.",
    "ProjectNotFound": "The LogProject does not exist.",
    "ProjectNotReady": "The LogProject is not ready; its own conditions say why.",
    "Provisioned": "The remote is as the spec says.",
    "QuotaExceeded": "A quota of the service is used up.",
    "RemoteExists": "The remote was there before, and the adoption policy is Fail.",
    "RemoteGone": "The project is gone, and with it the way to delete the remote: it stays.",
    "RemoteRefused": "The service refused for another reason; the message has its code.",
    "Resumed": "The annotation `loghub.dev/paused` is gone.",
    "RollingOut": "Agents are being replaced or are not ready yet.",
    "SampleMismatch": "A line of `spec.samples` becomes something else than it should.",
    "SamplesPending": "No agent has judged `spec.samples` yet.",
    "Shared": "An older LogStore holds the Logstore's settings; this one only writes to it.",
    "StoreNotFound": "The LogStore does not exist.",
    "StoreNotReady": "The LogStore is not ready; its own conditions say why.",
    "TaintForbidden": "The operator lacks the rights that `spec.startupTaint.remove` needs.",
    "Throttled": "The service is busy or limits requests; it is tried again.",
    "TrustInvalid": "A Secret with authorities or a client certificate holds something else.",
    "Unauthorized": "The key is unknown, wrong or lacks a right.",
    "Unreachable": "The service does not answer.",
    "Valid": "The spec is sound.",
}

_OF_CODES: Final = {
    "InvalidAccessKeyId": "Unauthorized",
    "SignatureNotMatch": "Unauthorized",
    "Unauthorized": "Unauthorized",
    "RequestTimeExpired": "Unauthorized",
    "ProjectForbidden": "Unauthorized",
    "ProjectNotExist": "ProjectNotExist",
    "ProjectQuotaExceed": "QuotaExceeded",
    "LogStoreQuotaExceed": "QuotaExceeded",
    "ShardQuotaExceed": "QuotaExceeded",
    "WriteQuotaExceed": "QuotaExceeded",
    "ReadQuotaExceed": "QuotaExceeded",
    "QuotaExceed": "QuotaExceeded",
    "NotSupported": "NotSupported",
    "ServerBusy": "Throttled",
    "RequestTimeout": "Throttled",
}
"""The service's code to the reason; any other is RemoteRefused."""

_TOO_MANY: Final = 429


def of(fault: errors.SlsError) -> str:
    """The reason for an answer of a service."""
    if fault.status == _TOO_MANY:
        return "Throttled"
    return _OF_CODES.get(fault.code, "RemoteRefused")


def sentence(fault: errors.SlsError) -> str:
    """The service's own words with the request id, by which its operators find the request."""
    request = f" (request {fault.request_id})" if fault.request_id else ""
    return f"The service answered {fault.code}: {fault.message}{request}"
