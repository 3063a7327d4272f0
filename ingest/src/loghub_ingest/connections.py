"""One HTTP connection, with bounds that uvicorn's own protocol leaves out. Used by `listening`.

A head must be whole in time and in size; a client that takes an answer must go on taking it. What
is no HTTP at all is refused in the service's form, since clients read its request id.
"""

import asyncio
import json
import resource
import secrets
from typing import Final

from uvicorn.protocols.http import httptools_impl

from loghub_ingest import telemetry
from loghub_ingest.api import crossorigin
from slswire import headers

HEAD_SECONDS: Final = 20.0
"""From a connection's or a head's first byte to its end: ten round trips of the slowest link."""

MAX_HEAD_BYTES: Final = 64 * 1024
"""Four times the longest address that the API takes."""

STALLED_SECONDS: Final = 30.0
"""A client that takes nothing of its answer for so long is gone, or means no good."""

MAX_CONNECTIONS: Final = 20_000
"""Of one address; an idle one costs some 10 KiB."""

_TOO_LARGE: Final = "The request's head is too large."


def allow_files() -> None:
    """Raise the soft limit of open files to the hard one: each connection takes one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Connection(httptools_impl.HttpToolsProtocol):
    """uvicorn's connection with its bounds."""

    _head_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0
    _heads = 0
    _unsent = 0
    _answers = 0
    _watched_answers = 0
    _refusal = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            telemetry.CLOSED.labels("too many").inc()
            transport.abort()  # unanswered: every client comes back
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._end_head()
        self._end_watch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass bytes to the parser, and count those of a head."""
        whole_requests = self._heads
        began_in_head = self._in_head
        super().data_received(data)
        # A chunk that holds more than a part of one head (a body, a whole request) is not counted:
        # where in it a head begins is not known, and a body's end must not pass for one.
        if self._in_head and began_in_head and self._heads == whole_requests:
            if self._head_timer is None:  # the first bytes after an idle time
                self._expect_head()
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response(_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """The head is whole.

        Raises:
            ValueError: it is too large; the parser's caller refuses the request.
        """
        self._in_head = False
        self._heads += 1
        self._end_head()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD_BYTES:
            self._refusal = _TOO_LARGE
            raise ValueError(_TOO_LARGE)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What follows is another head, now or much later."""
        super().on_message_complete()
        self._in_head, self._head_bytes = True, 0

    def on_response_complete(self) -> None:
        """An answer is written: watch that it is taken, one below the transport's bound as well."""
        super().on_response_complete()
        self._answers += 1
        if self._stall_timer is None:
            self._watch()

    def pause_writing(self) -> None:
        """The client is slower than its answer: watch that it goes on."""
        super().pause_writing()
        self._end_watch()
        self._watch()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._end_watch()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, in the service's own form."""
        body = json.dumps(
            {"errorCode": "BadRequest", "errorMessage": self._refusal or msg}
        ).encode()
        sent = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            headers.REQUEST_ID: secrets.token_hex(12).upper(),
        } | crossorigin.HEADERS
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + lines.encode() + b"\r\n" + body)
        self.transport.close()

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _watch(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._watched_answers = self._answers
        self._stall_timer = self.loop.call_later(STALLED_SECONDS, self._check_progress)

    def _check_progress(self) -> None:
        # One timer in so many seconds, whatever the number of answers: an idle connection has none.
        self._stall_timer = None
        unsent = self.transport.get_write_buffer_size()
        if not unsent:
            return
        if unsent >= self._unsent and self._answers == self._watched_answers:
            telemetry.CLOSED.labels("stalled").inc()
            self.transport.abort()
        else:
            self._watch()

    def _end_watch(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
