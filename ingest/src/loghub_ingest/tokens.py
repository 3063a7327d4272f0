"""Temporary keys: a security token that the service sealed says what they may do, and for how long.

`api.tokens` hands them out, `requests` opens the token that comes with each request. Nothing is
stored for one: secret, rights, end and issuer are in the token, under a key of the storage. So they
work after a restart, and end with the key that asked for them, or with the project.
"""

import base64
import binascii
import dataclasses
import json
import os
import secrets
import string
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import aead

from loghub_ingest.storage import contract
from slswire import errors

PREFIX: Final = "STS."
"""Of the AccessKeyId, as in the cloud."""

RIGHTS: Final = frozenset({"read", "write"})

MAX_TOKEN_CHARS: Final = 2048
"""Some five times what `issue` makes."""

_VERSION: Final = "v1."
_NONCE_BYTES: Final = 12
"""What GCM asks for; random ones are safe for four billion tokens."""

_PURPOSE: Final = "loghub temporary keys v1"

_ALPHABET: Final = string.ascii_letters + string.digits


@dataclasses.dataclass(frozen=True, slots=True)
class Temporary:
    """A temporary key as it is handed out; `expires` in unix seconds."""

    key: contract.AccessKey
    token: str = dataclasses.field(repr=False)
    expires: int


class Tokens:
    """Those of one storage."""

    def __init__(self, storage: contract.LogStorage) -> None:
        self._storage = storage
        self._cipher = aead.AESGCM(storage.derived_key(_PURPOSE))

    def issue(
        self,
        issuer: contract.AccessKey,
        project: contract.Project,
        rights: frozenset[str],
        *,
        now: int,
        seconds: int,
    ) -> Temporary:
        """A key with `rights` in a project, for `seconds` from `now` on."""
        ident, secret, expires = PREFIX + _random(24), _random(40), now + seconds
        stated = {"s": secret, "r": sorted(rights), "e": expires, "i": issuer.ident}
        stated |= {"p": project.name, "c": project.created}
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, json.dumps(stated).encode(), ident.encode())
        token = _VERSION + base64.urlsafe_b64encode(nonce + sealed).decode()
        key = contract.AccessKey(ident, secret, project.name, rights, now)
        return Temporary(key, token, expires)

    def read(self, ident: str, token: str, now: float) -> contract.AccessKey:
        """The temporary key `ident` that `token` belongs to.

        Raises:
            SlsError: Unauthorized: it is not its token, has expired, or whoever asked for it has
                no right to any more.
        """
        stated = self._opened(ident, token)
        project, rights = stated["p"], frozenset(stated["r"])
        if now >= stated["e"]:
            raise errors.make("Unauthorized", detail="The security token you provided has expired.")
        issuer, known = self._storage.key(stated["i"]), self._storage.project(project)
        # A project of the same name that was made later is another one.
        gone = known is None or known.created != stated["c"]
        if gone or issuer is None or not may_issue(issuer, project, rights):
            raise _invalid()
        return contract.AccessKey(ident, stated["s"], project, rights, stated["e"])

    def _opened(self, ident: str, token: str) -> dict[str, Any]:
        if not token.startswith(_VERSION) or len(token) > MAX_TOKEN_CHARS:
            raise _invalid()
        try:
            data = base64.b64decode(token.removeprefix(_VERSION), altchars=b"-_", validate=True)
            nonce, sealed = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
            found: dict[str, Any] = json.loads(self._cipher.decrypt(nonce, sealed, ident.encode()))
        except (binascii.Error, InvalidTag, ValueError) as fault:
            raise _invalid() from fault
        return found


def _invalid() -> errors.SlsError:
    return errors.make("Unauthorized", detail="The security token you provided is invalid.")


def may_issue(issuer: contract.AccessKey, project: str, rights: frozenset[str]) -> bool:
    """Whether a key may hand out these rights: nobody gives more than is theirs."""
    if not issuer.project:
        return True
    return issuer.project == project and rights <= issuer.rights


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
