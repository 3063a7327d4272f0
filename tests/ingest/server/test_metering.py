"""What `/metrics` and `/status` say is what was written and read, by project and Logstore."""

import json
import time
import urllib.request

from harness.ingest import Service
from loghub_ingest import metering
from loghub_ingest.storage import contract
from slswire.model import Log, LogGroup


def admin(service: Service, path: str) -> str:
    url = f"http://127.0.0.1:{service.admin_port}{path}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def value(text: str, name: str) -> float:
    [line] = [line for line in text.splitlines() if line.startswith(name + " ")]
    return float(line.rpartition(" ")[2])


async def test_writes_and_reads_are_counted_by_logstore(service):
    async with service.client() as client:
        await client.create_project("shop-project")
        for name in ("web", "idle"):
            await client.create_logstore("shop-project", {"logstoreName": name, "shardCount": 1})
        logs = tuple(Log(int(time.time()), (("n", str(n)),)) for n in range(7))
        for _ in range(3):
            await client.put_logs("shop-project", "web", LogGroup(logs))
        cursor = await client.get_cursor("shop-project", "web", 0, "begin")
        await client.pull_logs("shop-project", "web", 0, cursor)
    text = admin(service, "/metrics")
    labels = '{logstore="web",project="shop-project"}'
    assert value(text, "loghub_ingest_logstore_received_logs_total" + labels) == 21
    assert value(text, "loghub_ingest_logstore_received_groups_total" + labels) == 3
    assert value(text, "loghub_ingest_logstore_received_bytes_total" + labels) > 21 * 10
    assert value(text, "loghub_ingest_logstore_pulled_bytes_total" + labels) > 0
    assert 'logstore="idle"' not in text
    assert value(text, "loghub_ingest_segments") == 1
    status = json.loads(admin(service, "/status"))
    assert (status["logstores"], status["shards"], status["problem"]) == (2, 2, "")
    assert status["disk"]["freeBytes"] > 0


def test_series_are_bounded_and_never_shrink(monkeypatch):
    monkeypatch.setattr(metering, "MAX_LOGSTORES", 2)
    usages = metering.Usages()
    stores = [
        contract.Logstore(ident, "shop", f"store-{ident}", {}, None, (), 0, 0) for ident in range(4)
    ]
    for ident in range(4):
        usages.wrote(contract.NewGroup(ident, 0, b"", 10, 1, 0, 0), 0)
    found = usages.by_name(stores)
    assert set(found) == {("shop", "store-0"), ("shop", "store-1"), ("_other", "_other")}
    assert found["_other", "_other"].bytes_in == 20
    left = usages.by_name(stores[1:])
    assert set(left) == {("shop", "store-1"), ("_other", "_other")}
    assert left["_other", "_other"].bytes_in == 30
    # The place of the one that is gone is for a new one, not for one that was counted elsewhere.
    usages.wrote(contract.NewGroup(7, 0, b"", 5, 1, 0, 0), 0)
    new = contract.Logstore(7, "shop", "store-7", {}, None, (), 0, 0)
    found = usages.by_name([*stores[1:], new])
    assert set(found) == {("shop", "store-1"), ("shop", "store-7"), ("_other", "_other")}
    assert found["_other", "_other"].bytes_in == 30
