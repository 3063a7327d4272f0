"""Reads the body of a PutLogs: protobuf, JSON or a list of packages, as groups to append.

`writing` calls it, in a thread where the body is large; nothing here touches the storage.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from loghub_ingest.requests import MAX_BODY_BYTES, Call
from loghub_ingest.storage import contract
from slswire import compress, errors, headers, protobuf
from slswire.model import Log, LogGroup

UNPLACED: Final = -1
"""The shard of a group that none was chosen for yet."""

MAX_PACKAGES: Final = 4096
"""Log groups in one body: the service's bound on logs, and each has one at least."""


def read(call: Call, store: contract.Logstore) -> Sequence[contract.NewGroup]:
    """The groups of a body, all checked; those without logs are left out.

    Raises:
        SlsError: whatever is wrong with the body; nothing of it is to be stored then.
    """
    kind = call.headers.get(headers.COMPRESS_TYPE, "")
    if _is_json(call):
        found = [_group(call, store, protobuf.encode_log_group(from_json(_json(call))))]
    elif call.headers.get(headers.MODE) == "batch_group":
        found = [_group(call, store, raw) for raw in _packages(call)]
    else:
        raw = compress.decompress(kind, call.body, raw_size=raw_size(call), limit=MAX_BODY_BYTES)
        block = call.body if kind == "lz4" else None
        found = [_group(call, store, raw, block)]
    return [each for each in found if each.logs]


def raw_size(call: Call) -> int:
    """What the sender says of the body's raw size; uncompressed JSON needs to say nothing."""
    if _is_json(call) and headers.COMPRESS_TYPE not in call.headers:
        return len(call.body)
    return call.raw_size()


def pack(store: contract.Logstore, raw: bytes, block: bytes | None = None) -> contract.NewGroup:
    """The group to append for the encoded log group `raw`; `block` where it came as LZ4.

    Raises:
        SlsError: PostBodyInvalid or InvalidEncoding.
    """
    summary = protobuf.inspect(raw)
    return contract.NewGroup(
        store=store.ident,
        shard=UNPLACED,
        block=compress.compress("lz4", raw) if block is None else block,
        raw_size=len(raw),
        logs=summary.logs,
        min_time=summary.min_time,
        max_time=summary.max_time,
    )


def with_client(call: Call, store: contract.Logstore, raw: bytes) -> bytes:
    """`raw`, with the client's address and the time where the Logstore asks for them."""
    if not store.document.get("appendMeta"):
        return raw
    tags = (("__client_ip__", call.peer), ("__receive_time__", str(int(time.time()))))
    # Encoded messages one behind the other are one message, its repeated fields joined.
    return raw + protobuf.encode_log_group(LogGroup(logs=(), tags=tags))


def from_json(found: Mapping[str, Any], *, moment: int | None = None) -> LogGroup:
    """The log group of a JSON document; `moment` replaces every log's time.

    Raises:
        SlsError: PostBodyInvalid.
    """
    logs = found.get("__logs__")
    tags = found.get("__tags__") or {}
    if not isinstance(logs, Sequence) or isinstance(logs, str) or not isinstance(tags, dict):
        raise errors.make("PostBodyInvalid", detail="__logs__ must be a list, __tags__ an object.")
    return LogGroup(
        logs=tuple(_log(each, moment) for each in logs),
        topic=_text(found.get("__topic__") or ""),
        source=_text(found.get("__source__") or ""),
        tags=tuple((str(key), _text(value)) for key, value in tags.items()),
    )


def _group(
    call: Call, store: contract.Logstore, raw: bytes, block: bytes | None = None
) -> contract.NewGroup:
    whole = with_client(call, store, raw)
    return pack(store, whole, block if whole is raw else None)


def _is_json(call: Call) -> bool:
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return True
    if not kind and call.body:
        raise errors.make("MissingContentType")
    if kind not in {"", "application/x-protobuf"}:
        raise errors.make("InvalidContentType", value=kind[:80])
    return False


def _json(call: Call) -> Mapping[str, Any]:
    try:
        return call.document()
    except errors.SlsError as fault:
        if fault.code != "ParameterInvalid":
            raise
        raise errors.make("PostBodyInvalid", detail=fault.message) from fault


def _packages(call: Call) -> Sequence[bytes]:
    packages = protobuf.split_packages(call.body)
    if len(packages) > MAX_PACKAGES:
        detail = f"{len(packages)} packages are more than {MAX_PACKAGES}."
        raise errors.make("PostBodyInvalid", detail=detail)
    total = sum(max(0, each.raw_size) for each in packages)
    if total > MAX_BODY_BYTES:
        raise errors.make("PostBodyTooLarge", size=total, limit=MAX_BODY_BYTES)
    return [
        compress.decompress(each.kind, each.data, raw_size=each.raw_size, limit=MAX_BODY_BYTES)
        for each in packages
    ]


def _log(found: Any, moment: int | None) -> Log:
    if not isinstance(found, dict):
        raise errors.make("PostBodyInvalid", detail="Each of __logs__ must be an object.")
    seconds, nanoseconds = found.get("__time__"), found.get("__time_ns_part__")
    if moment is not None:
        seconds, nanoseconds = moment, None
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds < 2**32:
        raise errors.make("PostBodyInvalid", detail="__time__ must be unix seconds.")
    if nanoseconds is not None and not (isinstance(nanoseconds, int) and 0 <= nanoseconds < 10**9):
        raise errors.make("PostBodyInvalid", detail="__time_ns_part__ must be in [0, 999999999].")
    fields = tuple(
        (str(key), _text(value))
        for key, value in found.items()
        if key not in {"__time__", "__time_ns_part__"}
    )
    return Log(seconds, fields, nanoseconds)


def _text(value: Any) -> str:
    found = value if isinstance(value, str) else str(value)
    # JSON can spell half of a surrogate pair, which is no text.
    return found.encode("utf-8", "replace").decode()
