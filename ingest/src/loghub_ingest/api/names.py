"""Pages of names, as every list of the control plane is asked for and answered."""

from collections.abc import Iterable

from starlette.responses import Response

from loghub_ingest.api import answers
from loghub_ingest.requests import Call

MAX_PAGE = 500
"""The service's own bound on `size`."""


def page(call: Call, key: str, names: Iterable[str], *, part: str = "") -> Response:
    """`{"count", "total", key: [...]}` of the names that hold the query's `part`."""
    offset = call.number("offset", 0, least=0, most=2**31)
    size = call.number("size", MAX_PAGE, least=0, most=MAX_PAGE)
    wanted = call.query.get(part, "") if part else ""
    found = [each for each in names if wanted in each]
    shown = found[offset : offset + size]
    return answers.document({"count": len(shown), "total": len(found), key: shown})
