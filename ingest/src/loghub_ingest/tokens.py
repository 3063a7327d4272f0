"""Temporary keys: a security token that the service sealed says what they may do, and for how long.

`api.tokens` hands them out, `requests` opens the token that comes with each request. Nothing is
stored for one: secret, rights, end and issuer are in the token, under a key that each project has
for it alone. So they work after a restart, and end with their issuer, with the project or with that
key.
"""

import base64
import binascii
import dataclasses
import hashlib
import json
import os
import secrets
import string
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import aead

from loghub_ingest.storage import contract
from slswire import errors

PREFIX: Final = "STS."
"""Of the AccessKeyId, as in the cloud."""

SEALING_PREFIX: Final = "sealing."
"""Of the key that a project's tokens are sealed with: it opens nothing, and nobody is shown it."""

RIGHTS: Final = frozenset({"read", "write"})

MAX_TOKEN_CHARS: Final = 2048
"""Some five times what `issue` makes."""

_VERSION: Final = "v1"
_NONCE_BYTES: Final = 12
"""What GCM asks for; random ones are safe for four billion tokens of a project."""

_ALPHABET: Final = string.ascii_letters + string.digits


@dataclasses.dataclass(frozen=True, slots=True)
class Temporary:
    """A temporary key as it is handed out; `expires` in unix seconds."""

    key: contract.AccessKey
    token: str = dataclasses.field(repr=False)
    expires: int


def sealing_key(project: str, now: int) -> contract.AccessKey:
    """A new key for the tokens of a project."""
    ident = SEALING_PREFIX + project
    return contract.AccessKey(ident, _random(40), project, frozenset(), now)


def issue(
    sealing: contract.AccessKey,
    issuer: contract.AccessKey,
    rights: frozenset[str],
    *,
    now: int,
    seconds: int,
) -> Temporary:
    """A key with `rights` in the project of `sealing`, for `seconds` from `now` on."""
    ident, secret, expires = PREFIX + _random(24), _random(40), now + seconds
    stated = {"s": secret, "r": sorted(rights), "e": expires, "i": issuer.ident}
    nonce = os.urandom(_NONCE_BYTES)
    sealed = _cipher(sealing).encrypt(nonce, json.dumps(stated).encode(), ident.encode())
    text = base64.urlsafe_b64encode(nonce + sealed).decode()
    key = contract.AccessKey(ident, secret, sealing.project, rights, now)
    return Temporary(key, f"{_VERSION}.{sealing.project}.{text}", expires)


def read(storage: contract.LogStorage, ident: str, token: str, now: float) -> contract.AccessKey:
    """The temporary key `ident` that `token` belongs to.

    Raises:
        SlsError: Unauthorized: it is not its token, has expired, or whoever issued it has no right
            to any more.
    """
    invalid = errors.make("Unauthorized", detail="The security token you provided is invalid.")
    version, _, rest = token.partition(".")
    project, _, text = rest.partition(".")
    sealing = storage.key(SEALING_PREFIX + project)
    if version != _VERSION or sealing is None or len(token) > MAX_TOKEN_CHARS:
        raise invalid
    try:
        data = base64.b64decode(text, altchars=b"-_", validate=True)
        opened = _cipher(sealing).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], ident.encode())
    except (binascii.Error, InvalidTag, ValueError) as fault:
        raise invalid from fault
    stated = json.loads(opened)
    if now >= stated["e"]:
        raise errors.make("Unauthorized", detail="The security token you provided has expired.")
    issuer = storage.key(stated["i"])
    rights = frozenset(stated["r"])
    if issuer is None or not may_issue(issuer, project, rights):
        raise invalid
    return contract.AccessKey(ident, stated["s"], project, rights, stated["e"])


def may_issue(issuer: contract.AccessKey, project: str, rights: frozenset[str]) -> bool:
    """Whether a key may hand out these rights: nobody gives more than is theirs."""
    if not issuer.project:
        return True
    return issuer.project == project and rights <= issuer.rights


def _cipher(sealing: contract.AccessKey) -> aead.AESGCM:
    made = hashlib.blake2b(sealing.secret.encode(), digest_size=32, person=b"loghub-token")
    return aead.AESGCM(made.digest())


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
