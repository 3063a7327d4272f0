"""The official Node SDK, unmodified, does its work against the service."""

import json

import pytest

from harness import foreign, wellknown
from harness.ingest import ROOT_KEY


@pytest.fixture(scope="module")
def said(tmp_path_factory, operations):
    data = tmp_path_factory.mktemp("node") / "data"
    program = str(foreign.LOCKS / "node" / "official.mjs")
    environment = {
        "PACKAGES": str(foreign.node_modules().parent),
        "KEY_ID": ROOT_KEY.access_key_id,
        "KEY_SECRET": ROOT_KEY.access_key_secret,
    }
    done = wellknown.run(["node", program], data, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    operations.read(data.parent / "service.log")
    return json.loads(done.stdout)


def test_project_lives_from_create_to_delete(said):
    assert said["again"] == "ProjectAlreadyExist true"
    assert said["project"]["projectName"] == "node-project"
    assert said["project"]["description"] == "a shop"
    assert said["gone"] == "ProjectNotExist true"


def test_logstore_is_created_changed_and_listed(said):
    assert (said["store"]["ttl"], said["store"]["shardCount"]) == (9, 2)
    assert said["stores"]["logstores"] == ["web"]
    assert said["absent"] == "LogStoreNotExist true"


def test_index_is_kept_as_it_was_given_and_goes(said):
    assert said["index"]["keys"]["status"]["type"] == "long"
    assert said["noIndex"] == "IndexConfigNotExist true"


def test_written_logs_are_found_and_counted(said):
    assert said["written"] == "OK"
    found = {each["content"] for each in said["found"]}
    assert found == {"GET /pay", "日本 \U0001f600 POST /pay"}
    (first,) = (each for each in said["everything"] if each["content"] == "GET /cart")
    assert (first["__topic__"], first["__source__"], first["__tag__:app"]) == ("t", "s", "web")
    assert [(each["status"], each["n"]) for each in said["counted"]] == [("200", "3")]
    assert sum(each["count"] for each in said["histogram"]) == 2
    assert [each["n"] for each in said["overProject"]] == ["3"]


def test_query_that_is_none_is_refused(said):
    assert said["badQuery"] == "ParameterInvalid true"


def test_documented_operations_are_the_proved_ones(said, operations):
    operations.check("Node SDK", "aliyun-log-nodejs-sdk")
