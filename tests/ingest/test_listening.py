"""The sockets: TLS whose certificate changes, several addresses, slow clients, the access log."""

import asyncio
import contextlib
import datetime as dt
import http.client
import ipaddress
import json
import os
import signal
import socket
import ssl
import time
import urllib.error
import urllib.request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from harness.ingest import ROOT_KEY, Service
from harness.ports import free_port
from loghub_ingest import app, connections, listening, requests
from loghub_ingest import service as services
from loghub_ingest.storage import embedded
from slswire.errors import SlsError


def write_certificate(directory, serial: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loghub test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    (directory / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def served_serial(port: int) -> int:
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=10)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def wait(condition, what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def running(tmp_path, monkeypatch):
    """A process with two plain addresses and one with TLS; (service, second port, TLS port)."""
    write_certificate(tmp_path, 1)
    second, secure = free_port(), free_port()
    # The harness gives one --listen; a flag wins, so the second one comes with TLS off below.
    monkeypatch.setenv("LOGHUB_TLS_LISTEN", f"127.0.0.1:{secure},127.0.0.1:{second}")
    monkeypatch.setenv("LOGHUB_TLS_CERTIFICATE", str(tmp_path / "tls.crt"))
    monkeypatch.setenv("LOGHUB_TLS_KEY", str(tmp_path / "tls.key"))
    monkeypatch.setenv("LOGHUB_ACCESS_LOG", "all")
    started = Service(tmp_path / "data")
    started.start()
    yield started, second, secure
    if started.process.poll() is None:
        assert started.stop() == 0


def answer_of(url: str, context=None):
    try:
        return urllib.request.urlopen(url, timeout=10, context=context)
    except urllib.error.HTTPError as fault:
        return fault


def test_console_cookie_of_a_tls_address_goes_over_no_plain_one(running, tmp_path):
    _, _, secure = running
    context = ssl.create_default_context(cafile=str(tmp_path / "tls.crt"))
    connection = http.client.HTTPSConnection("127.0.0.1", secure, context=context, timeout=10)
    form = f"id={ROOT_KEY.access_key_id}&secret={ROOT_KEY.access_key_secret}"
    connection.request("POST", "/console/login", form)
    answer = connection.getresponse()
    connection.close()
    assert answer.status == 303
    assert "; Secure" in answer.headers["set-cookie"]


def test_every_address_answers_and_a_new_certificate_is_used_without_a_restart(running, tmp_path):
    started, second, secure = running
    context = ssl.create_default_context(cafile=str(tmp_path / "tls.crt"))
    urls = [
        (started.url, None),
        (f"https://127.0.0.1:{secure}", context),
        (f"https://127.0.0.1:{second}", context),
    ]
    for url, trust in urls:
        with answer_of(f"{url}/logstores", trust) as answer:
            assert answer.status == 400
            assert answer.headers["x-log-requestid"]
    assert served_serial(secure) == 1
    (tmp_path / "tls.crt").write_text("half written")
    wait(lambda: "stays in use" in started.log.read_text(), "the bad file is reported")
    assert served_serial(secure) == 1
    write_certificate(tmp_path, 2)
    wait(lambda: served_serial(secure) == served_serial(second) == 2, "the new one is used")


def test_access_log_has_a_line_per_request(running):
    started, _, _ = running
    answer_of(f"{started.url}/logstores/web?secret=1").close()

    def lines():
        found = [json.loads(line) for line in started.log.read_text().splitlines()]
        return [line for line in found if line["logger"] == "loghub_ingest.access"]

    wait(lines, "the request is logged")
    (line,) = lines()
    assert (line["method"], line["path"], line["status"]) == ("GET", "/logstores/web", 400)
    assert line["code"] == "MissingAPIVersion"
    assert line["client"] == "127.0.0.1"
    assert len(line["request_id"]) == 24


def test_readiness_ends_when_the_drain_begins(running):
    """A request is under way when SIGTERM comes: it is answered, readiness is gone at once."""
    started, _, _ = running
    assert started.ready()
    with socket.create_connection(("127.0.0.1", started.port), timeout=30) as client:
        head = b"POST /logstores HTTP/1.1\r\nhost: a\r\nx-log-apiversion: 0.6.0\r\n"
        client.sendall(head + b"content-length: 2\r\n\r\n{")
        os.kill(started.process.pid, signal.SIGTERM)
        wait(lambda: not started.ready(), "not ready any more")
        client.sendall(b"}")
        answer = b""
        while part := client.recv(65536):
            answer += part
        assert b"Unauthorized" in answer
    assert started.process.wait(timeout=30) == 0


async def test_tracking_without_a_project_goes_to_the_default_one_and_nothing_else_does(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("LOGHUB_DEFAULT_PROJECT", "shop-project")
    started = Service(tmp_path / "data")
    started.start()
    async with started.client() as client:
        await client.create_project("shop-project")
        document = {"logstoreName": "web", "shardCount": 1, "enable_tracking": True}
        await client.create_logstore("shop-project", document)
        url = f"{started.url}/logstores/web/track?APIVersion=0.6.0&a=b"
        with await asyncio.to_thread(answer_of, url) as answer:
            assert answer.status == 200
        cursor = await client.get_cursor("shop-project", "web", 0, "begin")
        (group,) = (await client.pull_logs("shop-project", "web", 0, cursor)).groups
        assert group.logs[0].contents == (("a", "b"),)
        with pytest.raises(SlsError) as caught:
            await client.list_logstores("")
        assert caught.value.code == "ProjectNotExist"
    assert started.stop() == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"LOGHUB_TLS_LISTEN": "127.0.0.1:1"}, "--tls-listen, --tls-certificate and --tls-key"),
        ({"LOGHUB_TLS_CERTIFICATE": "x"}, "--tls-listen, --tls-certificate and --tls-key"),
        ({"LOGHUB_TLS_LISTEN": "nowhere"}, "--tls-listen"),
        ({"LOGHUB_ACCESS_LOG": "some"}, "--access-log is 'some'"),
        ({"LOGHUB_CONSOLE": "maybe"}, "--console is 'maybe': write on or off"),
    ],
)
def test_wrong_setting_is_named_with_the_way_out(tmp_path, monkeypatch, change, words):
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    started = Service(tmp_path / "data")
    with pytest.raises(AssertionError, match=words):
        started.start()
    assert started.process.wait() == 2


@contextlib.asynccontextmanager
async def inside(directory, application=None):
    """The server in this process, so that its bounds can be made short; gives the port."""
    storage = embedded.Embedded(directory)
    port = free_port()
    application = application or app.make(services.make(storage, ()))
    server = listening.server(application, listening.Address("127.0.0.1", port))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = True
        await task
        await asyncio.to_thread(storage.close)


async def exchange(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        return await asyncio.wait_for(reader.read(), 30)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("parts", [(), (b"GET / HT",), (b"GET / HTTP/1.1\r\n", b"host: a\r\n")])
async def test_head_that_does_not_come_is_not_waited_for(tmp_path, monkeypatch, parts):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    async with inside(tmp_path) as port:
        with contextlib.suppress(ConnectionError):
            assert await exchange(port, *parts) == b""


async def test_second_head_on_a_kept_connection_is_bounded_too(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    async with inside(tmp_path) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert b"MissingAPIVersion" in await reader.readuntil(b"}")
        await asyncio.sleep(1)  # longer than a head may take: idle, and still welcome
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert b"MissingAPIVersion" in await reader.readuntil(b"}")
        writer.write(b"GET / HT")
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()


async def test_endless_head_and_nonsense_are_refused_in_the_services_form(tmp_path):
    async with inside(tmp_path) as port:
        # Hardly more than the bound: what a closed socket has not read resets the answer away.
        endless = b"GET / HTTP/1.1\r\nx: " + b"y" * connections.MAX_HEAD_BYTES
        for part in (endless, b"\x16\x03\x01 nonsense\r\n\r\n"):
            answer = await exchange(port, part)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400 ")
            assert b"x-log-requestid: " in head
            assert json.loads(body)["errorCode"] == "BadRequest"


async def test_body_that_does_not_come_is_answered_with_a_timeout(tmp_path, monkeypatch):
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.3)
    async with inside(tmp_path) as port:
        head = b"POST / HTTP/1.1\r\nhost: a\r\nx-log-apiversion: 0.6.0\r\nconnection: close\r\n"
        answer = await exchange(port, head + b"content-length: 9\r\n\r\n{")
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"RequestTimeout" in answer


async def test_client_that_takes_nothing_is_cut_off_and_a_slow_one_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "STALLED_SECONDS", 0.5)
    size = 16 * 2**20
    lost = asyncio.Event()

    async def large(scope, receive, send):
        await receive()
        length = [(b"content-length", str(size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": bytes(size)})
        if (await receive())["type"] == "http.disconnect":
            lost.set()

    async with inside(tmp_path, large) as port:
        stalled = socket.create_connection(("127.0.0.1", port))
        stalled.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await asyncio.wait_for(lost.wait(), 30)
        stalled.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=65536)
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        taken = 0
        while part := await reader.read(256 * 1024):
            taken += len(part)
            await asyncio.sleep(0.02)
        assert taken > size
        writer.close()
