"""Golden vectors of the wire format, made with the official Python SDK by `make generate`.

`wire/vectors/groups.json` has log groups with their bytes, `signatures.json` requests with the
headers that the SDK signs them with. Both languages' tests read them. Nothing here calls slswire:
a vector made by the code it checks would prove nothing.
"""

import datetime as dt
import json
from typing import Any, Final
from unittest import mock

import lz4.block
from aliyun.log import auth
from aliyun.log.credentials import StaticCredentialsProvider
from aliyun.log.log_logs_pb2 import LogGroup

KEY: Final = ("LTAIexampleAK", "exampleSecretKey0001")
MOMENT: Final = dt.datetime(2026, 11, 23, 16, 17, 3)  # noqa: DTZ001 - the SDK's clock is naive
TIME: Final = 1_700_000_000

_LONG = "日志 log " * 200
GROUPS: Final[list[dict[str, Any]]] = [
    {"name": "one log", "logs": [[TIME, None, [["a", "b"]]]]},
    {"name": "nanoseconds", "logs": [[TIME, 5, [["a", "b"]]], [TIME, 999_999_999, [["a", "c"]]]]},
    {"name": "empty value and key order", "logs": [[TIME, 0, [["b", ""], ["a", "1"], ["b", "2"]]]]},
    {"name": "no fields", "logs": [[0, 0, []]]},
    {"name": "largest time", "logs": [[2**32 - 1, 0, [["a", "b"]]]]},
    {"name": "text outside ASCII", "logs": [[TIME, 1, [["中文", "\U0001f600 \u0000 \t"]]]]},
    {"name": "long value", "logs": [[TIME, 7, [["content", _LONG]]]]},
    {
        "name": "topic, source and tags",
        "logs": [[TIME, 3, [["content", "GET / 200"], ["_source_", "stdout"]]]] * 3,
        "topic": "t",
        "source": "10.0.0.1",
        "tags": [["_pod_name_", "web-0"], ["_namespace_", "shop"], ["empty", ""]],
    },
]
"""Logs as [unix seconds, nanoseconds or null, [[key, value], …]]."""

_WRITE: Final[dict[str, Any]] = {
    "method": "POST",
    "path": "/logstores/store-1/shards/lb",
    "query": {},
    "headers": {
        "Host": "proj-a.sls.test",
        "Content-Type": "application/x-protobuf",
        "x-log-apiversion": "0.6.0",
        "x-log-bodyrawsize": "34",
        "x-log-compresstype": "lz4",
    },
    "body": "f0130a130880e2cfaa0612060a0161120162250014fb1e1a0022093132372e302e302e31",
}
_READ: Final = {
    "method": "GET",
    "path": "/logstores/store-1",
    "query": {"type": "log", "query": "k1: v1 and 中文 ~*", "from": "1700000000", "empty": ""},
    "headers": {
        "Host": "proj-a.sls.test",
        "x-log-apiversion": "0.6.0",
        "x-log-bodyrawsize": "0",
    },
    "body": "",
}
_HEADER_PROJECT: Final = _WRITE | {
    "headers": _WRITE["headers"] | {"x-log-project": "proj-a", "Host": "sls.test"}
}
REQUESTS: Final = {"write": _WRITE, "read": _READ, "project in a header": _HEADER_PROJECT}


def files() -> dict[str, str]:
    """File name in `wire/vectors` to its text."""
    groups = [_group(each) for each in GROUPS]
    signatures = [
        _signed(f"{name}, {version}", request, version)
        for name, request in REQUESTS.items()
        for version in (auth.AUTH_VERSION_1, auth.AUTH_VERSION_4)
    ]
    return {"groups.json": _text(groups), "signatures.json": _text(signatures)}


def _text(found: list[dict[str, Any]]) -> str:
    return json.dumps(found, indent=1, ensure_ascii=True) + "\n"


def _group(given: dict[str, Any]) -> dict[str, Any]:
    message = LogGroup()
    for time, time_ns, contents in given["logs"]:
        log = message.Logs.add()
        log.Time = time
        for key, value in contents:
            content = log.Contents.add()
            content.Key, content.Value = key, value
        if time_ns is not None:
            log.Time_ns = time_ns
    if given.get("topic"):
        message.Topic = given["topic"]
    if given.get("source"):
        message.Source = given["source"]
    for key, value in given.get("tags", []):
        tag = message.LogTags.add()
        tag.Key, tag.Value = key, value
    body = message.SerializeToString()
    packed = lz4.block.compress(body, store_size=False)
    defaults = {"topic": "", "source": "", "tags": []}
    return defaults | given | {"protobuf": body.hex(), "lz4": packed.hex()}


class _Clock(dt.datetime):
    @classmethod
    def utcnow(cls) -> dt.datetime:
        return MOMENT


def _signed(name: str, request: dict[str, Any], version: str) -> dict[str, Any]:
    sent = dict(request["headers"])
    signer = auth.make_auth(StaticCredentialsProvider(*KEY), version, region="loghub")
    with mock.patch.object(auth, "datetime", _Clock):
        signer.sign_request(
            request["method"],
            request["path"],
            dict(request["query"]),
            sent,
            bytes.fromhex(request["body"]),
        )
    authorization = sent["Authorization"]
    return request | {
        "name": name,
        "version": version.upper(),
        "region": "loghub",
        "key": list(KEY),
        "time": int(MOMENT.replace(tzinfo=dt.UTC).timestamp()),
        "authorization": authorization,
    }
