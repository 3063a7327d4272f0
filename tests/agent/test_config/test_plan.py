"""Resolving a LogPipeline into what the core and the matching need."""

import copy
import json

import pytest

from loghub_agent import errors
from loghub_agent.config import plan

SPEC = {
    "version": 1,
    "destination": {
        "endpoint": "https://cn-hangzhou.log.aliyuncs.com",
        "project": "shop-project",
        "logstore": "orders",
        "projectIn": "Host",
        "signature": "V1",
        "compression": "None",
        "credentialsSecret": "key",
    },
    "input": {"stdout": {"streams": ["Stderr"]}},
}


def resolved(**changes):
    spec = copy.deepcopy(SPEC)
    spec["destination"] |= changes.pop("destination", {})
    return plan.resolve(spec | changes, name="orders", namespace="loghub", generation=7)


def head(pipeline):
    return json.loads("{" + pipeline.head + "}")


def test_head_is_the_cores_pipeline_without_sources():
    assert head(resolved()) == {
        "name": "orders",
        "generation": 7,
        "destination": {
            "endpoint": "https://cn-hangzhou.log.aliyuncs.com",
            "project": "shop-project",
            "logstore": "orders",
            "projectIn": "Host",
            "signature": "V1",
            "region": "",
            "compression": "None",
            "credentials": "key",
        },
        "multiline": None,
        "shaping": None,
        "paused": False,
    }


@pytest.mark.parametrize("mode", ["Preview", "Paused"])
def test_mode_that_reads_nothing_is_told_to_the_core(mode):
    assert head(resolved(mode=mode))["paused"] is True


def test_streams_are_spelled_as_the_core_spells_them():
    assert json.loads(resolved().streams) == ["stderr"]
    assert json.loads(resolved(input={"stdout": {}}).streams) == ["stdout", "stderr"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("250ms", 0.25), ("1m30s", 90), ("1.5s", 1.5)]
)
def test_flush_after_becomes_seconds(text, seconds):
    pipeline = resolved(multiline={"start": "^x", "flushAfter": text})
    assert head(pipeline)["multiline"]["flushSeconds"] == seconds


@pytest.mark.parametrize("text", ["5", "s", "5 s", "-5s", "5d", "0s", "11m", "5s" * 30, "1e3s"])
def test_flush_after_that_is_no_sensible_duration_is_refused(text):
    with pytest.raises(errors.RefusedError, match=r"loghub/orders: spec\.multiline\.flushAfter"):
        resolved(multiline={"start": "^x", "flushAfter": text})


@pytest.mark.parametrize(
    "endpoint",
    ["loghub:80", "ftp://host", "http://", "http://host:0", "http://host:99999", "http://h:x",
     "http://u@host", "http://host/path", "http://host?q=1", "http://[::1"],
)  # fmt: skip
def test_endpoint_that_is_no_plain_url_is_refused(endpoint):
    with pytest.raises(errors.RefusedError, match=r"spec\.destination\.endpoint"):
        resolved(destination={"endpoint": endpoint})


@pytest.mark.parametrize("proxy", ["https://p", "p:8080", "http://user@p", "http://p/x"])
def test_proxy_that_is_no_plain_http_url_is_refused(proxy):
    with pytest.raises(errors.RefusedError, match=r"spec\.destination\.proxy .*http://host"):
        resolved(destination={"proxy": proxy})


def test_way_to_a_destination_is_handed_to_the_core_only_where_it_is_asked_for():
    usual = head(resolved())["destination"]
    assert not usual.keys() & {"proxy", "tls"}
    asked = {"proxy": "http://p:3128", "tls": {"clientCertificate": True}}
    found = head(resolved(destination=asked))["destination"]
    assert found["proxy"] == "http://p:3128"
    assert found["tls"] == {"caBundle": False, "clientCertificate": True}


@pytest.mark.parametrize("endpoint", ["http://h", "http://h:8080", "https://h/", "http://[::1]:80"])
def test_plain_endpoint_is_accepted(endpoint):
    assert head(resolved(destination={"endpoint": endpoint}))["destination"]["endpoint"] == endpoint
