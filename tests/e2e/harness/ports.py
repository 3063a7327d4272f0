"""Ports for servers that are killed and started again.

The kernel hands out ports of its ephemeral range to whoever connects to something, also between a
server's end and its next start on the same port. These are below that range.
"""

import random
import socket
from pathlib import Path
from typing import Final

FIRST: Final = 15_000
_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A port of the loopback that nobody has now and no client will be given."""
    (port,) = free_ports(1)
    return port


def free_ports(count: int) -> list[int]:
    """Several of them; all are held until the last is found, so they differ."""
    last = int(_RANGE.read_text().split()[0])
    sockets: list[socket.socket] = []
    try:
        while len(sockets) < count:
            probe = socket.socket()
            # Other runs on this machine choose, too.
            try:
                probe.bind(("127.0.0.1", random.randrange(FIRST, last)))  # noqa: S311
            except OSError:
                probe.close()
            else:
                sockets.append(probe)
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
