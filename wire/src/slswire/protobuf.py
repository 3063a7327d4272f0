"""Log groups to bytes and back; what is not a log group gets the error the service gives.

`schema` holds the messages, `model` the values.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.message import DecodeError

from slswire import errors, schema
from slswire.model import Log, LogGroup, Pairs


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """What a server needs to know of a log group it stores as bytes; times are unix seconds."""

    logs: int
    min_time: int
    max_time: int


@dataclasses.dataclass(frozen=True, slots=True)
class Package:
    """One compressed log group of a `batch_group` body; `kind` as in x-log-compresstype."""

    kind: str
    data: bytes
    raw_size: int


_PACKAGE_KINDS: Final = ("", "deflate", "lz4", "zstd")
_PACKAGE_DEFAULT: Final = 2


def encode_log_group(group: LogGroup) -> bytes:
    """The body of a PutLogs, before compression."""
    message = schema.LogGroup()
    for log in group.logs:
        added = message.Logs.add(Time=log.time)
        if log.time_ns is not None:
            added.Time_ns = log.time_ns
        for key, value in log.contents:
            added.Contents.add(Key=key.encode(), Value=value.encode())
    if group.topic:
        message.Topic = group.topic.encode()
    if group.source:
        message.Source = group.source.encode()
    if group.machine_uuid:
        message.MachineUUID = group.machine_uuid.encode()
    for key, value in group.tags:
        message.LogTags.add(Key=key.encode(), Value=value.encode())
    return bytes(message.SerializeToString())


def decode_log_group(data: bytes) -> LogGroup:
    """The log group in `data`; unknown fields are passed over, as the format asks.

    Raises:
        SlsError: PostBodyInvalid, or InvalidEncoding for text that is not UTF-8.
    """
    message = _parse(schema.LogGroup(), data)
    try:
        return LogGroup(
            logs=tuple(_log(log) for log in message.Logs),
            topic=message.Topic.decode(),
            source=message.Source.decode(),
            tags=_pairs(message.LogTags),
            machine_uuid=message.MachineUUID.decode(),
        )
    except UnicodeDecodeError as fault:
        raise errors.make("InvalidEncoding") from fault


def inspect(data: bytes) -> Summary:
    """The summary of the valid log group in `data`; a group without logs has times 0.

    Raises:
        SlsError: PostBodyInvalid, or InvalidEncoding for text that is not UTF-8.
    """
    times = [log.time for log in decode_log_group(data).logs]
    return Summary(len(times), min(times, default=0), max(times, default=0))


def join_log_groups(encoded: Sequence[bytes]) -> bytes:
    """The body of a PullLogs answer: encoded groups, each as it was stored."""
    return bytes(schema.LogGroupList(Groups=encoded).SerializeToString())


def split_log_group_list(data: bytes) -> list[bytes]:
    """The encoded groups of a PullLogs answer.

    Raises:
        SlsError: PostBodyInvalid.
    """
    return [bytes(group) for group in _parse(schema.LogGroupList(), data).Groups]


def split_packages(data: bytes) -> list[Package]:
    """The packages of a `batch_group` body, still compressed.

    Raises:
        SlsError: PostBodyInvalid or InvalidCompressType.
    """
    return [_package(each) for each in _parse(schema.PackageList(), data).packages]


def join_packages(packages: Sequence[Package]) -> bytes:
    """The body of a PutLogs in mode `batch_group`."""
    message = schema.PackageList()
    for each in packages:
        kind = _PACKAGE_KINDS.index(each.kind)
        message.packages.add(data=each.data, uncompress_size=each.raw_size, compress_type=kind)
    return bytes(message.SerializeToString())


def decode_log_group_list(data: bytes) -> list[LogGroup]:
    """The groups of a PullLogs answer.

    Raises:
        SlsError: PostBodyInvalid or InvalidEncoding.
    """
    return [decode_log_group(group) for group in split_log_group_list(data)]


def _parse(message: Any, data: bytes) -> Any:
    try:
        message.ParseFromString(data)
    except DecodeError as fault:
        raise errors.make("PostBodyInvalid", detail="The bytes are no message.") from fault
    if not message.IsInitialized():
        missing = ", ".join(message.FindInitializationErrors()[:3])
        raise errors.make("PostBodyInvalid", detail=f"Required and not there: {missing}.")
    return message


def _package(found: Any) -> Package:
    kind = found.compress_type if found.HasField("compress_type") else _PACKAGE_DEFAULT
    if not 0 <= kind < len(_PACKAGE_KINDS):
        raise errors.make("InvalidCompressType", value=kind)
    size = found.uncompress_size if found.HasField("uncompress_size") else len(found.data)
    return Package(_PACKAGE_KINDS[kind], bytes(found.data), size)


def _log(log: Any) -> Log:
    time_ns = log.Time_ns if log.HasField("Time_ns") else None
    return Log(time=log.Time, contents=_pairs(log.Contents), time_ns=time_ns)


def _pairs(messages: Any) -> Pairs:
    return tuple((pair.Key.decode(), pair.Value.decode()) for pair in messages)
