"""What a user reads when a resource is wrong, and that its neighbours do not notice."""

import pytest

from stage import release, waiting, workloads
from stage.kubernetes import condition
from test_collecting import COLLECTED, all_numbers, prepare

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]


def refused(cluster, *objects) -> str:
    """The words of the API server; the apply must fail."""
    words = cluster.apply(*objects, check=False)
    assert "rror" in words or "nvalid" in words, words
    return words


def false(cluster, kind: str, name: str, namespace: str, type_: str) -> dict:
    """The condition of a kind once it is False."""

    def look() -> dict:
        found = condition(cluster.get(kind, name, namespace), type_)
        return found if found.get("status") == "False" else {}

    return waiting.until(f"{kind} {name}: {type_}=False", look, seconds=60)


def test_broken_regex_is_explained_and_the_config_beside_it_runs(installed, namespace, service):
    prepare(installed, namespace)
    broken = {"selector": {}, "multiline": {"start": "([a-z"}}
    installed.apply(workloads.config("broken", namespace, "lines", **broken))
    found = false(installed, "logconfig", "broken", namespace, "Valid")
    assert "multiline.start" in found["message"]
    installed.apply(workloads.pod("p", namespace, workloads.counting(1, 20), labels=COLLECTED))
    assert all_numbers(service, namespace, 20) == list(range(1, 21))
    events = installed.list("events", "-n", namespace)
    assert any(
        each["type"] == "Warning" and each["involvedObject"]["name"] == "broken" for each in events
    )


def test_config_that_becomes_broken_keeps_its_last_good_form_running(installed, namespace, service):
    prepare(installed, namespace)
    selector = {"podLabels": {"matchLabels": COLLECTED}}
    installed.apply(
        workloads.config("lines", namespace, "lines", selector=selector, multiline={"start": "(["})
    )
    false(installed, "logconfig", "lines", namespace, "Valid")
    installed.apply(workloads.pod("p", namespace, workloads.counting(1, 20), labels=COLLECTED))
    assert all_numbers(service, namespace, 20) == list(range(1, 21))


def test_unknown_field_is_refused_by_name(installed, namespace):
    words = refused(installed, workloads.project("app", namespace, retention=3))
    assert "retention" in words


@pytest.mark.parametrize("name", ["Upper", "a", "x" * 64, "dot.ted"])
def test_store_name_that_the_rule_forbids_is_refused_with_the_rule(installed, namespace, name):
    words = refused(installed, workloads.store("lines", namespace, "app", logStoreName=name))
    assert "logStoreName" in words


def test_project_that_is_not_there_is_named_and_awaited(installed, namespace):
    installed.apply(workloads.store("lines", namespace, "absent"))
    found = false(installed, "logstore", "lines", namespace, "Ready")
    assert "absent" in found["message"]
    installed.apply(workloads.project("absent", namespace, projectName=namespace))
    installed.kubectl(
        "-n", namespace, "wait", "logstore/lines", "--for=condition=Ready", "--timeout=60s"
    )


def test_wrong_credentials_show_the_code_of_the_service(installed, namespace):
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "wrong", "namespace": namespace},
        "stringData": {"accessKeyId": "nobody", "accessKeySecret": "nothing"},
    }
    url = {"endpoint": f"http://loghub-ingest.{release.NAMESPACE}.svc", "projectIn": "Header"}
    project = workloads.project(
        "foreign",
        namespace,
        projectName=namespace,
        service={"url": url},
        credentialsSecretRef={"name": "wrong"},
    )
    installed.apply(secret, project)
    found = false(installed, "logproject", "foreign", namespace, "Ready")
    assert "Unauthorized" in found["message"] or "InvalidAccessKeyId" in found["message"]


def test_columns_say_at_a_glance_what_is_ready(installed, namespace):
    prepare(installed, namespace)
    for kind in ("logprojects", "logstores", "logconfigs"):
        table = installed.kubectl("-n", namespace, "get", kind).splitlines()
        assert "READY" in table[0]
        assert "True" in table[1]
