"""Signatures against published and recorded vectors, and against every kind of tampering."""

import dataclasses
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slswire import errors, signature
from slswire.signature import Credentials, Request

NOW = dt.datetime(2026, 11, 23, 16, 17, 3, tzinfo=dt.UTC)
KEY = Credentials("LTAIexampleAK", "exampleSecretKey0001")
BODY = bytes.fromhex("f0130a130880e2cfaa0612060a0161120162250014fb1e1a0022093132372e302e302e31")


def at(text: str) -> dt.datetime:
    return dt.datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)


def published_key() -> Credentials:
    return Credentials("bq2sjzesjmo86kq35behupbq", "4fdO2fTDDnZPU/L7CHNdemB2Nsk=")


def put_request() -> Request:
    headers = {"Host": "proj-a.127.0.0.1", "Content-Type": "application/x-protobuf"}
    headers |= {"x-log-bodyrawsize": "34", "x-log-compresstype": "lz4"}
    return Request(
        "POST", "/logstores/store-1/shards/lb", [("key", "0 1"), ("a", "")], headers, BODY
    )


def test_published_v1_vector_is_reproduced() -> None:
    query = [("logstoreName", ""), ("offset", "0"), ("size", "1000")]
    request = Request("GET", "/logstores", query, {})
    sent = signature.sign_v1(published_key(), request, at("20151109T061116Z"))
    assert sent["authorization"] == "LOG bq2sjzesjmo86kq35behupbq:jEYOTCJs2e88o+y5F4/S5IsnBJQ="


def test_recorded_v4_vector_is_reproduced() -> None:
    query = [
        ("accurate", "True"), ("from", "1700000000"), ("fromNs", "0"), ("line", "10"),
        ("offset", "0"), ("powerSql", "False"), ("query", "k1: v1 and 中文"),
        ("reverse", "false"), ("to", "1700000100"), ("toNs", "0"), ("type", "log"),
    ]  # fmt: skip
    headers = {"host": "proj-a.127.0.0.1", "x-log-bodyrawsize": "0"}
    request = Request("GET", "/logstores/store-1", query, headers)
    sent = signature.sign_v4(KEY, request, at("20261123T161725Z"), region="cn-hangzhou")
    expected = "aa8f533f9b6a92c112fc2a2a9010c2ca7a285714be6c2a7cce0beb3b85be1e62"
    assert sent["authorization"].endswith(f"Signature={expected}")


def signed(version: str, request: Request) -> Request:
    if version == "V1":
        return dataclasses.replace(request, headers=signature.sign_v1(KEY, request, NOW))
    headers = signature.sign_v4(KEY, request, NOW, region="loghub")
    return dataclasses.replace(request, headers=headers)


def check(request: Request, secret: str = KEY.access_key_secret, now: dt.datetime = NOW) -> None:
    claim = signature.parse_authorization(request.headers)
    signature.verify(claim, secret, request, now)


@pytest.mark.parametrize("version", ["V1", "V4"])
def test_signed_request_verifies(version: str) -> None:
    request = signed(version, put_request())
    claim = signature.parse_authorization(request.headers)
    assert (claim.version, claim.access_key_id) == (version, KEY.access_key_id)
    check(request)


@pytest.mark.parametrize("version", ["V1", "V4"])
@given(position=st.integers(0, len(BODY) - 1))
def test_changed_body_is_refused(version: str, position: int) -> None:
    changed = bytearray(BODY)
    changed[position] ^= 1
    request = dataclasses.replace(signed(version, put_request()), body=bytes(changed))
    with pytest.raises(errors.SlsError, match="SignatureNotMatch"):
        check(request)


@pytest.mark.parametrize("version", ["V1", "V4"])
@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"path": "/logstores/store-2/shards/lb"},
        {"query": [("key", "0 2"), ("a", "")]},
    ],
)
def test_changed_request_line_is_refused(version: str, change: dict[str, object]) -> None:
    request = dataclasses.replace(signed(version, put_request()), **change)
    with pytest.raises(errors.SlsError, match="SignatureNotMatch"):
        check(request)


@pytest.mark.parametrize("version", ["V1", "V4"])
def test_added_signed_header_is_refused(version: str) -> None:
    request = signed(version, put_request())
    request = dataclasses.replace(request, headers={**request.headers, "x-log-project": "other"})
    with pytest.raises(errors.SlsError, match="SignatureNotMatch"):
        check(request)


@pytest.mark.parametrize("version", ["V1", "V4"])
def test_wrong_secret_is_refused(version: str) -> None:
    with pytest.raises(errors.SlsError) as caught:
        check(signed(version, put_request()), secret="other")
    assert (caught.value.code, caught.value.status) == ("SignatureNotMatch", 401)


@pytest.mark.parametrize("version", ["V1", "V4"])
@pytest.mark.parametrize("minutes", [-16, 16])
def test_expired_time_is_refused(version: str, minutes: int) -> None:
    now = NOW + dt.timedelta(minutes=minutes)
    with pytest.raises(errors.SlsError, match="RequestTimeExpired"):
        check(signed(version, put_request()), now=now)


@pytest.mark.parametrize("value", ["", "LOG", "LOG a", "Basic x", "SLS4-HMAC-SHA256 Credential=a"])
def test_malformed_authorization_is_refused(value: str) -> None:
    with pytest.raises(errors.SlsError, match="Unauthorized"):
        signature.parse_authorization({"Authorization": value})
