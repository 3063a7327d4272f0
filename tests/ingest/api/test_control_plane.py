"""Configs, machine groups, tags and settings of Logstores, by the official SDK."""

import json

import pytest
from aliyun.log import LogException, MachineGroupDetail
from aliyun.log.logtail_config_detail import LogtailConfigGenerator

PROJECT, STORE = "shop-project", "web"
JSON = {"content-type": "application/json"}

CONFIG = {
    "configName": "nginx",
    "inputType": "file",
    "inputDetail": {
        "logType": "common_reg_log",
        "logPath": "/var/log/nginx",
        "filePattern": "access.log",
        "localStorage": True,
        "timeFormat": "",
        "topicFormat": "none",
        "logBeginRegex": ".*",
        "regex": "(.*)",
        "key": ["content"],
        "filterKey": [],
        "filterRegex": [],
    },
    "outputType": "LogService",
    "outputDetail": {"logstoreName": STORE},
}


def code(call, *arguments, **options) -> tuple[int, str]:
    with pytest.raises(LogException) as caught:
        call(*arguments, **options)
    return caught.value.get_resp_status(), caught.value.get_error_code()


@pytest.fixture
def config(store):
    store.create_logtail_config(PROJECT, LogtailConfigGenerator.from_json(CONFIG))
    return store


@pytest.fixture
def group(config):
    detail = MachineGroupDetail("nodes", "userdefined", ["uid-1"], "", {"groupTopic": "t"})
    config.create_machine_group(PROJECT, detail)
    return config


def test_config_lives_from_create_to_delete(config, service):
    again = LogtailConfigGenerator.from_json(CONFIG)
    assert code(config.create_logtail_config, PROJECT, again) == (400, "ConfigAlreadyExist")
    service.kill()
    service.start()
    found = config.get_logtail_config(PROJECT, "nginx").logtail_config.value
    assert found["inputDetail"]["logPath"] == "/var/log/nginx"
    changed = LogtailConfigGenerator.from_json(
        CONFIG | {"inputDetail": CONFIG["inputDetail"] | {"logPath": "/srv"}}
    )
    config.update_logtail_config(PROJECT, changed)
    found = config.get_logtail_config(PROJECT, "nginx").logtail_config.value
    assert found["inputDetail"]["logPath"] == "/srv"
    assert config.list_logtail_config(PROJECT).get_configs() == ["nginx"]
    config.delete_logtail_config(PROJECT, "nginx")
    assert code(config.get_logtail_config, PROJECT, "nginx") == (404, "ConfigNotExist")


def test_config_is_applied_to_a_group_and_removed(group):
    group.apply_config_to_machine_group(PROJECT, "nginx", "nodes")
    assert group.get_machine_group_applied_configs(PROJECT, "nodes").get_configs() == ["nginx"]
    assert group.get_config_applied_machine_groups(PROJECT, "nginx").get_machine_groups() == [
        "nodes"
    ]
    group.remove_config_to_machine_group(PROJECT, "nginx", "nodes")
    assert group.get_machine_group_applied_configs(PROJECT, "nodes").get_configs() == []
    group.apply_config_to_machine_group(PROJECT, "nginx", "nodes")
    group.delete_logtail_config(PROJECT, "nginx")
    assert group.get_machine_group_applied_configs(PROJECT, "nodes").get_configs() == []


def test_group_lives_from_create_to_delete(group):
    found = group.get_machine_group(PROJECT, "nodes").get_machine_group()
    assert (found.machine_type, found.machine_list) == ("userdefined", ["uid-1"])
    assert group.list_machine_group(PROJECT).get_machine_group() == ["nodes"]
    assert group.list_machines(PROJECT, "nodes").get_machine_total() == 0
    group.delete_machine_group(PROJECT, "nodes")
    assert code(group.get_machine_group, PROJECT, "nodes") == (404, "MachineGroupNotExist")


def test_tags_are_set_listed_and_removed(store):
    def held(**wanted: str) -> dict[str, str]:
        (page,) = store.get_project_tags(PROJECT, **wanted)
        return dict(page.get_tags())

    store.tag_project(PROJECT, team="shop", stage="test")
    store.tag_project(PROJECT, stage="live")
    assert held() == {"team": "shop", "stage": "live"}
    assert held(team="shop") == {"team": "shop"}
    assert held(team="other") == {}
    store.untag_project(PROJECT, "team")
    assert held() == {"stage": "live"}


def test_tags_of_a_logstore_are_its_own_and_go_with_it(store, send):
    name = f"{PROJECT}#{STORE}"
    given = {"resourceType": "logstore", "resourceId": [name], "tags": [{"key": "a", "value": "b"}]}
    assert send("POST", "/tag", body=json.dumps(given).encode()).status == 200
    query = {"resourceType": "logstore", "resourceId": json.dumps([name]), "tags": "[]"}
    assert [each["tagKey"] for each in send("GET", "/tags", query).json["tagResources"]] == ["a"]
    store.delete_logstore(PROJECT, STORE)
    assert send("GET", "/tags", query).error == (404, "LogStoreNotExist")
    store.create_logstore(PROJECT, STORE)
    assert send("GET", "/tags", query).json["tagResources"] == []


def test_settings_that_cannot_be_are_refused_by_name(store, send):
    for change in (
        {"ttl": 0},
        {"ttl": 3651},
        {"ttl": True},
        {"enable_tracking": "yes"},
        {"maxSplitShard": 257},
        {"shardCount": 5},
    ):
        body = json.dumps({"logstoreName": STORE} | change).encode()
        answer = send("PUT", f"/logstores/{STORE}", body=body, headers=JSON)
        assert answer.error == (400, "ParameterInvalid"), change
        (field,) = change
        assert field in answer.json["errorMessage"].replace("shard count", "shardCount")


def test_minus_one_means_unset_as_the_java_sdk_writes_it(store, send):
    body = json.dumps({"logstoreName": "other", "autoSplit": False, "maxSplitShard": -1}).encode()
    assert send("POST", "/logstores", body=body).status == 200
    assert send("GET", "/logstores/other").json["maxSplitShard"] == 64


def test_encryption_is_not_promised(store, send):
    body = json.dumps({"logstoreName": "other", "encrypt_conf": {"enable": True}}).encode()
    assert send("POST", "/logstores", body=body).error == (400, "NotSupported")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs"),
        ("POST", "/dashboards"),
        ("GET", "/savedsearches/x"),
        ("POST", "/alerts"),
        ("PUT", f"/logstores/{STORE}/objects/o"),
        ("GET", f"/logstores/{STORE}/shipper"),
        ("GET", "/etls"),
        ("PATCH", "/"),
    ],
)
def test_calls_that_are_out_say_so(store, send, method, path):
    answer = send(method, path)
    assert answer.error == (400, "NotSupported")
    assert answer.headers["x-log-requestid"]
    assert answer.headers["content-type"] == "application/json"
