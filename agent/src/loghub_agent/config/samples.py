"""Sample lines with the fields they must give, judged by the parser that will read the real ones.

`plan` calls `judge` for every new form of a pipeline. A form that does not do what its samples say
is refused like one that cannot be read, so its last good form keeps running, and the report says
which field of which sample differs.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

from loghub_agent import _core, errors
from loghub_agent.config import limits, reading

TIME: Final = "__time__"
"""Stands in `expect` for the record's time: Unix seconds."""
_MAX_SAMPLES: Final = 20
"""Each agent runs all of them at each change; people write a handful."""
_UNJUDGED: Final = frozenset(("sample", "rateLimit"))
"""Processors that let a record pass by chance or by load."""
_SHOWN: Final = 120
"""Characters of a value in a sentence."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """What one record looks like, and fields of what becomes of it."""

    line: str
    """Of a record of several lines: all of them."""
    expect: Mapping[str, str]


def read(root: reading.Section) -> tuple[Sample, ...]:
    """Return the `samples` of a spec.

    Raises:
        RefusedError: an unknown key, a wrong type or a value out of bounds.
    """
    found = []
    for number, each in enumerate(root.sections("samples")):
        if number >= _MAX_SAMPLES:
            root.refuse("samples", f"has over {_MAX_SAMPLES} entries; remove some")
        line = each.text("line", control=True)
        expect = each.mapping("expect", key_limit=limits.MAX_TAG_CHARACTERS, control=True)
        found.append(Sample(line, expect))
        each.end()
    return tuple(found)


def judge(
    wanted: tuple[Sample, ...],
    multiline: Mapping[str, Any] | None,
    shaping: Mapping[str, Any] | None,
    *,
    subject: str,
) -> None:
    """Run the samples through the core's joiner and parser.

    Raises:
        RefusedError: one gives another record than it says; names sample, field and both values.
    """
    if not wanted:
        return
    rules = json.dumps({"multiline": multiline, "shaping": _judged(shaping)})
    for number, sample in enumerate(wanted):
        where = f"{subject}: spec.samples[{number}]"
        try:
            tried = json.loads(_core.try_lines(rules, sample.line.split("\n"), (0, 0)))
        except ValueError:
            return  # the rules themselves are wrong: the core says so when it gets the plan
        if len(tried) != 1:
            raise errors.RefusedError(
                f"{where} makes {len(tried)} records; a sample is one: correct spec.multiline"
            )
        _compare(tried[0], sample.expect, where)


def _judged(shaping: Mapping[str, Any] | None) -> dict[str, Any]:
    found = dict(shaping or {})
    if processors := found.get("processors"):
        found["processors"] = [each for each in processors if not _UNJUDGED & each.keys()]
    return found


def _compare(tried: Mapping[str, Any], expect: Mapping[str, str], where: str) -> None:
    if tried["dropped"]:
        raise errors.RefusedError(
            f"{where} is dropped ({tried['dropped']}); a sample must arrive, correct the rules"
        )
    got = dict(tried["fields"]) | {TIME: str(tried["time"][0])}
    fault = f" (the line cannot be parsed: {tried['fault']})" if tried["fault"] else ""
    for field, value in expect.items():
        if field not in got:
            known = ", ".join(name for name, _ in tried["fields"][:20])
            raise errors.RefusedError(
                f"{where}.expect.{field}: expected {value[:_SHOWN]!r}, got no such field, only "
                f"{known}{fault}"
            )
        if got[field] != value:
            raise errors.RefusedError(
                f"{where}.expect.{field}: expected {value[:_SHOWN]!r}, got "
                f"{got[field][:_SHOWN]!r}{fault}"
            )
