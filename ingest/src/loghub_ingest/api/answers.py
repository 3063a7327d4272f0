"""The forms an answer takes. `app` adds the request id; errors are its business too."""

import json
from typing import Any

from starlette.responses import Response


def nothing() -> Response:
    """Success without a body: no content type either, or a client would parse the nothing."""
    return Response(status_code=200)


def document(found: Any, headers: dict[str, str] | None = None) -> Response:
    """A JSON document."""
    body = json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, media_type="application/json", headers=headers)
