"""The keys that destinations need: what is wanted, and what the core already has.

`cluster` reads them from Secrets and `standalone` from a file; `agent` hands differences to the
core, so a rotated key takes effect at once. A broken one leaves its last good form in use. Their
text never reaches a log, a report or an error.
"""

import base64
import binascii
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from loghub_agent import errors
from loghub_agent.config import reading

_MAX_KEY: Final = 1024
"""Characters of an id or a secret; real ones have 16 to 64."""
_MAX_PEM: Final = 1024 * 1024
"""Characters of a bundle: what a Secret can hold; all public authorities are 200 KB."""


@dataclasses.dataclass(frozen=True, slots=True)
class Trust:
    """PEM texts for TLS, empty where there is none. `repr` shows nothing."""

    ca_bundle: str = dataclasses.field(default="", repr=False)
    certificate: str = dataclasses.field(default="", repr=False)
    private_key: str = dataclasses.field(default="", repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """An access key. `repr` shows the id only."""

    key_id: str
    secret: str = dataclasses.field(repr=False)
    trust: Trust = Trust()


def from_secret(document: Mapping[str, Any]) -> Key:
    """Read a Secret as the API server sends it.

    Raises:
        RefusedError: a field is missing or is no text.
    """
    metadata = document["metadata"]
    subject = f"Secret {metadata['namespace']}/{metadata['name']}"
    data = document.get("data") or {}
    values = []
    for field in ("accessKeyId", "accessKeySecret"):
        try:
            value = base64.b64decode(data[field], validate=True).decode("ascii").strip()
        except (KeyError, TypeError, binascii.Error, UnicodeDecodeError):
            value = ""
        if not 0 < len(value) <= _MAX_KEY:
            raise errors.RefusedError(
                f"{subject}: data.{field} is missing or not plain text; write the Secret again"
            )
        values.append(value)
    ident, secret = values
    pem = (_pem(data.get(field)) for field in ("ca.crt", "tls.crt", "tls.key"))
    return Key(ident, secret, Trust(*pem))


def _pem(value: object) -> str:
    # What is broken is as good as absent: a destination that needs it says which one it misses.
    try:
        return base64.b64decode(str(value or ""), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return ""


def from_document(document: object, *, subject: str) -> dict[str, Key]:
    """Read a credentials file's content: a map from name to accessKeyId and accessKeySecret.

    Beside them caBundle, clientCertificate and clientKey may hold PEM, for pipelines that ask.

    Raises:
        RefusedError: an unknown key, a missing or a wrong one.
    """
    root = reading.Section(document, subject=subject, path="credentials")
    keys = {}
    for name in root.names():
        entry = root.required_section(name)
        pem = ("caBundle", "clientCertificate", "clientKey")
        keys[name] = Key(
            entry.text("accessKeyId", limit=_MAX_KEY),
            entry.text("accessKeySecret", limit=_MAX_KEY),
            Trust(*(entry.text(field, "", limit=_MAX_PEM, control=True) for field in pem)),
        )
        entry.end()
    return keys


class Keyring:
    """Keys by name, and which of them the core has."""

    def __init__(self) -> None:
        self._wanted: dict[str, Key] = {}
        self._delivered: dict[str, Key] = {}
        self.refusals: dict[str, str] = {}
        """Sentences about keys that cannot be read, by name."""

    def __contains__(self, name: object) -> bool:
        return name in self._wanted

    def observe(self, name: str, key: Key | errors.RefusedError) -> bool:
        """Take a key or why it cannot be read; say whether the ring changed."""
        if isinstance(key, errors.RefusedError):
            changed = self.refusals.get(name) != str(key)
            self.refusals[name] = str(key)
            return changed
        changed = self.refusals.pop(name, None) is not None or self._wanted.get(name) != key
        self._wanted[name] = key
        return changed

    def remove(self, name: str) -> bool:
        """Forget a key; say whether it was known."""
        refused = self.refusals.pop(name, None) is not None
        return self._wanted.pop(name, None) is not None or refused

    def replace(self, keys: Mapping[str, Key | errors.RefusedError]) -> bool:
        """Take a complete list. Say whether anything changed."""
        known = self._wanted.keys() | self.refusals.keys()
        changed = [self.remove(name) for name in known - keys.keys()]
        changed += [self.observe(name, key) for name, key in keys.items()]
        return any(changed)

    def undelivered(self) -> Iterator[tuple[str, Key | None]]:
        """Yield what the core lacks: names with their key, or None for one to forget."""
        for name in sorted(self._delivered.keys() - self._wanted.keys()):
            yield name, None
        for name, key in sorted(self._wanted.items(), key=lambda entry: entry[0]):
            if self._delivered.get(name) != key:
                yield name, key

    def delivered(self, name: str, key: Key | None) -> None:
        """Note that the core took what `undelivered` gave."""
        if key is None:
            self._delivered.pop(name, None)
        else:
            self._delivered[name] = key

    def to_state(self) -> list[list[str]]:
        """Return the keys as plain JSON values, for a file with mode 0600."""
        return [
            [name, key.key_id, key.secret, *dataclasses.astuple(key.trust)]
            for name, key in self._wanted.items()
        ]

    def restore(self, items: Iterable[Any]) -> None:
        """Read what `to_state` wrote.

        Raises:
            StateError: it is not what `to_state` writes.
        """
        try:
            self._wanted = {
                name: Key(key_id, secret, Trust(*trust)) for name, key_id, secret, *trust in items
            }
        except (ValueError, TypeError) as fault:
            raise errors.StateError("saved credentials cannot be read") from fault
