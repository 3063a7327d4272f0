"""The golden vectors that the official SDK made; the Rust twin's tests read the same files."""

import datetime as dt
import json
import pathlib

import pytest

from slswire import compress, protobuf, signature
from slswire.model import Log, LogGroup
from slswire.signature import Credentials, Request

VECTORS = pathlib.Path(__file__).parents[2] / "wire" / "vectors"


def load(name: str) -> list[dict]:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def pairs(found: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in found)


def group(vector: dict) -> LogGroup:
    return LogGroup(
        logs=tuple(
            Log(time=time, contents=pairs(contents), time_ns=time_ns)
            for time, time_ns, contents in vector["logs"]
        ),
        topic=vector["topic"],
        source=vector["source"],
        tags=pairs(vector["tags"]),
    )


@pytest.mark.parametrize("vector", load("groups.json"), ids=lambda vector: vector["name"])
def test_group_has_the_sdks_bytes_both_ways(vector):
    body = bytes.fromhex(vector["protobuf"])
    assert protobuf.encode_log_group(group(vector)) == body
    assert protobuf.decode_log_group(body) == group(vector)
    packed = bytes.fromhex(vector["lz4"])
    assert compress.decompress("lz4", packed, raw_size=len(body), limit=1 << 20) == body


@pytest.mark.parametrize("vector", load("signatures.json"), ids=lambda vector: vector["name"])
def test_request_is_signed_as_the_sdk_signs_it_and_verifies(vector):
    key = Credentials(*vector["key"])
    now = dt.datetime.fromtimestamp(vector["time"], dt.UTC)
    query = list(vector["query"].items())
    body = bytes.fromhex(vector["body"])
    request = Request(vector["method"], vector["path"], query, vector["headers"], body)
    if vector["version"] == "V1":
        sent = signature.sign_v1(key, request, now)
    else:
        sent = signature.sign_v4(key, request, now, region=vector["region"])
    assert sent["authorization"] == vector["authorization"]
    arrived = Request(request.method, request.path, query, sent, body)
    claim = signature.parse_authorization(sent)
    signature.verify(claim, key.access_key_secret, arrived, now)
