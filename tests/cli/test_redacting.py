"""Secrets are removed wherever people put them, and what helps stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loghub_cli import redacting

SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "line",
    [
        f'{{"accessKeySecret": "{SECRET}", "a": 1}}',
        f"access_key_secret={SECRET} next",
        f"password: {SECRET}",
        f"pwd: {SECRET}",
        f"--root-token={SECRET}",
        f"Authorization: LOG root:{SECRET}",
        f"authorization=SLS4-HMAC-SHA256 Credential=a/20261125,Signature={SECRET}",
        f'"Authorization": "Bearer {SECRET}"',
        f"GET http://user:{SECRET}@host/path",
        f"apiKey='{SECRET} with blanks'",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_in_a_line_is_removed(line):
    assert SECRET not in redacting.text(line)
    assert redacting.REMOVED in redacting.text(line)


@pytest.mark.parametrize(
    "line",
    [
        "pipeline shop-orders applied",
        '{"level": "error", "message": "WriteQuotaExceed", "took": 3}',
        "2026-11-25T14:00:00Z GET /logstores/access/shards/0 200",
    ],
)
def test_a_line_without_one_stays(line):
    assert redacting.text(line) == line


def test_an_object_keeps_its_shape_and_loses_its_secrets():
    pod = {
        "kind": "Pod",
        "metadata": {
            "name": "a",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": SECRET, "b": "c"},
        },
        "spec": {
            "containers": [
                {
                    "image": "x",
                    "env": [
                        {"name": "DB_PASSWORD", "value": SECRET},
                        {"name": "ANYTHING", "value": SECRET},
                        {"name": "LOGHUB_BATCH_SECONDS", "value": "0.5"},
                        {"name": "LOGHUB_ROOT_ACCESS_KEY_SECRET", "value": SECRET},
                        {"name": "REF", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                    ],
                }
            ]
        },
    }
    got = redacting.document(pod)
    assert SECRET not in str(got)
    [container] = got["spec"]["containers"]
    assert container["image"] == "x"
    assert {"name": "LOGHUB_BATCH_SECONDS", "value": "0.5"} in container["env"]
    assert container["env"][-1]["valueFrom"]["secretKeyRef"] == {"name": "s", "key": "k"}
    assert got["metadata"]["annotations"] == {"b": "c"}


def test_a_secret_object_keeps_the_names_of_its_keys():
    found = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"accessKeySecret": SECRET}}
    got = redacting.document({"items": [found]})
    assert got["items"][0]["data"] == {"accessKeySecret": redacting.REMOVED}


def test_names_of_secrets_stay():
    spec = {"credentialsSecretRef": {"name": "sls"}, "credentialsSecret": "p-1", "secretName": "t"}
    assert redacting.document(spec) == spec


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=20),
        lambda x: st.lists(x) | st.dictionaries(st.text(max_size=12), x),
        max_leaves=20,
    )
)
def test_any_document_is_taken(found):
    redacting.document(found)
