"""Takes secrets out of what leaves the cluster in a support bundle. Pure.

Secrets are never fetched. What is left are the places where people put secrets all the same: values
of variables, copies of objects in annotations, keys and signatures in lines of a log.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

REMOVED: Final = "(removed)"

_TELLING: Final = re.compile(
    r"secret|passw|passphrase|pwd|token|credential|access_?key|api_?key|private|authorization",
    re.IGNORECASE,
)
_COPIES: Final = frozenset(("kubectl.kubernetes.io/last-applied-configuration",))
"""Annotations that hold the whole object again."""

_WORDS: Final = "secret|passw(?:or)?d|passphrase|pwd|token|api_?key"
_NAME: Final = rf"""["']?[A-Za-z0-9_.-]*(?:{_WORDS})[A-Za-z0-9_.-]*["']?"""
_LINES: Final = (
    # A name that tells, a sign, a value: JSON, YAML, logfmt, command lines.
    re.compile(rf"""(?i)({_NAME}\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;}}&]+)"""),
    # Authorization: LOG id:signature, SLS4-HMAC-SHA256 Credential=...,Signature=..., Bearer ...
    re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*)(\"[^\"]*\"|[^\r\n]+)"),
    re.compile(r"(?i)((?:signature|credential)=)([^\s&\",]+)"),
    # The user's part of an address.
    re.compile(r"(?i)(://)([^\s/@:]+:[^\s/@]+)(?=@)"),
    # What PEM calls private.
    re.compile(
        r"()(-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----)", re.DOTALL
    ),
)


def text(found: str) -> str:
    """A log or a message, with what looks like a secret removed."""
    for pattern in _LINES:
        found = pattern.sub(lambda match: f"{match.group(1)}{REMOVED}", found)
    return found


def document(found: Any) -> Any:
    """An object of the cluster without what may be secret; names and shapes stay."""
    if isinstance(found, Mapping):
        if found.get("kind") == "Secret":
            return _without_data(found)
        return {key: _member(str(key), value) for key, value in found.items() if key not in _COPIES}
    if isinstance(found, list):
        return [_variable(each) if _is_variable(each) else document(each) for each in found]
    return text(found) if isinstance(found, str) else found


def _member(key: str, value: Any) -> Any:
    # References to Secrets are names, and needed: secretRef, credentialsSecretRef, secretName.
    if (
        isinstance(value, str)
        and _TELLING.search(key)
        and not key.lower().endswith(("ref", "name"))
    ):
        return value if key in _NAMES else REMOVED
    if key == "managedFields":
        return REMOVED
    return document(value)


_NAMES: Final = frozenset(("credentialsSecret", "secret", "accessKeyId"))
"""Names of Secrets, and the half of a key that is none."""


def _is_variable(found: Any) -> bool:
    return isinstance(found, Mapping) and set(found) == {"name", "value"}


def _variable(found: Mapping[str, Any]) -> dict[str, Any]:
    """A container's variable: values of ours that tell nothing stay, all others go."""
    name = str(found["name"])
    ours = name.startswith("LOGHUB_") and not _TELLING.search(name)
    return {"name": name, "value": text(str(found["value"])) if ours else REMOVED}


def _without_data(found: Mapping[str, Any]) -> dict[str, Any]:
    kept = {
        key: document(value) for key, value in found.items() if key not in {"data", "stringData"}
    }
    for key in ("data", "stringData"):
        if found.get(key):
            kept[key] = dict.fromkeys(found[key], REMOVED)
    return kept
