"""Web tracking: what browsers write without a key, into Logstores that allow it.

A page writes one log by the address of an image (`GET`), or many as JSON (`POST`, the browser's
beacon too, which sends no header of ours). The time is the service's: a visitor's clock says
nothing. Answers carry the CORS headers that `app` adds to all.
"""

import base64
import json
import time
from typing import Any, Final

from starlette.responses import Response

from loghub_ingest.api import answers, groups, writing
from loghub_ingest.requests import Call
from slswire import errors, headers, protobuf
from slswire.model import Log, LogGroup

MAX_ADDRESS_BYTES: Final = 16 * 1024
"""Of the query of a GET, as the service has it."""

_IMAGE: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent GIF of one pixel."""

_OURS: Final = frozenset({"APIVersion", "__topic__", "__source__", "__time__"})


async def get(call: Call) -> Response:
    """`GET /logstores/L/track?k=v`: one log."""
    await _write_one(call, {})
    return answers.nothing()


async def image(call: Call) -> Response:
    """`GET /logstores/L/track.gif?k=v`: one log, answered by an image."""
    await _write_one(call, {})
    return _gif()


async def image_with_agent(call: Call) -> Response:
    """`GET /logstores/L/track_ua.gif?k=v`: with the browser and the page in the log."""
    seen = {
        "__userAgent__": call.headers.get("user-agent", ""),
        "__referer__": call.headers.get("referer", ""),
    }
    await _write_one(call, seen)
    return _gif()


async def post(call: Call) -> Response:
    """`POST /logstores/L/track`: the logs of a JSON document, whatever its content type says."""
    group = groups.from_json(_document(call), moment=int(time.time()))
    await _write(call, group)
    return answers.nothing()


async def _write_one(call: Call, more: dict[str, str]) -> None:
    size = sum(len(name) + len(value) for name, value in call.query.items())
    if size > MAX_ADDRESS_BYTES:
        raise errors.make("PostBodyTooLarge", size=size, limit=MAX_ADDRESS_BYTES)
    fields = {name: value for name, value in call.query.items() if name not in _OURS} | more
    log = Log(int(time.time()), tuple(fields.items()))
    topic, source = (call.query.get(name, "") for name in ("__topic__", "__source__"))
    await _write(call, LogGroup((log,), topic=topic, source=source))


async def _write(call: Call, group: LogGroup) -> None:
    store = call.store("track")
    if store.document["enable_tracking"] is not True:
        detail = f"Logstore {store.name} does not allow web tracking: set enable_tracking."
        raise errors.make("Unauthorized", detail=detail)
    call.service.quotas.write(call.project, len(call.body), time.monotonic())
    raw = groups.with_client(call, store, protobuf.encode_log_group(group))
    if group.logs:
        packed = [groups.pack(store, raw)]
        await call.service.writes.place(packed, lambda: writing.choose(call, store, None))


def _document(call: Call) -> dict[str, Any]:
    # Some clients state the length of the text, not of its bytes, where nothing is compressed.
    body = call.raw_body() if call.headers.get(headers.COMPRESS_TYPE) else call.body
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise errors.make("PostBodyInvalid", detail=f"The body is no JSON: {fault}") from fault
    if not isinstance(found, dict):
        raise errors.make("PostBodyInvalid", detail="The body is no JSON object.")
    return found


def _gif() -> Response:
    # An image that a browser keeps is a log that is never written.
    return Response(_IMAGE, media_type="image/gif", headers={"cache-control": "no-store"})
