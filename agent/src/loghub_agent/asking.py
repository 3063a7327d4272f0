"""`loghub-agent explain`: puts a question to the agent that runs on this machine.

Only that one knows what it was told and has seen; `explaining` makes its answer.
"""

import http.client
import urllib.parse
import urllib.request
from typing import Final

from loghub_agent import errors

_WAIT_SECONDS: Final = 15.0
"""For an answer that needs the core's counters on a busy node."""
_MAX_BYTES: Final = 1024 * 1024
"""Of an answer; a real one has some kilobytes."""


def explain(asked: str, admin: str) -> str:
    """Return the answer of the agent at `admin` (HOST:PORT, :PORT or a URL).

    Raises:
        UsageError: `admin` is no address.
        AgentError: no agent answers there.
    """
    query = urllib.parse.urlencode({"of": asked})
    url = f"{_url(admin)}/explain?{query}"
    # A proxy has no part in this: the agent is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_WAIT_SECONDS) as answer:
            content: bytes = answer.read(_MAX_BYTES)
            return content.decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as fault:
        reason = getattr(fault, "reason", fault)
        raise errors.AgentError(
            f"no agent answers at {admin}: {reason}. Ask where it runs (kubectl exec into the "
            "node's agent), and give --admin the address of its --admin-listen"
        ) from fault


def _url(admin: str) -> str:
    text = admin if "://" in admin else f"http://{admin}"
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError:
        port = None
    if port is None or parts.scheme != "http":
        raise errors.UsageError(f"--admin is {admin!r}; write HOST:PORT or :PORT")
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
