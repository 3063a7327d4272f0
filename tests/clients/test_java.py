"""The official Java SDK, producer, consumer library and Logback appender, unmodified."""

import json

import pytest

from harness import foreign, wellknown
from harness.ingest import ROOT_KEY


@pytest.fixture(scope="module")
def said(tmp_path_factory, operations):
    data = tmp_path_factory.mktemp("java") / "data"
    program = str(foreign.LOCKS / "java" / "Official.java")
    environment = {"KEY_ID": ROOT_KEY.access_key_id, "KEY_SECRET": ROOT_KEY.access_key_secret}
    command = ["java", "-cp", f"{foreign.jars()}/*", program]
    done = wellknown.run(command, data, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    operations.read(data.parent / "service.log")
    return json.loads(done.stdout.splitlines()[-1])


def test_project_lives_from_create_to_delete(said):
    assert said["projectAgain"] == "ProjectAlreadyExist true"
    assert (said["project"], said["projects"]) == ("a larger shop", 1)
    assert said["projectAbsent"] == said["gone"] == "ProjectNotExist true"


def test_logstore_and_index_are_created_changed_and_listed(said):
    assert said["ttl"] == 9
    assert said["stores"] == ["appended", "produced", "web"]
    assert said["storeAbsent"] == "LogStoreNotExist true"
    assert said["index"]["type"] == "long"
    assert said["noIndex"] == "IndexConfigNotExist true"


def test_each_signature_and_compression_is_written_and_pulled(said):
    assert len(said["sent"]) == len(set(said["sent"])) == 8
    assert said["pulledlz4"] == said["pulledzstd"] == said["sent"]
    assert said["cursorTime"] is True


def test_written_logs_are_found_and_counted(said):
    assert [each["content"] for each in said["found"]] == ["POST /pay"]
    assert said["counted"] == [{"n": "9", "status": "200"}]
    assert said["histogram"] == 8
    assert said["badQuery"] == "ParameterInvalid true"


def test_collection_settings_are_kept_and_applied(said):
    assert (said["machineGroups"], said["machines"]) == (["hosts"], ["shop"])
    assert (said["configs"], said["config"]) == (["access"], "file")
    assert (said["applied"], said["appliedTo"]) == (["access"], ["hosts"])


def test_consumer_group_is_kept_with_its_checkpoint(said):
    assert said["groupAgain"] == "ConsumerGroupAlreadyExist true"
    assert said["group"] == "readers30true"
    assert said["held"] == [0, 1]
    assert said["checkpoint"] is True


def test_producer_delivers_and_workers_take_over_from_each_other(said):
    assert (said["produced"], said["consumed"]) == (2200, 2200)


def test_appended_events_are_found_with_their_trace(said):
    paid, refused = sorted(said["appended"], key=lambda each: each["level"], reverse=True)
    assert (paid["message"], paid["order"]) == ("paid 42", "4711")
    assert refused["level"] == "ERROR"
    assert refused["throwable"].startswith("java.lang.IllegalStateException: no money\nat all\n")


def test_shards_are_split_and_merged(said):
    assert said["afterSplit"] == ["0 readonly", "1 readwrite", "2 readwrite", "3 readwrite"]
    assert said["afterMerge"][2:] == ["2 readonly", "3 readonly", "4 readwrite"]


@pytest.mark.parametrize(
    ("column", "agent"),
    [
        ("Java SDK", "aliyun-log-sdk-java-"),
        ("Java producer", "aliyun-log-java-producer"),
        ("Java consumer", "Consumer-Library-"),
        ("Logback appender", "logback"),
    ],
)
def test_documented_operations_are_the_proved_ones(said, operations, column, agent):
    operations.check(column, agent)
