"""One service for the tests of a module, and visitors that behave as a browser's scripts do."""

import asyncio
import http.client
import itertools
import json
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness.ingest import ROOT_KEY, Service
from slswire.client import Client, Key
from slswire.model import Log, LogGroup
from slswire.signature import Credentials

PROJECT, OTHER = "shop", "bank"
INDEX = {
    "line": {"token": list(", '\";=()[]{}?@&<>/:\n\t\r"), "caseSensitive": False, "chn": False},
    "keys": {
        "level": {"type": "text", "token": [" "], "doc_value": True},
        "status": {"type": "long", "doc_value": True},
    },
}


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Visitor:
    """Keeps the session's cookie and token, and sends what a page's script would send."""

    service: Service
    cookie: str = ""
    csrf: str = ""
    sent: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            named.setdefault("cookie", f"loghub_console={self.cookie}")
        connection.request(method, path, body, self.sent | named)
        answer = connection.getresponse()
        found = Answer(answer.status, answer.headers, answer.read())
        connection.close()
        return found

    def login(self, ident: str, secret: str, **more: str) -> Answer:
        form = urllib.parse.urlencode({"id": ident, "secret": secret} | more).encode()
        answer = self.send("POST", "/console/login", form)
        if answer.status == 303:
            self.cookie = answer.headers["set-cookie"].partition(";")[0].partition("=")[2]
            self.csrf = self.send("GET", "/console/api/session").document["csrf"]
        return answer

    def get(self, path: str, **query: object) -> Answer:
        text = urllib.parse.urlencode(query)
        return self.send("GET", f"/console/api{path}" + (f"?{text}" if text else ""))

    def change(self, method: str, path: str, document: object = None, **headers: str) -> Answer:
        body = None if document is None else json.dumps(document).encode()
        headers = {"x_loghub_csrf": self.csrf} | headers
        return self.send(method, f"/console/api{path}", body, **headers)

    def post(self, path: str, document: object = None) -> Answer:
        return self.change("POST", path, document)


@dataclass
class Store:
    """A Logstore, written to by the API."""

    service: Service
    name: str
    project: str = PROJECT
    now: int = field(default_factory=lambda: int(time.time()) - 100)

    @property
    def path(self) -> str:
        return f"/projects/{self.project}/logstores/{self.name}"

    @property
    def range(self) -> dict[str, int]:
        return {"from": self.now - 10, "to": self.now + 90}

    def put(self, *records: dict[str, str], at: int = 0) -> None:
        logs = tuple(Log(self.now + at, tuple(each.items())) for each in records)
        group = LogGroup(logs=logs, topic="", source="10.0.0.1", tags=(("pod", "web-1"),))
        call(self.service, lambda api: api.put_logs(self.project, self.name, group))


def call(service: Service, what, key: Credentials = ROOT_KEY):
    """What one call of the API gives."""

    async def run():
        async with service.client(key) as api:
            assert isinstance(api, Client)
            return await what(api)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("console") / "data")
    running.start()
    for project in (PROJECT, OTHER):
        call(running, lambda api, project=project: api.create_project(project, "of the tests"))
    yield running
    assert running.stop() == 0


@pytest.fixture
def as_api(service):
    """What one call of the API with the root key gives."""
    return lambda what: call(service, what)


_NUMBERS = itertools.count()


@pytest.fixture
def make_store(service):
    def run(project: str = PROJECT, index: dict | None = INDEX, **document: object) -> Store:
        store = Store(service, f"store-{next(_NUMBERS)}", project)
        given = {"logstoreName": store.name, "ttl": 30, "shardCount": 1} | document
        call(service, lambda api: api.create_logstore(project, given))
        if index is not None:
            call(service, lambda api: api.create_index(project, store.name, index))
        return store

    return run


@pytest.fixture
def store(make_store) -> Store:
    return make_store()


@pytest.fixture
def visitor(service) -> Visitor:
    """Nobody yet."""
    return Visitor(service)


@pytest.fixture
def root(service) -> Visitor:
    """Logged in with the root key."""
    found = Visitor(service)
    assert found.login(ROOT_KEY.access_key_id, ROOT_KEY.access_key_secret).status == 303
    return found


@pytest.fixture
def mint(service):
    """A new key of a project."""

    def run(*rights: str, project: str = PROJECT) -> Key:
        return call(service, lambda api: api.create_key(project, rights))

    return run


@pytest.fixture
def as_key(service, mint):
    """A visitor logged in with a new key of these rights."""

    def run(*rights: str, project: str = PROJECT) -> Visitor:
        key = mint(*rights, project=project)
        found = Visitor(service)
        assert found.login(key.access_key_id, key.access_key_secret).status == 303
        return found

    return run
