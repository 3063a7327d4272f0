"""One project's use never touches another's, and the refusals are those that clients know."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ingest import DOMAIN
from loghub_ingest import quotas
from slswire import errors, protobuf
from slswire.model import Log, LogGroup
from slswire.signature import Credentials

PATH = "/loghub/v1/quotas"
BODY = protobuf.encode_log_group(LogGroup((Log(1_700_000_000, (("a", "b"),)),)))
FORM = {
    "body": BODY,
    "headers": {"content-type": "application/x-protobuf", "x-log-bodyrawsize": str(len(BODY))},
}


@pytest.fixture
def limit(store, send):
    def run(**given: object):
        body = json.dumps(given).encode()
        return send("PUT", PATH, {"project": "shop-project"}, body=body, host=DOMAIN)

    return run


def test_project_beyond_its_quota_is_told_to_back_off_and_others_are_not(store, send, limit):
    assert limit(writesPerSecond=1, readsPerSecond=1).status == 200
    store.create_project("other-project", "")
    store.create_logstore("other-project", "web")
    try:
        write = ("POST", "/logstores/web/shards/lb")
        answers = [send(*write, **FORM) for _ in range(30)]
        refused = [each for each in answers if each.status != 200]
        assert {each.error for each in refused} == {(403, "WriteQuotaExceed")}
        assert refused[0].headers["x-log-requestid"]
        read = ("GET", "/logstores/web/shards/0", {"type": "cursor", "from": "begin"})
        codes = {each.error for each in (send(*read) for _ in range(30)) if each.status != 200}
        assert codes == {(403, "ReadQuotaExceed")}
        other = f"other-project.{DOMAIN}"
        assert all(send(*write, host=other, **FORM).status == 200 for _ in range(30))
    finally:
        store.delete_project("other-project")


def test_key_of_another_project_cannot_spend_the_quota(store, send, limit):
    limit(writesPerSecond=1)
    body = b'{"project":"shop-project","rights":["read"]}'
    made = send("POST", "/loghub/v1/keys", body=body, host=DOMAIN).json
    reader = Credentials(made["accessKeyId"], made["accessKeySecret"])
    write = ("POST", "/logstores/web/shards/lb")
    for _ in range(30):
        assert send(*write, key=reader, **FORM).error == (401, "Unauthorized")
    assert send(*write, **FORM).status == 200


def test_quota_is_kept_over_kill_9_and_shown(store, send, service, limit):
    limit(writeBytesPerSecond=1234)
    service.kill()
    service.start()
    found = send("GET", PATH, {"project": "shop-project"}, host=DOMAIN).json
    assert found == {
        "writeBytesPerSecond": 1234,
        "writesPerSecond": 10_000,
        "readsPerSecond": 10_000,
    }


@pytest.mark.parametrize("given", [{"writesPerSecond": 0}, {"speed": 5}, {"readsPerSecond": True}])
def test_quota_that_cannot_be_is_refused_by_name(limit, given):
    answer = limit(**given)
    assert answer.error == (400, "ParameterInvalid")
    assert next(iter(given)) in answer.json["errorMessage"]


def took(limits: quotas.Quotas, size: int, now: float) -> bool:
    try:
        limits.write("p", size, now)
    except errors.SlsError:
        return False
    return True


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 5000)), max_size=60))
def test_no_sequence_of_writes_passes_more_than_rate_and_burst(steps):
    limits = quotas.Quotas()
    limits.set("p", quotas.Quota(write_bytes=100, writes=2, reads=1))
    now, passed, largest = 0.0, [], 0
    for wait, size in steps:
        now += wait
        if took(limits, size, now):
            passed.append(size)
            largest = max(largest, size)
    full = quotas.BURST_SECONDS
    assert len(passed) <= 2 * (now + full) + 1e-6
    assert sum(passed) <= 100 * (now + full) + largest + 1e-6
