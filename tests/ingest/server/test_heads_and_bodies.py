"""What bounds a head never hits a body, however the bytes are cut into reads."""

import asyncio
import random
import socket

import pytest

from harness.ports import free_port
from harness.probing import until
from loghub_ingest import connections, listening

HEAD = b"POST / HTTP/1.1\r\nhost: a\r\n"
LARGE = 200_000
"""More than a head may have, less than one read of the event loop can bring."""


async def count(scope, receive, send):
    """Answers with the body's length."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(size).encode()
    found = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": found})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port():
    chosen = free_port()
    server = listening.server(count, listening.Address("127.0.0.1", chosen))
    running = asyncio.create_task(server.serve())
    await asyncio.to_thread(until, lambda: server.started)
    yield chosen
    server.should_exit = True
    await running


async def answer_much(scope, receive, send):
    """Answers with less than the transport's own bound."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"y" * 60_000})


async def test_client_that_never_takes_small_answers_is_let_go(monkeypatch):
    monkeypatch.setattr(connections, "STALLED_SECONDS", 0.3)
    chosen = free_port()
    server = listening.server(answer_much, listening.Address("127.0.0.1", chosen))
    running = asyncio.create_task(server.serve())
    await asyncio.to_thread(until, lambda: server.started)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.to_thread(client.connect, ("127.0.0.1", chosen))
        held = server.server_state.connections
        await asyncio.to_thread(until, lambda: held)
        [connection] = held
        while held and not connection.transport.get_write_buffer_size():
            await asyncio.to_thread(client.sendall, HEAD + b"content-length: 0\r\n\r\n")
            await asyncio.sleep(0.01)
        await asyncio.to_thread(until, lambda: not held)
    server.should_exit = True
    await running


async def test_client_that_takes_its_answers_late_but_takes_them_stays(monkeypatch, port):
    monkeypatch.setattr(connections, "STALLED_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        body = [HEAD + b"content-length: 3\r\n\r\n", b"abc"]
        assert await exchange(reader, writer, body) == b"200 3"
        await asyncio.sleep(0.5)
    writer.close()


async def exchange(reader, writer, parts) -> bytes:
    """Sends one request, each part by itself; the answer's status and body."""
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    [length] = [line.partition(b":")[2] for line in lines if line.startswith(b"content-length")]
    return head.split()[1] + b" " + await reader.readexactly(int(length))


async def test_large_bodies_pass_however_they_are_cut(port):
    dice = random.Random(5)  # noqa: S311 - repeatable
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(60):  # over one kept connection, as SDKs do
        size = dice.randrange(LARGE // 2, LARGE * 2)
        whole = HEAD + b"content-length: %d\r\n\r\n" % size + b"x" * size
        cuts = sorted(dice.sample(range(len(whole)), dice.randrange(3)))
        parts = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        assert await exchange(reader, writer, parts) == b"200 %d" % size
    writer.close()


async def test_requests_sent_together_are_all_answered(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    together = b"GET / HTTP/1.1\r\nhost: a\r\nx-filler: " + b"y" * 1000 + b"\r\n\r\n"
    writer.write(together * 100)
    for _ in range(100):
        assert await exchange(reader, writer, []) == b"200 0"
    writer.close()


@pytest.mark.parametrize("ending", [b"\r\n\r\n", b""])
async def test_head_that_is_too_large_is_refused_also_after_a_good_request(port, ending):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    good = [HEAD + b"content-length: 4\r\n\r\n1234"]
    assert await exchange(reader, writer, good) == b"200 4"
    greedy = HEAD + b"x-filler: " + b"y" * (70 * 1024) + ending
    assert b"head is too large" in await exchange(reader, writer, [greedy])
    writer.close()
