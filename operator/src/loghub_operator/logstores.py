"""What a LogStore means for the service: its document, its index, its shards, and what differs.

Pure. `reconciling.stores` fetches what is there, asks here what to change, and sends it.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from loghub_operator.resources import stores

Document = dict[str, Any]

FIRST_SHARDS: Final = 2
"""Of a new Logstore whose spec names no number."""

_SM4: Final = "sm4"
_FIELDS: Final = {
    "ttl": "retentionDays",
    "hot_ttl": "hotRetentionDays",
    "infrequentAccessTTL": "infrequentAccessDays",
    "autoSplit": "autoSplit",
    "maxSplitShard": "maxShardCount",
    "mode": "mode",
    "enable_tracking": "webTracking",
    "appendMeta": "appendClientMeta",
    "telemetryType": "telemetryType",
    "encrypt_conf": "encryption",
}
"""The service's key to the spec's field."""

_TELEMETRY: Final = {"Logs": "", "Metrics": "Metrics"}
_SPACE_END: Final = 1 << 128


@dataclasses.dataclass(frozen=True, slots=True)
class Shard:
    """One shard that is written to: its number and the half-open range of hash keys."""

    number: int
    begin: int
    end: int


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One split (`key` is where) or merge (of `shard` with its right neighbour)."""

    shard: int
    key: str = ""


def wanted(name: str, spec: stores.LogStoreSpec) -> Document:
    """The document to create the Logstore with."""
    document: Document = {
        "logstoreName": name,
        "ttl": spec.retention_days,
        "shardCount": spec.shard_count or FIRST_SHARDS,
        "enable_tracking": spec.web_tracking,
        "autoSplit": spec.auto_split,
        "maxSplitShard": spec.max_shard_count,
        "appendMeta": spec.append_client_meta,
        "telemetryType": _TELEMETRY[spec.telemetry_type],
        "mode": spec.mode.lower(),
        "hot_ttl": spec.hot_retention_days or -1,
    }
    if spec.infrequent_access_days:
        document["infrequentAccessTTL"] = spec.infrequent_access_days
    if spec.encryption is not None:
        document["encrypt_conf"] = _encryption(spec.encryption)
    return document


def immutable(there: Mapping[str, Any], spec: stores.LogStoreSpec) -> str:
    """What the Logstore has that no update can change; empty where all is well."""
    kind = there.get("telemetryType") or ""
    if (kind if kind != "None" else "") != _TELEMETRY[spec.telemetry_type]:
        return (
            f"spec.telemetryType is {spec.telemetry_type}, and the Logstore was made for "
            f"{kind or 'Logs'}: correct the spec, or make another LogStore."
        )
    given = there.get("encrypt_conf") or {}
    if spec.encryption is not None and given.get("encrypt_type"):
        ours = _encryption(spec.encryption)
        if given["encrypt_type"] != ours["encrypt_type"]:
            return (
                f"spec.encryption.type is {spec.encryption.type}, and the Logstore was made with "
                f"{given['encrypt_type']}: correct the spec, or make another LogStore."
            )
    return ""


def differing(there: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, str]:
    """The spec's fields that the Logstore does not have as wanted, each as `is -> should be`."""
    found = {}
    for key, field in _FIELDS.items():
        if key == "maxSplitShard" and not ours["autoSplit"]:
            continue  # it says nothing then, and services answer what they like
        if key in ours and _plain(key, there.get(key)) != _plain(key, ours[key]):
            found[field] = f"{_shown(there.get(key))} -> {_shown(ours[key])}"
    return found


def update(there: Mapping[str, Any], ours: Mapping[str, Any]) -> Document:
    """The document to update with: shardCount never changes by an update."""
    return {**ours, "shardCount": there.get("shardCount", ours["shardCount"])}


def index(spec: stores.Index) -> Document:
    """The index document."""
    text = spec.full_text
    line = {
        "token": list(text.delimiters),
        "caseSensitive": text.case_sensitive,
        "chn": text.chinese,
    }
    return {"line": line, "keys": {each.name: _key(each) for each in spec.fields}}


def differing_index(there: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, str]:
    """What of the index differs, by the spec's field."""
    found = {}
    if not _holds(there.get("line") or {}, ours["line"]):
        found["index.fullText"] = "set back"
    now, then = there.get("keys") or {}, ours["keys"]
    for name in sorted(now.keys() | then.keys()):
        if name not in then:
            found[f"index.fields[{name}]"] = "removed"
        elif not _holds(now.get(name) or {}, then[name]):
            found[f"index.fields[{name}]"] = "set back" if name in now else "added"
    return found


def writable(found: Iterable[Mapping[str, Any]]) -> list[Shard]:
    """The shards that are written to, in the order of their keys."""
    shards = []
    for each in found:
        if each.get("status") == "readwrite":
            end = int(str(each["exclusiveEndKey"]), 16)
            # All f is written for the end of the space.
            end = _SPACE_END if end == _SPACE_END - 1 else end
            begin = int(str(each["inclusiveBeginKey"]), 16)
            shards.append(Shard(int(each["shardID"]), begin, end))
    return sorted(shards, key=lambda shard: shard.begin)


def next_step(shards: Sequence[Shard], spec: stores.LogStoreSpec) -> Step | None:
    """The split or merge that brings the number of shards nearer; None when it is right.

    With autoSplit more shards than spec.shardCount are the service's doing, and stay.
    """
    if spec.shard_count is None or not shards:
        return None
    if len(shards) < spec.shard_count:
        widest = max(shards, key=lambda shard: (shard.end - shard.begin, -shard.begin))
        return Step(widest.number, f"{(widest.begin + widest.end) // 2:032x}")
    most = spec.max_shard_count if spec.auto_split else spec.shard_count
    if len(shards) > most and len(shards) > 1:
        left, _ = min(
            itertools.pairwise(shards),
            key=lambda pair: (pair[1].end - pair[0].begin, pair[0].begin),
        )
        return Step(left.number)
    return None


def _encryption(given: stores.Encryption) -> Document:
    document: Document = {
        "enable": given.enabled,
        "encrypt_type": _SM4 if given.type == "SM4" else "default",
    }
    if given.user_key is not None:
        key = given.user_key
        document["user_cmk_info"] = {
            "cmk_key_id": key.key_id,
            "arn": key.arn,
            "region_id": key.region,
        }
    return document


def _key(field: stores.IndexField) -> Document:
    document: Document = {
        "type": field.type.lower(),
        "alias": field.alias,
        "doc_value": field.statistics,
    }
    if field.type in {"Text", "JSON"}:
        document |= {
            "token": list(field.delimiters),
            "caseSensitive": field.case_sensitive,
            "chn": field.chinese,
        }
    if field.type == "JSON":
        document |= {"index_all": True, "max_depth": -1}
        document["json_keys"] = {
            each.name: {
                "type": each.type.lower(),
                "alias": each.alias,
                "doc_value": each.statistics,
            }
            for each in field.paths
        }
    return document


def _holds(there: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    """Whether all of `ours` is so; services add keys of their own."""
    return all(there.get(key) == value for key, value in ours.items())


def _plain(key: str, value: Any) -> Any:
    """One spelling for what services spell differently."""
    if key == "hot_ttl":
        return value if isinstance(value, int) and value > 0 else -1
    if key == "mode":
        return value or "standard"
    if key == "telemetryType":
        return "" if value in {None, "None"} else value
    if key == "encrypt_conf":
        return bool((value or {}).get("enable"))
    return value or False if isinstance(value, bool | None) else value


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "on" if value.get("enable") else "off"
    return "unset" if value in {None, ""} else str(value)
