"""How often somebody may try to log in: failures are counted by address and by access key id.

Secrets are far too long to be guessed; this keeps guessing from costing the service anything, and
a short secret that somebody set from being found in a night.
"""

import collections
import ipaddress
import math
from typing import Final

MAX_OF_PEER: Final = 10
"""Failures in one window: more than anybody mistypes."""

MAX_OF_KEY: Final = 100
"""From everywhere: high, since whoever knows a key's id can keep its owner out by failing."""

WINDOW_SECONDS: Final = 60.0
MAX_NAMES: Final = 10_000
"""Names that are remembered; beyond, the oldest is forgotten."""


class Attempts:
    """Failures of the last minute. Used on the loop only."""

    def __init__(self) -> None:
        self._failures: collections.OrderedDict[str, tuple[float, int]] = collections.OrderedDict()

    def wait(self, peer: str, ident: str, now: float) -> int:
        """Seconds until the next attempt is looked at; 0 at once."""
        waits = [0]
        for name, most in _names(peer, ident):
            began, count = self._failures.get(name, (now, 0))
            if count >= most and now < began + WINDOW_SECONDS:
                waits.append(math.ceil(began + WINDOW_SECONDS - now))
        return max(waits)

    def failed(self, peer: str, ident: str, now: float) -> None:
        """Count one."""
        for name, _ in _names(peer, ident):
            began, count = self._failures.pop(name, (now, 0))
            if now >= began + WINDOW_SECONDS:
                began, count = now, 0
            self._failures[name] = (began, count + 1)
            if len(self._failures) > MAX_NAMES:
                self._failures.popitem(last=False)


def _names(peer: str, ident: str) -> tuple[tuple[str, int], ...]:
    return (f"peer {_network(peer)}", MAX_OF_PEER), (f"key {ident[:128]}", MAX_OF_KEY)


def _network(peer: str) -> str:
    # Who has one IPv6 address has the 2^64 of its network.
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if address.version == 4:
        return peer
    return str(ipaddress.ip_network((address, 64), strict=False))
