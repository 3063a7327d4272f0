"""The protobuf messages of the data plane, built in code: no compiler step, no generated file.

`protobuf` (the module) turns these into values. Field numbers and types: the SDKs' public
`log_logs.proto`. Text is read as bytes here, so that the one place that decodes it can say which
error a client gets for what is not UTF-8.
"""

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_REQUIRED: Final = _Field.LABEL_REQUIRED
_OPTIONAL: Final = _Field.LABEL_OPTIONAL
_REPEATED: Final = _Field.LABEL_REPEATED

_PACKAGE: Final = "slswire"

_PAIR: Final = (
    ("Key", 1, _REQUIRED, _Field.TYPE_BYTES, ""),
    ("Value", 2, _REQUIRED, _Field.TYPE_BYTES, ""),
)
_MESSAGES: Final = {
    "Content": _PAIR,
    "LogTag": _PAIR,
    "Log": (
        ("Time", 1, _REQUIRED, _Field.TYPE_UINT32, ""),
        ("Contents", 2, _REPEATED, _Field.TYPE_MESSAGE, "Content"),
        ("Time_ns", 4, _OPTIONAL, _Field.TYPE_FIXED32, ""),
    ),
    "LogGroup": (
        ("Logs", 1, _REPEATED, _Field.TYPE_MESSAGE, "Log"),
        ("Reserved", 2, _OPTIONAL, _Field.TYPE_BYTES, ""),
        ("Topic", 3, _OPTIONAL, _Field.TYPE_BYTES, ""),
        ("Source", 4, _OPTIONAL, _Field.TYPE_BYTES, ""),
        ("MachineUUID", 5, _OPTIONAL, _Field.TYPE_BYTES, ""),
        ("LogTags", 6, _REPEATED, _Field.TYPE_MESSAGE, "LogTag"),
    ),
    "LogGroupList": (("Groups", 1, _REPEATED, _Field.TYPE_BYTES, ""),),
    "SlsLogPackage": (
        ("data", 1, _REQUIRED, _Field.TYPE_BYTES, ""),
        ("uncompress_size", 2, _OPTIONAL, _Field.TYPE_INT32, ""),
        ("compress_type", 3, _OPTIONAL, _Field.TYPE_INT32, ""),
    ),
    "SlsLogPackageList": (("packages", 1, _REPEATED, _Field.TYPE_MESSAGE, "SlsLogPackage"),),
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="slswire.proto", package=_PACKAGE, syntax="proto2"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, label, kind, of in fields:
            added = message.field.add(name=field, number=number, label=label, type=kind)
            if of:
                added.type_name = f".{_PACKAGE}.{of}"
    return file


# A pool of its own: the official SDK may register messages of the same names in the default one.
_POOL: Final = descriptor_pool.DescriptorPool()
_POOL.Add(_file())


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


LogGroup: Final = _class("LogGroup")
LogGroupList: Final = _class("LogGroupList")
"""Its groups stay encoded: cursors count them, and a pull returns them verbatim."""

PackageList: Final = _class("SlsLogPackageList")
"""Its `compress_type` is an enum on the wire, read as its number: an unknown one is an error."""
