"""What `--storage kafka://…` says: brokers, catalogue, and how topics are made.

    kafka://HOST:PORT[,HOST:PORT…]?catalogue=postgresql://…[&prefix=loghub][&replication=3]
        [&min_insync=2][&client=FILE]

`client` names a file of librdkafka settings, NAME=VALUE by line, for TLS and SASL: secrets have no
place in a command line. `storage` takes the result.
"""

import dataclasses
import pathlib
import re
import urllib.parse
from collections.abc import Mapping
from typing import Final

_ALLOWED: Final = re.compile(r"(security\.protocol|(ssl|sasl|enable\.sasl)\.[a-z0-9._-]+)")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BROKER: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")
_MOST_COPIES: Final = 9


class AddressError(ValueError):
    """The address says what cannot be; the message is for its author."""


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """Where logs and names are kept."""

    brokers: str
    catalogue: str = dataclasses.field(repr=False)
    prefix: str
    replication: int
    min_insync: int
    client: Mapping[str, str] = dataclasses.field(repr=False)
    """Settings of security, as librdkafka names them."""

    @property
    def connection(self) -> dict[str, str | int | float | bool]:
        """What every client of the brokers is made with."""
        return {"bootstrap.servers": self.brokers, "client.id": "loghub-ingest", **self.client}


def read(text: str) -> Address:
    """Read an address.

    Raises:
        AddressError: it cannot be used.
        OSError: its client file cannot be read.
    """
    parts = urllib.parse.urlsplit(text)
    if parts.scheme != "kafka":
        raise AddressError(f"{text[:40]!r} does not begin with kafka://")
    brokers = parts.netloc
    if not brokers or not all(map(_BROKER.fullmatch, brokers.split(","))):
        raise AddressError(f"{brokers[:80]!r} is no list of brokers: write kafka://HOST:PORT,…")
    given = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
    catalogue = given.pop("catalogue", "")
    if not catalogue.startswith("postgresql://"):
        raise AddressError("catalogue is missing: add ?catalogue=postgresql://USER@HOST/NAME")
    prefix = given.pop("prefix", "loghub")
    if not _PREFIX.fullmatch(prefix):
        raise AddressError(f"prefix is {prefix[:80]!r}: 1 to 64 letters, digits, - and _")
    replication = _number(given, "replication", 3)
    min_insync = _number(given, "min_insync", min(2, replication))
    if min_insync > replication:
        raise AddressError(f"min_insync {min_insync} is more than replication {replication}")
    client = given.pop("client", "")
    if given:
        raise AddressError(f"{next(iter(given))[:40]!r} is unknown")
    settings = _settings(pathlib.Path(client)) if client else {}
    return Address(brokers, catalogue, prefix, replication, min_insync, settings)


def _number(given: dict[str, str], name: str, default: int) -> int:
    text = given.pop(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_COPIES:
        raise AddressError(f"{name} is {text[:40]!r}: write a number from 1 to {_MOST_COPIES}")
    return int(text)


def _settings(path: pathlib.Path) -> dict[str, str]:
    found = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        name, equals, value = line.partition("=")
        if not line.strip() or line.startswith("#"):
            continue
        if not equals or not _ALLOWED.fullmatch(name.strip()):
            raise AddressError(
                f"{path}, line {number}: only NAME=VALUE of security.protocol, ssl.* and sasl.*"
            )
        found[name.strip()] = value.strip()
    return found
