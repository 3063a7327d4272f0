"""What a LogPipeline asks of the way to its destination: `spec.delivery`, as the core spells it.

`raw` reads it through `read`, `plan` hands it to the core as it is. docs/delivery.md says what each
choice costs and what it promises.
"""

from typing import Any, Final

from loghub_agent.config import limits, reading

Document = dict[str, Any]
"""Plain JSON values in the core's spelling, which is the contract's."""

GUARANTEES: Final = ("AtLeastOnce", "ExactlyOnce")
WHEN_FULL: Final = ("Block", "DropOldest")
PRIORITIES: Final = ("High", "Normal", "Low")


def read(section: reading.Section | None) -> Document | None:
    """Return what differs from the defaults, None where nothing does.

    Raises:
        RefusedError: an unknown key, a wrong type or a value out of bounds.
    """
    if section is None:
        return None
    found: Document = {}
    if (guarantee := section.choice("guarantee", GUARANTEES, GUARANTEES[0])) != GUARANTEES[0]:
        found["guarantee"] = guarantee
    if (spool := section.section("spool")) is not None:
        found["spool"] = {
            "maxBytes": spool.whole("maxBytes", limits.SPOOL_BYTES),
            "whenFull": spool.choice("whenFull", WHEN_FULL, WHEN_FULL[0]),
        }
        spool.end()
    if rate := section.whole("maxBytesPerSecond", (0, limits.MAX_RATE), 0):
        found["maxBytesPerSecond"] = rate
    if shard_by := section.texts("shardBy"):
        found["shardBy"] = list(shard_by)
    if (priority := section.choice("priority", PRIORITIES, "Normal")) != "Normal":
        found["priority"] = priority
    section.end()
    for key in ("shardBy", "priority"):
        if key in found and "guarantee" in found:
            section.refuse(
                key, "goes with guarantee AtLeastOnce only; an agent's own keys order exactly-once"
            )
    return found or None
