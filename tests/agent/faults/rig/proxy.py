"""A proxy between agent and service that shows faults which the service cannot be made to show."""

import contextlib
import socket
import threading
import time

from harness import ingest

PASS = "pass"
CUT_ANSWER = "the request is taken in and its answer cut"
NONSENSE = "bytes that are no HTTP"
FOREIGN = "HTTP 200 of somebody else, without the service's request id"
THROTTLED = "403 WriteQuotaExceed"
BUSY = "503 ServerBusy"
SLOW = "a tenth of a second for each piece of a request"
WRONG_KEY = "401 Unauthorized"
NO_STORE = "404 LogStoreNotExist"
FORBIDDEN = "403 ProjectForbidden"
BROKEN = "500 InternalServerError"
BAD_GATEWAY = "502 of something between, as HTML"
CLOCK = "400 RequestTimeExpired"
PARAMETER = "400 ParameterInvalid"
BAD_BODY = "400 PostBodyInvalid"
TOGETHER = "answers held back until several requests wait for one"
HALF_CLOSED = "its sending half closed at once, while it goes on reading"
SILENT = "all is read and nothing ever answered"
CLOSED = "closed before a byte is read"

_CHUNK = 16384


def _error(status: str, code: str) -> bytes:
    body = f'{{"errorCode":"{code}","errorMessage":"by the proxy"}}'.encode()
    head = f"HTTP/1.1 {status}\r\nx-log-requestid: 5AEECE6B1FFC0366B2553FB5\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"connection: close\r\n\r\n" + body


_ANSWERS = {
    NONSENSE: b"\x16\x03\x01 what is this\r\n\r\n",
    FOREIGN: b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi",
    THROTTLED: _error("403 Forbidden", "WriteQuotaExceed"),
    BUSY: _error("503 Service Unavailable", "ServerBusy"),
    WRONG_KEY: _error("401 Unauthorized", "Unauthorized"),
    NO_STORE: _error("404 Not Found", "LogStoreNotExist"),
    FORBIDDEN: _error("403 Forbidden", "ProjectForbidden"),
    BROKEN: _error("500 Internal Server Error", "InternalServerError"),
    BAD_GATEWAY: b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 6\r\n"
    b"connection: close\r\n\r\n<html>",
    CLOCK: _error("400 Bad Request", "RequestTimeExpired"),
    PARAMETER: _error("400 Bad Request", "ParameterInvalid"),
    BAD_BODY: _error("400 Bad Request", "PostBodyInvalid"),
}

SEVERAL = 4
"""Requests that `TOGETHER` waits for: as many as the agent has under way by default."""
_PATIENCE_SECONDS = 60


class Proxy:
    """Listens on a port of its own; `mode` holds for every new connection."""

    def __init__(self, service: ingest.Service) -> None:
        self._target = ("127.0.0.1", service.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.mode = PASS
        self.faults = 0
        """Connections that had their fault."""
        self._held = 0
        self._counting = threading.Lock()
        self._together = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Serve no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client, self.mode), daemon=True).start()

    def _carry(self, client: socket.socket, mode: str) -> None:
        with client, contextlib.suppress(OSError):
            self.faults += mode != PASS
            if mode in _ANSWERS:
                self._answer(client, _ANSWERS[mode])
            elif mode in (HALF_CLOSED, SILENT):
                self._take(client, mode)
            elif mode != CLOSED:
                self._pass_on(client, mode)

    @staticmethod
    def _take(client: socket.socket, mode: str) -> None:
        if mode == HALF_CLOSED:
            client.shutdown(socket.SHUT_WR)
        while client.recv(_CHUNK):
            pass

    @staticmethod
    def _answer(client: socket.socket, answer: bytes) -> None:
        # Once the request is read: a close with bytes unread would reset the connection.
        request = b""
        while b"\r\n\r\n" not in request and (piece := client.recv(_CHUNK)):
            request += piece
        head, _, body = request.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        left = length - len(body)
        while left > 0 and (piece := client.recv(_CHUNK)):
            left -= len(piece)
        client.sendall(answer)

    def _pass_on(self, client: socket.socket, mode: str) -> None:
        with socket.create_connection(self._target) as server:
            back = threading.Thread(target=self._answers, args=(server, client, mode))
            back.start()
            self._copy(client, server, pause=0.1 if mode == SLOW else 0.0)
            back.join()

    def _answers(self, server: socket.socket, client: socket.socket, mode: str) -> None:
        if mode == TOGETHER:
            # The first answer of this connection, until as many others have theirs.
            server.recv(1, socket.MSG_PEEK)
            with self._counting:
                self._held += 1
                if self._held >= SEVERAL:
                    self._together.set()
            self._together.wait(_PATIENCE_SECONDS)
        self._copy(server, client, cut=mode == CUT_ANSWER)

    @staticmethod
    def _copy(
        source: socket.socket, target: socket.socket, *, cut: bool = False, pause: float = 0.0
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_CHUNK):
                time.sleep(pause)
                if cut:
                    target.sendall(piece[: len(piece) // 2])
                    source.shutdown(socket.SHUT_RDWR)
                    break
                target.sendall(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
