"""Secrets at rest: AES-256-GCM under a key file that may lie outside the data directory.

The catalogue seals every access key's secret before it is written. The file holds 32 random bytes
as base64; its owner alone may read it, and it is made at the first start.
"""

import base64
import binascii
import contextlib
import os
import pathlib
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import aead
from cryptography.hazmat.primitives.kdf import hkdf

_PREFIX: Final = "v1:"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
"""What GCM asks for; random ones are safe for far more secrets than a service ever holds."""


class KeyFileError(OSError):
    """The key file is missing, unusable, or not the one that the secrets were sealed with."""


class Sealing:
    """Seals and opens with the key of one file."""

    def __init__(self, file: pathlib.Path, *, create: bool) -> None:
        """Read the key file; `create` where nothing was sealed yet.

        Raises:
            KeyFileError: it cannot be used; says why.
        """
        self.file = file
        if create and not file.exists():
            _create(file)
        try:
            text = file.read_bytes()
        except FileNotFoundError as fault:
            raise KeyFileError(
                f"key file {file} is missing, and the secrets in the data directory were sealed "
                "with it: put it back, or give its place by --key-file"
            ) from fault
        try:
            key = base64.b64decode(text.strip(), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != _KEY_BYTES:
            raise KeyFileError(f"key file {file} must hold {_KEY_BYTES} bytes as base64")
        self._cipher = aead.AESGCM(key)
        self._key = key

    def derived_key(self, purpose: str) -> bytes:
        """32 bytes for another use, the same for whoever has the key file."""
        return hkdf.HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=purpose.encode()).derive(
            self._key
        )

    def seal(self, owner: str, secret: str) -> str:
        """The sealed form, which opens for the same `owner` only."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.encode(), owner.encode())
        return _PREFIX + base64.b64encode(nonce + sealed).decode()

    def open(self, owner: str, sealed: str) -> str:
        """The secret.

        Raises:
            KeyFileError: sealed with another key, for another owner, or changed since.
        """
        try:
            data = base64.b64decode(sealed.removeprefix(_PREFIX), validate=True)
            nonce, body = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, body, owner.encode()).decode()
        except (binascii.Error, InvalidTag, ValueError) as fault:
            raise KeyFileError(
                f"key file {self.file} does not open the secret of access key {owner}: give the "
                "file that it was sealed with by --key-file"
            ) from fault


def is_sealed(text: str) -> bool:
    """Whether `text` is a sealed secret; those of the first format are plain."""
    return text.startswith(_PREFIX)


def _create(file: pathlib.Path) -> None:
    # Written beside and linked, so that a crash leaves a whole file or none.
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, base64.b64encode(os.urandom(_KEY_BYTES)) + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    # Another replica may have made it at the same time: the first one's is everybody's.
    with contextlib.suppress(FileExistsError):
        file.hardlink_to(part)
    part.unlink()
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
