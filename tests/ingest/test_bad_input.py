"""Hostile and broken requests: the documented code, and the service goes on."""

import datetime as dt
import json
import socket

import pytest

from harness.ingest import DOMAIN, ROOT_KEY
from slswire import compress, headers, protobuf, signature
from slswire.model import Log, LogGroup
from slswire.signature import Credentials, Request

NOW = dt.datetime.now(dt.UTC)
GROUP = protobuf.encode_log_group(LogGroup((Log(int(NOW.timestamp()), (("k", "v"),)),)))
WRITE = "/logstores/web/shards/lb"


@pytest.fixture
def prepared(service):
    assert send(service, "POST", "/", b'{"projectName": "shop-project"}', project="") == (200, "")
    assert send(service, "POST", "/logstores", b'{"logstoreName": "web"}') == (200, "")
    yield service
    # Whatever came before: a good write is taken.
    assert write(service, compress.compress("lz4", GROUP), len(GROUP)) == (200, "")


def exchange(service, request: bytes, patience: float = 20) -> bytes:
    """The answer to raw bytes, until the service closes or stays silent."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=patience) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def send(
    service,
    method: str,
    path: str,
    body: bytes = b"",
    sent: dict[str, str] | None = None,
    *,
    project: str = "shop-project",
    key: Credentials = ROOT_KEY,
    now: dt.datetime | None = None,
) -> tuple[int, str]:
    """Status and errorCode of a signed request, written byte by byte as given."""
    given = {
        "host": DOMAIN,
        "connection": "close",
        "content-length": str(len(body)),
        **(sent or {}),
    }
    if project:
        given[headers.PROJECT] = project
    given.setdefault(headers.BODY_RAW_SIZE, str(len(body)))
    request = Request(method, path, [], given, body)
    now = now or dt.datetime.now(dt.UTC)
    signed = signature.sign_v4(key, request, now, region="loghub")
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    answer = exchange(service, f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
    head, _, rest = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    return status, json.loads(rest)["errorCode"] if status >= 400 else ""


def write(service, body: bytes, raw_size: int, kind: str = "lz4", **more) -> tuple[int, str]:
    sent = {"content-type": "application/x-protobuf", headers.BODY_RAW_SIZE: str(raw_size)}
    if kind:
        sent[headers.COMPRESS_TYPE] = kind
    return send(service, "POST", WRITE, body, sent, **more)


def test_body_that_is_no_protobuf_is_refused(prepared):
    garbage = b"\xff" * 50
    found = write(prepared, compress.compress("lz4", garbage), len(garbage))
    assert found == (400, "PostBodyInvalid")


def test_text_that_is_no_utf8_is_refused(prepared):
    bad = GROUP.replace(b"\x01v", b"\x01\xff")
    assert write(prepared, compress.compress("lz4", bad), len(bad)) == (400, "InvalidEncoding")


@pytest.mark.parametrize("kind", ["lz4", "zstd", "deflate"])
def test_bomb_that_lies_about_its_size_is_refused(prepared, kind):
    bomb = compress.compress(kind, bytes(50_000_000))
    assert len(bomb) < 300_000
    assert write(prepared, bomb, 1000, kind) == (400, "PostBodyUncompressError")


def test_bomb_that_states_its_size_is_refused_before_it_is_unpacked(prepared):
    status, code = write(prepared, compress.compress("zstd", bytes(50_000_000)), 50_000_000, "zstd")
    assert (status, code) == (400, "PostBodyTooLarge")


@pytest.mark.parametrize(
    ("kind", "code"), [("gzip", "InvalidCompressType"), ("lz4", "PostBodyUncompressError")]
)
def test_compression_that_is_unknown_or_broken_is_named(prepared, kind, code):
    assert write(prepared, b"\x00\x01\x02", 100, kind) == (400, code)


def test_unknown_key_and_wrong_secret_are_told_apart(prepared):
    body = compress.compress("lz4", GROUP)
    assert write(prepared, body, len(GROUP), key=Credentials("nobody", "x")) == (
        401,
        "Unauthorized",
    )
    wrong = Credentials(ROOT_KEY.access_key_id, "wrong")
    assert write(prepared, body, len(GROUP), key=wrong) == (401, "SignatureNotMatch")


def test_replay_after_the_window_is_refused(prepared):
    old = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=20)
    status, code = write(prepared, compress.compress("lz4", GROUP), len(GROUP), now=old)
    assert (status, code) == (400, "RequestTimeExpired")


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", "a%00b", "web%2f..%2fweb", "\u0430web".encode().hex(), "w" * 4000]
)
def test_hostile_logstore_names_find_nothing(prepared, name):
    status, code = send(prepared, "GET", f"/logstores/{name}")
    assert status in {400, 404}
    assert code in {"LogStoreNotExist", "ParameterInvalid", "NotSupported", "SignatureNotMatch"}


def test_oversized_body_is_refused_by_its_stated_length(prepared):
    head = f"POST {WRITE} HTTP/1.1\r\nhost: {DOMAIN}\r\nx-log-apiversion: 0.6.0\r\n"
    head += "content-length: 99999999\r\nconnection: close\r\n\r\n"
    answer = exchange(prepared, head.encode())
    assert b"PostBodyTooLarge" in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: abc\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nauthorization: LOG \xff:\xfe\r\nconnection: close\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ],
)
def test_broken_http_gets_a_refusal(prepared, request_bytes):
    answer = exchange(prepared, request_bytes)
    assert answer.startswith(b"HTTP/1.1 4"), answer[:200]


def test_half_closed_client_holds_nothing(prepared):
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", prepared.port)) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc")
            connection.shutdown(socket.SHUT_WR)
