"""A service that is away costs one look at a time, and is used again seconds after it is back."""

import base64
import contextlib
import socketserver
import threading
import time
from typing import Any

import pytest

from harness.ingest import ROOT_KEY, Service
from harness.ports import free_port
from loghub_operator import outages
from stage import workloads

KEYS = [("logstores", "shop", f"store-{number}") for number in range(1000)]


def test_hour_of_outage_is_one_look_in_five_seconds_and_then_everybody_is_told():
    now = [0.0]
    away = outages.Outages(lambda: now[0])
    asked = 0
    away.failed("place", "gone")
    for tick in range(36_000):
        now[0] = tick / 10
        if away.ask("place") == "":
            asked += 1
            away.failed("place", "still gone")
        away.wait("place", KEYS[tick % len(KEYS)])
    assert asked <= 3600 / outages.PROBE_SECONDS
    assert away.ask("elsewhere") == ""
    now[0] += outages.PROBE_SECONDS
    assert away.ask("place") == ""
    assert away.ask("place") == "still gone"  # the first one's answer is waited for
    assert away.answered("place") == set(KEYS)
    assert away.ask("place") == ""


def test_look_that_never_ended_does_not_keep_a_service_away_for_ever():
    now = [0.0]
    away = outages.Outages(lambda: now[0])
    away.failed("place", "gone")
    now[0] = outages.PROBE_SECONDS
    assert away.ask("place") == ""
    now[0] += 600
    assert away.ask("place") == ""
    away.gave_up("place")
    assert away.ask("place") == ""


class Nobody(socketserver.ThreadingTCPServer):
    """Takes connections on a port, counts them, and ends them without a word."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), socketserver.BaseRequestHandler)
        self.count, self.begun = 0, time.monotonic()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.count += 1
        super().process_request(request, client_address)

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self.begun
        self.shutdown()
        self.server_close()


@pytest.mark.apiserver
@pytest.mark.timeout(240)
def test_stores_of_a_service_that_is_away_wait_for_it_and_others_do_not(
    cluster, namespace, tmp_path
):
    port = free_port()
    halves = {"accessKeyId": ROOT_KEY.access_key_id, "accessKeySecret": ROOT_KEY.access_key_secret}
    data = {key: base64.b64encode(text.encode()).decode() for key, text in halves.items()}
    secret = {"apiVersion": "v1", "kind": "Secret", "data": data}
    secret["metadata"] = {"name": "key", "namespace": namespace}
    url = {"endpoint": f"http://127.0.0.1:{port}", "projectIn": "Header"}
    away = workloads.project(
        "away", namespace, projectName=f"{namespace}-away",
        service={"url": url}, credentialsSecretRef={"name": "key"},
    )  # fmt: skip
    back = Service(tmp_path / "data", port=port)
    back.start()
    cluster.apply(secret, away, workloads.project("app", namespace, projectName=namespace))
    cluster.until("LogProject", "away", namespace, Ready="True")
    back.kill()
    with Nobody(port) as nobody:
        for number in range(40):
            cluster.apply(workloads.store(f"away-{number}", namespace, "away"))
        cluster.apply(workloads.store("here", namespace, "app"))
        cluster.until("LogStore", "here", namespace, Ready="True")
        for number in range(40):
            cluster.until_refused("LogStore", f"away-{number}", namespace, "Unreachable")
        time.sleep(2 * outages.PROBE_SECONDS)
    # Each look may try twice over a connection that was kept; some began before it was known.
    assert nobody.count <= 2 * (nobody.seconds / outages.PROBE_SECONDS + 16)
    back.start()
    try:
        for number in range(40):
            cluster.until("LogStore", f"away-{number}", namespace, Ready="True")
        for number in range(40):
            cluster.delete("LogStore", f"away-{number}", namespace)
        cluster.delete("LogProject", "away", namespace)
    finally:
        with contextlib.suppress(ProcessLookupError):
            back.kill()
