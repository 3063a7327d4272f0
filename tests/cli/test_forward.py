"""The way to the service comes back on the same port after its pod was replaced.

kubectl is a program that carries bytes to a real service, since no node is here to forward to; what
it prints, and that it ends with its pod, is as kubectl does.
"""

import os
import signal
import sys
import time
import urllib.request

import pytest

from loghub_cli import errors, forward, kubectl

KUBECTL = """#!{python}
import asyncio, os, sys
local, _, port = sys.argv[-1].partition(":")
with open({place!r}, "a") as log:
    log.write(f"{{os.getpid()}} {{sys.argv[-1]}}\\n")

async def carry(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()

async def serve(reader, writer):
    there, back = await asyncio.open_connection("127.0.0.1", {port})
    await asyncio.gather(carry(reader, back), carry(there, writer))

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(local or 0))
    number = server.sockets[0].getsockname()[1]
    print(f"Forwarding from 127.0.0.1:{{number}} -> {{port}}", flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@pytest.fixture
def forwarding(service, tmp_path, monkeypatch):
    """The log of kubectl's starts."""
    log = tmp_path / "starts"
    program = tmp_path / "kubectl"
    program.write_text(KUBECTL.format(python=sys.executable, place=str(log), port=service.port))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return log


def answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/console/login", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_way_comes_back_on_the_same_port_when_its_pod_is_replaced(forwarding):
    with forward.reachable(kubectl.Kubectl(), "http://loghub-ingest.sys.svc") as endpoint:
        port = endpoint.rpartition(":")[2]
        assert answers(endpoint)
        [first] = [line.split() for line in forwarding.read_text().splitlines()]
        assert first[1] == ":80"
        os.kill(int(first[0]), signal.SIGKILL)
        deadline = time.monotonic() + 60
        while not answers(endpoint):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        starts = [line.split() for line in forwarding.read_text().splitlines()]
        assert {words for _, words in starts[1:]} == {f"{port}:80"}
    assert not answers(endpoint)


def test_service_that_cannot_be_forwarded_to_is_said_with_kubectls_words(tmp_path, monkeypatch):
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\necho 'error: services \"x\" not found' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with (
        pytest.raises(errors.CliError, match='services "x" not found'),
        forward.reachable(kubectl.Kubectl(), "http://x.sys.svc"),
    ):
        pass


def test_endpoint_outside_the_cluster_is_left_alone():
    outside = "https://cn-hangzhou.log.aliyuncs.com"
    with forward.reachable(kubectl.Kubectl(), outside) as endpoint:
        assert endpoint == outside
