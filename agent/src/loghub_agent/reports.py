"""The AgentReport's content: what this agent says in words. Pure; `cluster.reporter` writes it.

A report is written when its content changes, so numbers are in it only as coarsely as `figures`
gives them. A pipeline that runs and takes nothing here has no entry: `pipelinesVersion` says up to
which resource version the agent has taken all there are.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from loghub_agent import catalog, figures, optins, planning

MAX_PIPELINES: Final = 1000
"""Entries of `pipelines`. Each is about 250 B, so a report stays below 250 KB however many there
are in a cluster; past it, failed ones and those with containers here go first."""
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
    asked: optins.Asked,
    errors: Iterable[str],
    numbers: Mapping[str, figures.Figures] = MappingProxyType({}),
    written: int = 0,
) -> dict[str, Any]:
    """Return the `report` field. `troubles` are sentences about pipelines that run but cannot work.

    `asked` is what the pods here ask for themselves, `numbers` are by pipeline, `written` is the
    catalog's.

    Lists are sorted and bounded, so that equal situations give equal reports.
    """
    every = [_entry(outcome, matches, troubles, numbers) for outcome in outcomes]
    entries = [each for each in every if _says_something(each)]
    sentences = list(dict.fromkeys((*asked.errors, *errors)))
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
        "pipelinesVersion": str(written),
        "applied": sum(each["state"] == "Applied" for each in every),
        "pipelines": entries,
        "optIns": asked.opt_ins,
        "problems": asked.problems,
        "errors": [sentence[:_MAX_SENTENCE] for sentence in sentences[:MAX_ERRORS]],
    }


def _says_something(entry: Mapping[str, Any]) -> bool:
    told = entry.keys() & {"lines", "lagSeconds", "lostBytes"}
    return bool(entry["state"] == "Failed" or entry["pods"] or told)


def _entry(
    outcome: catalog.Outcome,
    matches: Mapping[str, planning.Match],
    troubles: Mapping[str, str],
    numbers: Mapping[str, figures.Figures],
) -> dict[str, Any]:
    match = matches.get(outcome.name, planning.Match())
    message = outcome.refusal or troubles.get(outcome.name, "")
    entry: dict[str, Any] = {
        "name": outcome.name,
        "generation": outcome.generation,
        "state": "Failed" if message else "Applied",
        "message": message[:_MAX_SENTENCE],
        "pods": match.pods,
        "containers": match.containers,
        "samplePods": match.samples,
    }
    if outcome.origin_generation:
        entry["originGeneration"] = outcome.origin_generation
    if outcome.refused_generation:
        entry["refusedGeneration"] = outcome.refused_generation
    if outcome.name in numbers:
        entry |= numbers[outcome.name].document()
    return entry
