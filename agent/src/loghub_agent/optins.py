"""Opt-in annotations seen on this node's pods, for the AgentReport. Pure; the operator decides.

`reports` writes them. A deleted pod counts until its last bytes are read: were its opt-in forgotten
earlier, the operator would take the pipeline away from under them.
"""

import collections
from collections.abc import Iterable
from typing import Any, Final

from loghub_agent import planning, pods

MAX_OPT_INS: Final = 500
"""Entries of one report (contract)."""
_MAX_PODS: Final = 5
"""Pods named per entry (contract)."""


def seen(residents: Iterable[planning.Resident]) -> list[dict[str, Any]]:
    """Return the report's `optIns`, sorted and bounded."""
    groups: dict[tuple[str, str, str], list[str]] = collections.defaultdict(list)
    for resident in residents:
        pod = resident.pod
        annotations = pod.annotations or {}
        logstore = annotations.get(pods.LOGSTORE, "")
        if logstore and not pod.excluded:
            key = pod.namespace, logstore, annotations.get(pods.PROJECT, "")
            groups[key].append(pod.name)
    return [
        {
            "namespace": namespace,
            "logstore": logstore,
            "project": project,
            "pods": sorted(names)[:_MAX_PODS],
        }
        for (namespace, logstore, project), names in sorted(groups.items())[:MAX_OPT_INS]
    ]
