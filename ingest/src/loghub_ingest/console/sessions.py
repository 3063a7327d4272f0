"""Who is logged in: random tokens in memory, each for one access key. `entering` asks here.

The key itself is looked up again at every request, so that one deleted or changed meanwhile opens
nothing. A restart ends every session; that is a log-in more, and nothing secret on the disk.
"""

import dataclasses
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Final

from loghub_ingest.storage import contract

IDLE_SECONDS: Final = 3600.0
"""Without a request; a page that follows live makes one every second or two."""

MAX_SECONDS: Final = 12 * 3600.0
"""A working day: a page left open does not stay logged in for ever."""

MAX_SESSIONS: Final = 1000
MAX_SESSIONS_OF_A_KEY: Final = 50
"""So that whoever has one key ends no other key's sessions."""

_TOKEN_BYTES: Final = 32


@dataclasses.dataclass(slots=True)
class Session:
    """A log-in; times are of the monotonic clock."""

    key: str
    proof: bytes = dataclasses.field(repr=False)
    csrf: str = dataclasses.field(repr=False)
    opened: float
    seen: float

    def expired(self, now: float) -> bool:
        """Whether it opens nothing any more."""
        return now - self.seen > IDLE_SECONDS or now - self.opened > MAX_SECONDS


class Sessions:
    """Sessions by their token's digest: how long a look-up takes tells nothing of a token."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[bytes, Session] = {}
        self._seal = secrets.token_bytes(_TOKEN_BYTES)

    def open(self, key: contract.AccessKey) -> tuple[str, Session]:
        """Log a key in: the token for its cookie, and the session."""
        now = self._clock()
        self._make_room(key.ident, now)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        csrf = secrets.token_urlsafe(_TOKEN_BYTES)
        session = Session(key.ident, self._proof(key), csrf, opened=now, seen=now)
        self._open[_digest(token)] = session
        return token, session

    def find(self, token: str) -> Session | None:
        """The session of a token, which counts as used now."""
        name, now = _digest(token), self._clock()
        session = self._open.get(name)
        if session is None:
            return None
        if session.expired(now):
            del self._open[name]
            return None
        session.seen = now
        return session

    def close(self, token: str) -> None:
        """Log out."""
        self._open.pop(_digest(token), None)

    def still(self, session: Session, key: contract.AccessKey) -> bool:
        """Whether `key` is the one that logged in, with the same secret."""
        return hmac.compare_digest(session.proof, self._proof(key))

    def _proof(self, key: contract.AccessKey) -> bytes:
        # Not the secret: who reads the memory of sessions learns no key.
        return hmac.digest(self._seal, f"{key.ident}\0{key.secret}".encode(), "sha256")

    def _make_room(self, ident: str, now: float) -> None:
        for name in [name for name, each in self._open.items() if each.expired(now)]:
            del self._open[name]
        own = [name for name, each in self._open.items() if each.key == ident]
        if len(own) >= MAX_SESSIONS_OF_A_KEY:
            del self._open[min(own, key=lambda name: self._open[name].seen)]
        elif len(self._open) >= MAX_SESSIONS:
            del self._open[min(self._open, key=lambda name: self._open[name].seen)]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
