"""What the agents made of a LogConfig, for its status: summed up, bounded, seldom written.

`configs` calls `write` with what it decided. What a user waits for is written at once: a condition,
a failure, the moment when every agent has it. Numbers that move by themselves wait for a minute,
and thousands of statuses that change together (a node came) share a budget.
"""

import dataclasses
import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from loghub_operator import cache, conditions, kinds, reporting
from loghub_operator.reconciling import context

OBSERVE: Final = "observed/"
"""In front of a kind's plural in a key: only look at the reports, nothing else changed."""

FIGURES_SECONDS: Final = 60.0
"""Least time between two writes for numbers alone."""
_PROGRESS_SECONDS: Final = 5.0
"""The same while agents take up a new form, and for the first lines: somebody waits for them."""
_SAMPLES: Final = 10
_NODE_ERRORS: Final = 10
_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
_OF_SAMPLE: Final = re.compile(r"spec\.(samples\[\d+\].*)", re.DOTALL)


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """A pipeline as the agents report it."""

    fields: dict[str, Any]
    """Of status."""
    mismatch: str
    """What the agents' parser says against the samples of the current form."""
    judged: bool
    """Whether some agent has taken or refused the current form."""

    @property
    def failed(self) -> int:
        """How many agents refuse it."""
        return int(self.fields["agents"]["failed"])


def observe(ctx: context.Context, found: context.Object, pipeline: context.Object) -> Running:
    """What the agents report of the pipeline of a config, as it is in the API server."""
    metadata = pipeline["metadata"]
    entries = ctx.reports.of(metadata["name"])
    generation, written = int(metadata["generation"]), int(metadata.get("resourceVersion", 0))
    silent = ctx.reports.up_to(max(1, written)) - sum(
        1 for node in entries if _version(ctx, node) >= written
    )
    applied = silent + sum(
        1 for each in entries.values() if not each.failed and each.generation >= generation
    )
    failed = {node: each for node, each in entries.items() if each.failed}
    desired = len(ctx.reports)
    origins = [each.origin_generation for each in entries.values() if each.origin_generation]
    if silent or applied == desired:
        origins.append(found["metadata"]["generation"])
    current = [each.message for each in failed.values() if each.refused_generation >= generation]
    agents = {
        "desired": desired,
        "applied": applied,
        "failed": len(failed),
        "oldestGeneration": min(origins, default=0),
        "summary": f"{applied}/{desired}",
    }
    faults = [{"node": node, "message": failed[node].message} for node in sorted(failed)]
    fields = {"agents": agents, "nodeErrors": faults[:_NODE_ERRORS], **_sums(entries.values())}
    mismatches = [match[1] for words in current if (match := _OF_SAMPLE.search(words))]
    return Running(fields, min(mismatches, default=""), bool(applied or current))


def _version(ctx: context.Context, node: str) -> int:
    report = ctx.reports.get(node)
    return report.version if report else 0


def _sums(entries: Iterable[reporting.Entry]) -> dict[str, Any]:
    found = list(entries)
    lost: dict[str, int] = {}
    for reason, count in (pair for each in found for pair in each.lost):
        lost[reason] = lost.get(reason, 0) + count
    samples = sorted(name for each in found for name in each.samples)
    last = max((each.last for each in found), default="")
    return {
        "matched": {
            "pods": sum(each.pods for each in found),
            "containers": sum(each.containers for each in found),
            "samples": samples[:_SAMPLES],
        },
        "lines": sum(each.lines for each in found),
        "bytes": sum(each.bytes for each in found),
        "lagSeconds": max((each.lag_seconds for each in found), default=0),
        "lostBytes": lost or None,
        "lostTotal": sum(lost.values()),
        "lastLogTime": last or None,
    }


async def write(
    ctx: context.Context,
    kind: kinds.Kind,
    found: context.Object,
    *,
    wanted: list[conditions.Condition],
    fields: Mapping[str, Any],
) -> None:
    """Write a config's status now, or have it looked at again when it may be written."""
    before = found.get("status") or {}
    status = context.with_conditions(found, wanted, fields)
    # A merge patch takes away what is null.
    kept = {key: value for key, value in status.items() if value is not None}
    unsure = ctx.is_unsure(kind, found)
    if _without_time(kept) == _without_time(before) and not unsure:
        return
    now = dt.datetime.now(dt.UTC)
    key = (OBSERVE + kind.plural, *cache.place(found))
    if unsure or _urgent(before, kept):
        ctx.pace.charge(key)
    else:
        wait = _wait(before, kept, now)
        if wait <= 0:
            wait = ctx.pace.wait(key)
        if wait > 0:
            ctx.later(key, wait)
            return
    status["asOf"] = now.strftime(_FORMAT)
    await ctx.write_status(kind, found, status)


def _without_time(status: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in status.items() if key != "asOf"}


def _urgent(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a user waits for it."""
    return _state(before) != _state(after)


def _state(status: Mapping[str, Any]) -> tuple[Any, ...]:
    agents = status.get("agents") or {}
    told = [
        (each["type"], each["status"], each["reason"], each.get("observedGeneration"))
        for each in status.get("conditions") or []
    ]
    return (
        told,
        status.get("observedGeneration"),
        status.get("pipeline"),
        bool(agents) and agents.get("applied") == agents.get("desired"),
        agents.get("failed", 0) > 0,
        (status.get("matched") or {}).get("pods", 0) > 0,
        sorted(status.get("lostBytes") or ()),
    )


def _wait(before: Mapping[str, Any], after: Mapping[str, Any], now: dt.datetime) -> float:
    """Seconds until it may be written."""
    old, new = before.get("agents") or {}, after.get("agents") or {}
    progress = old.get("desired") == new.get("desired") and old.get("applied") != new.get("applied")
    first = bool(after.get("lines")) and not before.get("lines")
    least = _PROGRESS_SECONDS if progress or first else FIGURES_SECONDS
    try:
        written = dt.datetime.strptime(str(before.get("asOf")), _FORMAT).replace(tzinfo=dt.UTC)
    except ValueError:
        return 0.0
    # A clock that was set back must not hold it up.
    return min(least, least - (now - written).total_seconds())
