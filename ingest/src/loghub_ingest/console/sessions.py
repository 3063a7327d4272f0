"""Who is logged in: sealed cookies that any replica and any later start opens. For `entering`.

A cookie holds what a session is, under a key derived from the service's sealing key; the service
keeps only log-outs, until the sessions would have ended anyway. The access key is looked up again
at every request, so that one deleted or changed meanwhile opens nothing.
"""

import base64
import binascii
import dataclasses
import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import aead

from loghub_ingest.storage import contract

IDLE_SECONDS: Final = 3600
"""Without a request; a page that follows live makes one every second or two."""

MAX_SECONDS: Final = 12 * 3600
"""A working day: a page left open does not stay logged in for ever."""

RENEW_SECONDS: Final = 300
"""A cookie that old is made anew: between two, nobody is idle for longer than is forgiven."""

SKEW_SECONDS: Final = 120
"""That far in the future a replica whose clock is behind takes a cookie of another."""

MAX_TOKEN_CHARS: Final = 2048
MAX_LOGOUTS: Final = 1000
"""Of one key that are kept one by one; beyond, all sessions that it opened before are over."""

_KIND: Final = "console-logout"
_NONCE_BYTES: Final = 12
_RANDOM_BYTES: Final = 24


@dataclasses.dataclass(frozen=True, slots=True)
class Session:
    """A log-in; times are unix seconds."""

    ident: str
    key: str
    proof: str = dataclasses.field(repr=False)
    csrf: str = dataclasses.field(repr=False)
    opened: int
    seen: int

    def expired(self, now: int) -> bool:
        """Whether it opens nothing any more; nor does one from the future."""
        early = min(self.opened, self.seen) - SKEW_SECONDS > now
        return early or now - self.seen > IDLE_SECONDS or now - self.opened > MAX_SECONDS


class Sessions:
    """Seals and opens sessions; log-outs are documents of the storage, which replicas share."""

    def __init__(
        self, storage: contract.LogStorage, clock: Callable[[], float] = time.time
    ) -> None:
        self._storage, self._clock = storage, clock
        self._cipher = aead.AESGCM(storage.derived_key("console session"))
        self._prover = storage.derived_key("console proof of a secret")
        self._closing = threading.Lock()

    def open(self, key: contract.AccessKey) -> tuple[str, Session]:
        """Log a key in: the token for its cookie, and the session."""
        now = int(self._clock())
        ident, csrf = (secrets.token_urlsafe(_RANDOM_BYTES) for _ in range(2))
        session = Session(ident, key.ident, self._proof(key), csrf, opened=now, seen=now)
        return self._seal(session), session

    def find(self, token: str) -> Session | None:
        """The session of a token, unless it is over."""
        session = self._open(token)
        if session is None or session.expired(int(self._clock())):
            return None
        whole = self._storage.document("", _KIND, _whole(session.key))
        if whole is not None and session.opened <= int(whole.body["before"]):
            return None
        closed = self._storage.document("", _KIND, _single(session)) is not None
        return None if closed else session

    def renewed(self, session: Session) -> str:
        """A token that says the session was used now; empty where its own is new enough."""
        now = int(self._clock())
        if now - session.seen < RENEW_SECONDS:
            return ""
        return self._seal(dataclasses.replace(session, seen=now))

    def close(self, session: Session) -> None:
        """Log out, everywhere and for good. Durable on return; blocks for a sync."""
        now = int(self._clock())
        own, until = _whole(session.key), now + MAX_SECONDS + SKEW_SECONDS
        with self._closing:
            kept = 0
            for each in self._storage.documents("", _KIND):
                if now > each.body["until"]:
                    self._storage.delete_document("", _KIND, each.name)
                elif each.name.startswith(f"{own}-"):
                    kept += 1
            if kept < MAX_LOGOUTS:
                self._storage.add_document("", _KIND, _single(session), {"until": until})
                return
            # Nobody logs out so often; whoever does ends the key's sessions together.
            self._storage.delete_document("", _KIND, own)
            self._storage.add_document("", _KIND, own, {"before": now, "until": until})
            for each in self._storage.documents("", _KIND):
                if each.name.startswith(f"{own}-"):
                    self._storage.delete_document("", _KIND, each.name)

    def still(self, session: Session, key: contract.AccessKey) -> bool:
        """Whether `key` is the one that logged in, with the same secret."""
        return hmac.compare_digest(session.proof, self._proof(key))

    def _proof(self, key: contract.AccessKey) -> str:
        # Not the secret: a cookie that somebody opened after all gives no key away.
        text = f"{key.ident}\0{key.secret}".encode()
        return hmac.new(self._prover, text, "sha256").hexdigest()

    def _seal(self, session: Session) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        body = json.dumps(dataclasses.astuple(session)).encode()
        sealed = nonce + self._cipher.encrypt(nonce, body, None)
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def _open(self, token: str) -> Session | None:
        if len(token) > MAX_TOKEN_CHARS or not token.isascii():
            return None
        try:
            sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            body = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except (binascii.Error, ValueError, InvalidTag):
            return None
        ident, key, proof, csrf, opened, seen = json.loads(body)
        return Session(ident, key, proof, csrf, opened, seen)


def _whole(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _single(session: Session) -> str:
    return f"{_whole(session.key)}-{session.ident}"
