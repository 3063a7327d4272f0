"""What this node's pods ask for themselves, for the AgentReport. Pure; the operator decides.

`hearing` reads the containers' keys, here they become the report's lists. A deleted pod
counts until its last bytes are read: were its opt-in forgotten earlier, the operator would take the
pipeline away from under them.
"""

import collections
from collections.abc import Iterable
from typing import Any, Final

from loghub_agent import forms, hearing, planning, pods, wishes

_Key = tuple[str, str, str, str, forms.Form]
"""Namespace, Logstore, project, way of asking, form: what makes one entry."""

MAX_OPT_INS: Final = 500
"""Entries of one report (contract)."""
MAX_PROBLEMS: Final = 100
"""Keys that do not work, of one report (contract)."""
_MAX_PODS: Final = 5
"""Pods named per entry (contract)."""
_MAX_POD_PROBLEMS: Final = 10
"""Of one pod, so that a careless one leaves room for others."""


def report(residents: Iterable[planning.Resident]) -> dict[str, list[dict[str, Any]]]:
    """Return the report's `optIns` and `problems`, sorted and bounded."""
    groups: dict[_Key, list[tuple[pods.Pod, wishes.Wish]]]
    groups = collections.defaultdict(list)
    faults: list[dict[str, Any]] = []
    for resident in residents:
        pod = resident.pod
        said, problems = hearing.heard(pod)
        for each in said.values():
            for wish in () if each.excluded else each.wishes:
                key = pod.namespace, wish.logstore, wish.project, wish.via, wish.form
                groups[key].append((pod, wish))
        if not resident.gone:
            faults += [_problem(pod, problem) for problem in problems[:_MAX_POD_PROBLEMS]]
    faults.sort(key=lambda fault: (fault["namespace"], fault["pod"], fault["key"]))
    return {
        "optIns": [_entry(key, group) for key, group in sorted(groups.items())[:MAX_OPT_INS]],
        "problems": faults[:MAX_PROBLEMS],
    }


def _entry(key: _Key, group: list[tuple[pods.Pod, wishes.Wish]]) -> dict[str, Any]:
    namespace, logstore, project, via, form = key
    named = sorted({(pod.name, pod.uid) for pod, _ in group})[:_MAX_PODS]
    entry = {
        "namespace": namespace,
        "logstore": logstore,
        "project": project,
        "via": via,
        "key": min(wish.key for _, wish in group),
        "pods": [name for name, _ in named],
        "podUids": [uid for _, uid in named],
        **form.document(),
    }
    # Where pods differ, the Logstore is made by one of them: always the same.
    create = dict(min((wish.create for _, wish in group if wish.create), key=repr, default=()))
    return entry | ({"create": create} if create else {})


def _problem(pod: pods.Pod, problem: wishes.Problem) -> dict[str, Any]:
    return {
        "namespace": pod.namespace,
        "pod": pod.name,
        "uid": pod.uid,
        "container": problem.container,
        "key": problem.key,
        "message": problem.message,
    }
