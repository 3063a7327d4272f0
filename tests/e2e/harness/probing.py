"""What a running service shows from outside: its metrics, its log, its raw connections."""

import json
import re
import socket
import time
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar

from harness.ingest import Service

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 30.0) -> T:
    """What `condition` gives once it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.05)
    return found


def metric(service: Service, name: str, label: str) -> float:
    url = f"http://127.0.0.1:{service.admin_port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        text = answer.read().decode()
    found = re.search(rf'^{name}{{[^}}]*"{label}"}} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def closed(service: Service, reason: str) -> float:
    return metric(service, "loghub_ingest_closed_connections_total", reason)


def connect(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=30)


def ended(connection: socket.socket) -> bytes:
    """Everything until the peer ends the connection; fails when it does not."""
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


def records(service: Service, message: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    return [line for line in lines if line["message"] == message]
