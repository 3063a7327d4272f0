"""Conditions: what a user reads of an object, by the API conventions. Pure.

`lastTransitionTime` moves only when the status does; `observedGeneration` is always the current.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

Condition = dict[str, Any]


def true(kind: str, reason: str, message: str = "") -> Condition:
    """A condition that holds."""
    return {"type": kind, "status": "True", "reason": reason, "message": message}


def false(kind: str, reason: str, message: str) -> Condition:
    """A condition that does not hold; the message says what and how to mend it."""
    return {"type": kind, "status": "False", "reason": reason, "message": message[:2000]}


def unknown(kind: str, reason: str, message: str) -> Condition:
    """A condition of which nobody can say yet whether it holds."""
    return false(kind, reason, message) | {"status": "Unknown"}


def merged(found: Mapping[str, Any], wanted: Iterable[Condition], now: dt.datetime) -> list[Any]:
    """The conditions of `found` with `wanted` in place of those of the same types."""
    before = {each["type"]: each for each in (found.get("status") or {}).get("conditions", [])}
    stamp = now.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for each in wanted:
        old = before.get(each["type"], {})
        since = old.get("lastTransitionTime") if old.get("status") == each["status"] else None
        before[each["type"]] = each | {
            "lastTransitionTime": since or stamp,
            "observedGeneration": found["metadata"]["generation"],
        }
    return [before[kind] for kind in sorted(before)]


def status_of(found: Mapping[str, Any] | None, kind: str) -> str:
    """The status of a condition that speaks of the current generation; else Unknown."""
    if found is None:
        return "Unknown"
    for each in (found.get("status") or {}).get("conditions", []):
        if each["type"] == kind:
            current = each.get("observedGeneration") == found["metadata"]["generation"]
            return str(each["status"]) if current else "Unknown"
    return "Unknown"


def turned_true(before: Mapping[str, Any], after: Mapping[str, Any], kind: str) -> Condition | None:
    """The condition of that type in the status `after`, if it holds there and not in `before`."""
    held, holds = (
        {each["type"]: each for each in status.get("conditions") or []}.get(kind, {})
        for status in (before, after)
    )
    turned = holds.get("status") == "True" and held.get("status") != "True"
    return dict(holds) if turned else None
