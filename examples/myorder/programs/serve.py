"""The web page's server: the page, the official browser SDK, and the way from it to the service.

The SDK's records come to this address, which hands them on to the project's web tracking: a browser
needs no other name and no key. Each request is printed as nginx would. ENDPOINT and PROJECT say
where the service is; PAGE and SDK are the folders of the page and of the SDK's modules.
"""

import argparse
import http.server
import os
import pathlib
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from typing import ClassVar

STORE = "web-click"
TIMEOUT_SECONDS = 10
MAX_BODY_BYTES = 3 * 1024 * 1024
"""The service takes no larger one by web tracking."""
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css"}
FILE = re.compile(r"/(sdk/)?([a-z][a-z.-]*\.(?:html|js|css))")


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one browser."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    page: ClassVar[pathlib.Path]
    sdk: ClassVar[pathlib.Path]
    service: ClassVar[str]

    def do_GET(self) -> None:
        """A file of the page or of the SDK."""
        path = self.path.partition("?")[0]
        found = FILE.fullmatch("/index.html" if path in {"/", "/login"} else path)
        file = (self.sdk if found and found[1] else self.page) / (found[2] if found else "")
        if found is None or not file.is_file():
            self._answer(404, b"not here\n")
            return
        self._answer(200, file.read_bytes(), TYPES[file.suffix])

    def do_POST(self) -> None:
        """Records of the SDK, handed on as they are."""
        length = int(self.headers.get("content-length") or 0)
        if self.path.partition("?")[0] != f"/logstores/{STORE}/track":
            self._answer(404, b"not here\n", close=True)
        elif not 0 < length <= MAX_BODY_BYTES:
            self._answer(413, b"no body, or too large a one\n", close=True)
        else:
            self._answer(*self._hand_on(self.rfile.read(length)))

    def _hand_on(self, body: bytes) -> tuple[int, bytes]:
        kept = {
            name: value
            for name, value in self.headers.items()
            if name.lower() == "content-type" or name.lower().startswith("x-log-")
        }
        asked = urllib.request.Request(self.service + self.path, body, kept)  # noqa: S310
        try:
            with urllib.request.urlopen(asked, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as fault:
            return fault.code, fault.read()
        except OSError as fault:
            print(f"the service does not answer: {fault}", file=sys.stderr, flush=True)
            return 502, b"the service does not answer\n"

    def _answer(
        self, status: int, body: bytes, kind: str = "text/plain", *, close: bool = False
    ) -> None:
        self.send_response_only(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        if close:
            self.send_header("connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)
        agent = self.headers.get("user-agent", "-").replace('"', "'")
        now = time.strftime("%d/%b/%Y:%H:%M:%S %z")
        print(
            f'{self.client_address[0]} - - [{now}] "{self.requestline}" {status} {len(body)} '
            f'"{self.headers.get("referer", "-")}" "{agent}"',
            flush=True,
        )


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    scheme, _, host = os.environ["ENDPOINT"].partition("://")
    Handler.service = f"{scheme}://{os.environ['PROJECT']}.{host}"
    Handler.page = pathlib.Path(os.environ["PAGE"])
    Handler.sdk = pathlib.Path(os.environ["SDK"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    http.server.ThreadingHTTPServer(("", options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
