"""Ends of the line for benchmarks of senders: what takes bytes, counts them and keeps nothing.

`agent` uses them where a real service would be the limit, and for peers that speak plain TCP.
"""

import socket
import threading
from typing import Final

_ROOM: Final = 1 << 20
_ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nx-log-requestid: 5AEECE6B1FFC0366B2553FB5\r\ncontent-length: 0\r\n\r\n"
)


class _Sink:
    """Serves each connection by a thread of its own."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            threading.Thread(target=self._take, args=(connection,), daemon=True).start()

    def _take(self, connection: socket.socket) -> None:
        raise NotImplementedError


class Lines(_Sink):
    """Counts the lines that a peer sends over TCP."""

    def __init__(self) -> None:
        self.lines = 0
        super().__init__()

    def _take(self, connection: socket.socket) -> None:
        while data := connection.recv(_ROOM):
            self.lines += data.count(b"\n")


class Answers(_Sink):
    """Takes HTTP requests and answers each as the service does, at once."""

    @property
    def url(self) -> str:
        """Where a sender finds it."""
        return f"http://127.0.0.1:{self.port}"

    def _take(self, connection: socket.socket) -> None:
        room = memoryview(bytearray(_ROOM))
        while True:
            taken = 0
            while (end := bytes(room[:taken]).find(b"\r\n\r\n")) < 0:
                if not (read := connection.recv_into(room[taken:])):
                    return
                taken += read
            head = bytes(room[:end]).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            left = length - (taken - end - 4)
            while left > 0 and (read := connection.recv_into(room[: min(left, _ROOM)])):
                left -= read
            connection.sendall(_ANSWER)
