"""What stands between a client and a service: something that ends TLS, a proxy that connects."""

import select
import socket
import socketserver
import ssl
import threading
import urllib.parse

from harness.certificates import Authority, Pair


class Ends(socketserver.ThreadingTCPServer):
    """Ends TLS in front of the service, and lets in whom `authority` knows."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, service: str, pair: Pair, authority: Authority | None) -> None:
        self.service = urllib.parse.urlsplit(service)
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(pair.certificate, pair.key)
        if authority is not None:
            self.tls.load_verify_locations(authority.pair.certificate)
            self.tls.verify_mode = ssl.CERT_REQUIRED
        super().__init__(("127.0.0.1", 0), Passes)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}).start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class Passes(socketserver.BaseRequestHandler):
    """One connection to the service."""

    server: Ends

    def handle(self) -> None:
        try:
            inward = self.server.tls.wrap_socket(self.request, server_side=True)
        except (ssl.SSLError, OSError):
            return
        where = (self.server.service.hostname or "", self.server.service.port or 80)
        with inward, socket.create_connection(where) as outward:
            join(inward, outward)


class Proxy(socketserver.ThreadingTCPServer):
    """A CONNECT proxy that remembers where it was asked to."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Connects)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class Connects(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        words = self.rfile.readline().decode().split()
        while self.rfile.readline().strip():
            pass
        self.server.asked.append(words[1])
        host, _, port = words[1].rpartition(":")
        with socket.create_connection((host, int(port))) as outward:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            join(self.connection, outward)


def join(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes in both directions until either ends."""
    while True:
        waiting = isinstance(one, ssl.SSLSocket) and one.pending()
        ready = [one] if waiting else select.select([one, other], [], [], 60)[0]
        for source in ready:
            try:
                piece = source.recv(65536)
            except OSError:
                return
            if not piece:
                return
            (other if source is one else one).sendall(piece)
