"""What this node's pods ask for themselves, for the AgentReport. Pure; the operator decides.

`hearing` reads the containers' keys, here they become the report's lists. A deleted pod
counts until its last bytes are read: were its opt-in forgotten earlier, the operator would take the
pipeline away from under them.
"""

import collections
import dataclasses
import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from loghub_agent import forms, hearing, planning, pods, wishes
from loghub_agent.config.plan import Pipeline

_Key = tuple[str, str, str, str, forms.Form]
"""Namespace, Logstore, project, way of asking, form: what makes one entry."""

MAX_OPT_INS: Final = 500
"""Entries of one report (contract)."""
MAX_FORM_CHARACTERS: Final = 100_000
"""Of all paths and patterns of one report, which otherwise could outgrow what an object may be."""
MAX_PROBLEMS: Final = 100
"""Keys that do not work, of one report (contract)."""
_MAX_PODS: Final = 5
"""Pods named per entry (contract)."""
_MAX_POD_PROBLEMS: Final = 10
"""Of one pod, so that a careless one leaves room for others."""


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What a report says of pods' own keys, sorted and bounded."""

    opt_ins: list[dict[str, Any]]
    problems: list[dict[str, Any]]
    errors: list[str]
    """Sentences about what found no room."""


def report(
    residents: Iterable[planning.Resident],
    hear: hearing.Hear = hearing.heard,
    failing: Sequence[tuple[Pipeline, str]] = (),
    missing: Collection[str] = (),
) -> Asked:
    """Return what the pods of this node ask for, and which of their keys do not work.

    `failing` are pipelines for opt-ins that do not do all that is asked, and why; `missing` are
    containers, by their runtime ids, of which this node does not say where their files are.
    """
    groups: dict[_Key, list[tuple[pods.Pod, wishes.Wish]]]
    groups = collections.defaultdict(list)
    faults: list[dict[str, Any]] = []
    for resident in residents:
        pod = resident.pod
        said, problems = hear(pod)
        for each in said.values():
            for wish in () if each.excluded else each.wishes:
                key = pod.namespace, wish.logstore, wish.project, wish.via, wish.form
                groups[key].append((pod, wish))
        if not resident.gone:
            problems += [*_failing(pod, said, failing), *_unseen(pod, said, missing)]
            faults += [_problem(pod, problem) for problem in problems[:_MAX_POD_PROBLEMS]]
    faults.sort(key=lambda fault: (fault["namespace"], fault["pod"], fault["key"]))
    listed = list(_fitting(groups))
    errors = []
    if left := len(groups) - len(listed):
        errors.append(f"{left} opt-ins of pods are left out: one node has room for {len(listed)}")
    entries = [_entry(key, groups[key]) for key in listed]
    return Asked(entries, faults[:MAX_PROBLEMS], errors)


def _failing(
    pod: pods.Pod, said: Mapping[str, wishes.Said], found: Sequence[tuple[Pipeline, str]]
) -> Iterator[wishes.Problem]:
    """Yield the keys of a pod that ask for what such a pipeline does."""
    for pipeline, sentence in found:
        for name, each in said.items():
            if pipeline.opt_in is None or pod.namespace not in pipeline.namespaces:
                continue
            for wish in wishes.granted(pipeline.opt_in, each):
                yield wishes.Problem(
                    name, wish.key, f"asks for what cannot be done on node {pod.node}: {sentence}"
                )


def _unseen(
    pod: pods.Pod, said: Mapping[str, wishes.Said], missing: Collection[str]
) -> Iterator[wishes.Problem]:
    """Yield the keys that ask for files where none can be seen.

    Of a single container that is over the runtime keeps no record, and its files may be read all
    the same: only a pod of which no container has one tells of the node.
    """
    ids = [container.id for container in pod.containers if container.id]
    if not pod.running or not ids or not all(each in missing for each in ids):
        return
    for name, each in said.items():
        for wish in (wish for wish in each.wishes if wish.form.files):
            words = (
                f"asks for files, and the agent on node {pod.node} sees none: its CollectionAgent "
                "has hostAccess: Logs, or the runtime is none of containerd, CRI-O and docker"
            )
            yield wishes.Problem(name, wish.key, words)


def _fitting(keys: Iterable[_Key]) -> Iterator[_Key]:
    """The opt-ins that a report has room for, in order: short ones are not crowded out."""
    room = MAX_FORM_CHARACTERS
    for key in itertools.islice(sorted(keys), MAX_OPT_INS):
        form = key[-1].document()
        size = len(json.dumps(form)) if form else 0
        if size <= room:
            room -= size
            yield key


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
