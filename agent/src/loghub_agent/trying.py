"""`loghub-agent try`: what a pipeline makes of sample lines, without running it.

Reads one JSON document, `{"spec": LogPipeline spec, "lines": [...]}`, and answers with one JSON
object for each record: `record`, `fields`, `time`, `fault`, `dropped`. `kubectl loghub test` asks
it, on this machine or in an agent's pod, so that samples meet the parser that reads the real lines.
"""

import json
import time
from collections.abc import Iterator
from typing import IO, Final

from loghub_agent import _core, errors
from loghub_agent.config import plan

MAX_BYTES: Final = 8 * 1024 * 1024
"""Of the document; the core takes fewer bytes of lines."""


def answer(asked: IO[str]) -> Iterator[str]:
    """Yield a line of JSON for each record.

    Raises:
        UsageError: the document is none, or too large.
        RefusedError: the spec cannot be used.
    """
    text = asked.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise errors.UsageError(
            f"the document on stdin has over {MAX_BYTES} characters; shorten it"
        )
    try:
        document = json.loads(text)
        spec, lines = dict(document["spec"]), [str(each) for each in document["lines"]]
    except (ValueError, TypeError, KeyError) as fault:
        raise errors.UsageError(
            'stdin must be one JSON document {"spec": {...}, "lines": [...]}'
        ) from fault
    found = plan.resolve(spec, name="it", namespace="", generation=1)
    head = json.loads(f"{{{found.head}}}")
    rules = json.dumps({"multiline": head["multiline"], "shaping": head["shaping"]})
    try:
        tried = json.loads(_core.try_lines(rules, lines, (int(time.time()), 0)))
    except ValueError as fault:
        raise errors.RefusedError(f"the rules cannot be used: {fault}") from fault
    for each in tried:
        yield json.dumps(each, ensure_ascii=False)
