"""Readiness says what is true of the data volume, and connections have an upper bound."""

import asyncio
import functools
import os

import pytest

from harness.ports import free_port
from harness.probing import until
from loghub_ingest import connections, listening, readiness


@pytest.fixture
def ready(tmp_path):
    """Of a service that runs well."""
    return readiness.Readiness(
        functools.partial(readiness.probe, tmp_path),
        listening=lambda: True,
        draining=lambda: False,
        writing=lambda: True,
    )


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ((True, False, True), ""),
        ((False, False, True), "starting"),
        ((True, True, True), "draining"),
        ((True, False, False), "writing thread"),
    ],
)
def test_state_of_the_service_is_told(tmp_path, state, expected):
    listens, drains, writes = state
    found = readiness.Readiness(
        functools.partial(readiness.probe, tmp_path),
        listening=lambda: listens,
        draining=lambda: drains,
        writing=lambda: writes,
    ).problem()
    assert expected in found
    assert bool(found) == bool(expected)


def test_volume_that_fails_is_a_problem_a_full_one_is_not(tmp_path):
    assert readiness.probe(tmp_path) == ""
    assert "No such file" in readiness.probe(tmp_path / "gone")
    full = tmp_path / "full"
    full.mkdir()
    (full / ".probe").symlink_to("/dev/full")
    assert readiness.probe(full) == ""


async def test_volume_that_hangs_is_a_problem_until_it_goes_on(ready, tmp_path, monkeypatch):
    monkeypatch.setattr(readiness, "HUNG_SECONDS", 0.1)
    monkeypatch.setattr(readiness, "PROBE_SECONDS", 0.01)
    os.mkfifo(tmp_path / ".probe")  # opening it waits for a reader, as a hung volume does
    assert ready.problem() == ""
    watching = asyncio.create_task(ready.watch())
    await asyncio.to_thread(until, lambda: "not finished a write" in ready.problem())
    reader = os.open(tmp_path / ".probe", os.O_RDONLY | os.O_NONBLOCK)
    (tmp_path / ".probe").unlink()
    await asyncio.to_thread(until, lambda: not ready.problem())
    watching.cancel()
    os.close(reader)


async def empty(scope, receive, send):
    found = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": found})
    await send({"type": "http.response.body", "body": b""})


async def test_connections_beyond_the_bound_are_turned_away(monkeypatch):
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 3)
    port = free_port()
    server = listening.server(empty, listening.Address("127.0.0.1", port))
    running = asyncio.create_task(server.serve())
    await asyncio.to_thread(until, lambda: server.started)
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
    for number, (reader, writer) in enumerate(held):
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        try:
            answer = await reader.read(100)
        except ConnectionResetError:
            answer = b""
        assert answer.startswith(b"HTTP/1.1 200") == (number < 3)
        writer.close()
    server.should_exit = True
    await running
