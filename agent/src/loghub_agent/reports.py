"""The AgentReport's content: what this agent says in words. Pure; `cluster.reporter` writes it.

Counters stay out of it: a report is written when its content changes, and numbers always do.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Final

from loghub_agent import catalog, optins, planning

MAX_PIPELINES: Final = 1000
"""Entries of `pipelines`. Each is about 150 B, so a report stays near 150 KB however many pipelines
a cluster has; past it, failed ones and those with containers here go first."""
MAX_ERRORS: Final = 20
"""Sentences in `errors` (contract)."""
_MAX_SENTENCE: Final = 500
"""Characters of one sentence; a guess: two lines on a wide terminal."""


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """Who reports."""

    node: str
    version: str
    pod: str
    pool: str
    started_at: str
    """RFC 3339."""


def build(
    identity: Identity,
    *,
    outcomes: Iterable[catalog.Outcome],
    matches: Mapping[str, planning.Match],
    troubles: Mapping[str, str],
    residents: Iterable[planning.Resident],
    errors: Iterable[str],
) -> dict[str, Any]:
    """Return the `report` field. `troubles` are sentences about pipelines that run but cannot work.

    Lists are sorted and bounded, so that equal situations give equal reports.
    """
    entries = [_entry(outcome, matches, troubles) for outcome in outcomes]
    sentences = list(dict.fromkeys(errors))
    if len(entries) > MAX_PIPELINES:
        sentences.insert(0, f"only {MAX_PIPELINES} of {len(entries)} pipelines are listed here")
        entries.sort(key=lambda entry: (entry["state"] != "Failed", -entry["pods"], entry["name"]))
        entries = sorted(entries[:MAX_PIPELINES], key=lambda entry: str(entry["name"]))
    return {
        "node": identity.node,
        "agent": {
            "version": identity.version,
            "pod": identity.pod,
            "pool": identity.pool,
            "startedAt": identity.started_at,
        },
        "pipelines": entries,
        **optins.report(residents),
        "errors": [sentence[:_MAX_SENTENCE] for sentence in sentences[:MAX_ERRORS]],
    }


def _entry(
    outcome: catalog.Outcome, matches: Mapping[str, planning.Match], troubles: Mapping[str, str]
) -> dict[str, Any]:
    match = matches.get(outcome.name, planning.Match())
    message = outcome.refusal or troubles.get(outcome.name, "")
    return {
        "name": outcome.name,
        "generation": outcome.generation,
        "state": "Failed" if message else "Applied",
        "message": message[:_MAX_SENTENCE],
        "pods": match.pods,
        "containers": match.containers,
        "samplePods": match.samples,
    }
