"""The official SDK, and raw signed requests, against the one service of a test."""

import datetime as dt
import http.client
import json
import os
from urllib.parse import urlencode

import pytest
from aliyun.log import LogClient

from harness.ingest import DOMAIN, ROOT_KEY, Replica, Service
from slswire import signature

PROJECT, STORE = "shop-project", "web"


@pytest.fixture(scope="module")
def service(request, tmp_path_factory):
    """One for all tests of a file, which leave nothing behind: `store` takes its project away.

    STORAGE=kafka makes it a replica on brokers and PostgreSQL (`make replicas`).
    """
    data = tmp_path_factory.mktemp("service") / "data"
    on_kafka = os.environ.get("STORAGE") == "kafka"
    running = Replica(data, request.getfixturevalue("where")()) if on_kafka else Service(data)
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def proxied(service, monkeypatch):
    """`PROJECT.sls.test` is reached as any resolver would let it, by a proxy."""
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, service.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sdk(proxied):
    return LogClient(DOMAIN, ROOT_KEY.access_key_id, ROOT_KEY.access_key_secret)


@pytest.fixture
def store(sdk):
    sdk.create_project(PROJECT, "a shop")
    sdk.create_logstore(PROJECT, STORE, ttl=7, shard_count=2)
    yield sdk
    sdk.delete_project(PROJECT)


class Answer:
    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status, self.body = answer.status, answer.read()
        self.headers = {name.lower(): value for name, value in answer.getheaders()}

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.json["errorCode"]


@pytest.fixture
def send(service):
    """Sends one request as given; signed with `key` unless that is None."""

    def run(method, path, query=(), *, body=b"", headers=(), key=ROOT_KEY, host=None, now=None):
        host = f"{PROJECT}.{DOMAIN}" if host is None else host
        sent = {"host": host, **dict(headers)}
        query = list(dict(query).items())
        if key is not None:
            request = signature.Request(method, path, query, sent, body)
            sent = signature.sign_v1(key, request, now or dt.datetime.now(dt.UTC))
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
        try:
            target = f"{path}?{urlencode(query)}" if query else path
            connection.request(method, target, body or None, sent)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    return run


@pytest.fixture
def pulled(store):
    """Every log group of a shard, flat, as the SDK pulls it."""

    def run(shard: int, name: str = STORE):
        cursor = store.get_begin_cursor(PROJECT, name, shard).get_cursor()
        found = []
        while True:
            answer = store.pull_logs(PROJECT, name, shard, cursor, count=100)
            if not answer.get_log_count():
                return found
            found += answer.get_flatten_logs_json()
            cursor = answer.get_next_cursor()

    return run
