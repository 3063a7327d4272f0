"""One service for all tests of a module; each test has a Logstore of its own."""

import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from aliyun.log import IndexConfig, LogClient, LogItem, PutLogsRequest

from harness.ingest import DOMAIN, ROOT_KEY, Service

PROJECT = "search-project"
INDEX = {
    "line": {"token": list(", '\";=()[]{}?@&<>/:\n\t\r"), "caseSensitive": False, "chn": False},
    "keys": {
        "status": {"type": "long", "doc_value": True},
        "seconds": {"type": "double", "doc_value": True},
        "method": {"type": "text", "token": [" "], "doc_value": True},
        "detail": {
            "type": "json",
            "token": list(' ,"{}:'),
            "index_all": True,
            "doc_value": True,
            "json_keys": {"user": {"type": "text"}, "items": {"type": "long"}},
        },
    },
}


@dataclass
class Store:
    """An indexed Logstore, and the official client that reaches it."""

    sdk: LogClient
    name: str
    now: int = field(default_factory=lambda: int(time.time()) - 1000)

    def put(self, *records: dict[str, str], at: int = 0, **options) -> None:
        items = [LogItem(self.now + at, list(each.items()), 5) for each in records]
        topic = options.pop("topic", "")
        source = options.pop("source", "10.0.0.1")
        request = PutLogsRequest(PROJECT, self.name, topic, source, items, **options)
        self.sdk.put_logs(request)

    def get(self, query: str, **options):
        begin = self.now + options.pop("begin", 0)
        end = self.now + options.pop("end", 900)
        return self.sdk.get_log(PROJECT, self.name, begin, end, query=query, **options)

    def rows(self, query: str, **options) -> list[dict[str, str]]:
        return [each.get_contents() for each in self.get(query, **options).get_logs()]


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("search") / "data")
    service.start()
    with pytest.MonkeyPatch.context() as patched:
        for name in ("HTTP_PROXY", "http_proxy"):
            patched.setenv(name, service.url)
        for name in ("NO_PROXY", "no_proxy"):
            patched.delenv(name, raising=False)
        sdk = LogClient(DOMAIN, ROOT_KEY.access_key_id, ROOT_KEY.access_key_secret)
        sdk.create_project(PROJECT, "")
        yield service
    assert service.stop() == 0


_numbers = itertools.count()


@pytest.fixture
def store(running) -> Store:
    assert os.environ["HTTP_PROXY"] == running.url
    sdk = LogClient(DOMAIN, ROOT_KEY.access_key_id, ROOT_KEY.access_key_secret)
    name = f"store-{next(_numbers)}"
    sdk.create_logstore(PROJECT, name, ttl=7, shard_count=2)
    config = IndexConfig()
    config.from_json(INDEX)
    sdk.create_index(PROJECT, name, config)
    return Store(sdk, name)
