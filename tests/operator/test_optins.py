"""Pods' own keys, as agents report them, become LogConfigs or one Warning event on the pod."""

import uuid

import pytest

from loghub_operator import events, kinds
from loghub_operator.cluster import ClusterError
from stage import waiting, workloads

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(240)]

SYSTEM = "loghub-system"


def entry(namespace: str, logstore: str, **changes: object) -> dict:
    """One opt-in as an agent reports it, of a pod of its own."""
    name = f"pod-of-{logstore.replace('_', '-').lower()}"
    return {
        "namespace": namespace,
        "logstore": logstore,
        "project": "",
        "via": "Environment",
        "key": f"aliyun_logs_{logstore}",
        "pods": [name],
        "podUids": [f"uid-of-{namespace}-{name}"],
        **changes,
    }


def report(cluster, namespace: str, *opt_ins: dict, problems: tuple[dict, ...] = ()) -> str:
    """Apply a node's report; each test has a node of its own."""
    node = f"{namespace}-node"
    about = {"version": "0", "pod": "p", "pool": "default", "startedAt": ""}
    cluster.apply(
        {
            "apiVersion": "loghub.dev/v1alpha1",
            "kind": "AgentReport",
            "metadata": {"name": node, "namespace": SYSTEM},
            "report": {
                "node": node,
                "agent": about,
                "pipelines": [],
                "optIns": list(opt_ins),
                "problems": list(problems),
                "errors": [],
            },
        }
    )
    return node


@pytest.fixture
def asked(cluster, namespace):
    """A project in the namespace, and a way to report; the report goes with the test."""

    def ask(*opt_ins: dict, problems: tuple[dict, ...] = (), **policy: object) -> None:
        cluster.apply(workloads.project("app", namespace, projectName=namespace, optIn=policy))
        cluster.until("LogProject", "app", namespace, Ready="True")
        report(cluster, namespace, *opt_ins, problems=problems)

    yield ask
    cluster.delete("AgentReport", f"{namespace}-node", SYSTEM)


def warnings(cluster, namespace: str, reason: str) -> list[tuple[str, str]]:
    """The pods of a namespace that were warned for that reason, and the words."""
    return [
        (each["involvedObject"]["name"], each["message"])
        for each in cluster.list("Event", namespace)
        if each["type"] == "Warning" and each["reason"] == reason
    ]


def until_warned(cluster, namespace: str, reason: str) -> list[tuple[str, str]]:
    return waiting.until(f"a warning {reason}", lambda: warnings(cluster, namespace, reason))


def select_of(cluster, namespace: str) -> dict[str, dict]:
    """What the pipelines of a namespace select, by their Logstore."""
    return {
        each["spec"]["destination"]["logstore"]: each["spec"]["select"]
        for each in cluster.list("LogPipeline", SYSTEM)
        if each["spec"]["origin"]["namespace"] == namespace
    }


def test_variable_becomes_a_config_and_a_logstore_as_it_says(cluster, namespace, asked):
    create = {"retentionDays": 7, "shardCount": 3, "mode": "Query"}
    asked(entry(namespace, "web", create=create))
    cluster.until("LogConfig", "optin-web", namespace, Ready="True")
    spec = cluster.get("LogStore", "web", namespace)["spec"]
    assert create.items() <= spec.items()
    assert select_of(cluster, namespace)["web"]["optIn"] == {
        "logstore": "web",
        "projects": [""],
        "via": ["Annotation", "Environment"],
        "unnamed": False,
    }
    before = cluster.get("LogConfig", "optin-web", namespace)["metadata"]["generation"]
    report(cluster, namespace, entry(namespace, "web"), entry(namespace, "orders"))
    cluster.until("LogConfig", "optin-orders", namespace, Ready="True")
    after = cluster.get("LogConfig", "optin-web", namespace)["metadata"]["generation"]
    assert after == before, "written anew though nothing changed"
    report(cluster, namespace)
    waiting.until(
        "nobody asks any more", lambda: not cluster.get("LogConfig", "optin-web", namespace)
    )
    assert cluster.get("LogStore", "web", namespace) is not None


def test_name_that_no_object_can_have_gets_an_object_of_another_name(
    cluster, namespace, asked, service
):
    asked(entry(namespace, "access_log"))
    waiting.until(
        "a pipeline into access_log", lambda: "access_log" in select_of(cluster, namespace)
    )
    [store] = cluster.list("LogStore", namespace)
    assert store["spec"]["logStoreName"] == "access_log"
    assert store["metadata"]["name"].startswith("access-log-")


def test_project_may_be_named_as_the_service_names_it(cluster, namespace, asked):
    other = f"{namespace}-eu"
    cluster.apply(workloads.project("other", namespace, projectName=other))
    asked(entry(namespace, "web", project=other), entry(namespace, "web", project="app"))
    waiting.until("two configs", lambda: len(cluster.list("LogConfig", namespace)) == 2)
    found = {
        each["spec"]["projectRef"]["name"]: each["spec"].get("logStoreName", "web")
        for each in cluster.list("LogStore", namespace)
    }
    assert found == {"app": "web", "other": "web"}


@pytest.mark.parametrize(
    ("change", "policy", "words"),
    [
        ({}, {"environment": "Disabled"}, "spec.optIn.environment"),
        ({"via": "Annotation"}, {"annotations": "Disabled"}, "spec.optIn.annotations"),
        ({}, {"autoCreateLogStores": False}, "create the LogStore"),
        ({"project": "nowhere"}, {}, "does not exist"),
        ({"logstore": "UPPER"}, {}, "no Logstore name"),
    ],
)
def test_refused_opt_in_is_one_event_on_the_pod_and_others_work(
    cluster, namespace, asked, change, policy, words
):
    good = {"via": "Annotation" if policy.get("environment") else "Environment"}
    cluster.apply(workloads.project("app", namespace, projectName=namespace))
    cluster.apply(workloads.store("good", namespace, "app"))
    asked(entry(namespace, "web") | change, entry(namespace, "good", **good), **policy)
    [(pod, message)] = until_warned(cluster, namespace, "OptInRefused")
    cluster.until("LogConfig", "optin-good", namespace, Ready="True")
    assert pod == "pod-of-web"
    assert words in message
    assert "aliyun_logs_web" in message
    names = [each["metadata"]["name"] for each in cluster.list("LogConfig", namespace)]
    assert names == ["optin-good"]


def test_files_become_a_config_of_their_own_and_go_with_who_asked(cluster, namespace, asked):
    files = entry(namespace, "web", files=["/app/*.log", "/srv/a.log"], parser="json")
    asked(entry(namespace, "web", create={"retentionDays": 7}), files)
    found = waiting.until(
        "two configs", lambda: len(all_ := cluster.list("LogConfig", namespace)) == 2 and all_
    )
    [name] = [each["metadata"]["name"] for each in found if each["metadata"]["name"] != "optin-web"]
    assert name.startswith("optin-web.files-")
    cluster.until("LogConfig", name, namespace, Ready="True")
    spec = cluster.get("LogConfig", name, namespace)["spec"]
    assert spec["input"] == {"containerFiles": {"paths": ["/app/*.log", "/srv/a.log"]}}
    assert spec["parser"] == {"json": {}}
    [pipeline] = [
        each["spec"]
        for each in cluster.list("LogPipeline", SYSTEM)
        if each["spec"]["origin"]["name"] == name
    ]
    assert pipeline["select"]["optIn"]["files"] == ["/app/*.log", "/srv/a.log"]
    assert pipeline["destination"]["logstore"] == "web"
    assert cluster.get("LogStore", "web", namespace)["spec"]["retentionDays"] == 7
    report(cluster, namespace, entry(namespace, "web"))
    waiting.until("nobody asks for files", lambda: not cluster.get("LogConfig", name, namespace))
    assert cluster.get("LogConfig", "optin-web", namespace) is not None


def test_collection_without_a_logstore_goes_to_the_nearest_default(cluster, namespace, asked):
    nameless = entry(namespace, "", pods=["nameless"], podUids=["u"], key="loghub.dev/stdout")
    nameless["via"] = "Annotation"
    asked(nameless)
    [(pod, message)] = until_warned(cluster, namespace, "OptInRefused")
    assert pod == "nameless"
    assert "spec.optIn.defaultLogStore" in message
    asked(nameless, defaultLogStore="of-project")
    cluster.until("LogConfig", "optin-of-project", namespace, Ready="True")
    select = select_of(cluster, namespace)["of-project"]["optIn"]
    assert (select["logstore"], select["withoutStore"]) == ("of-project", True)
    annotated = workloads.namespace(namespace)
    annotated["metadata"]["annotations"] = {"loghub.dev/logstore": "of-space"}
    cluster.apply(annotated)
    cluster.until("LogConfig", "optin-of-space", namespace, Ready="True")
    waiting.until(
        "the farther default is left",
        lambda: not cluster.get("LogConfig", "optin-of-project", namespace),
    )


def test_pattern_that_is_none_is_an_event_and_the_opt_in_works_without_it(
    cluster, namespace, asked
):
    asked(entry(namespace, "web", multiline="start:(", exclude=["^DBG", "["], parser="json"))
    said = waiting.until(
        "a warning of each",
        lambda: len(found := warnings(cluster, namespace, "InvalidOptIn")) == 2 and found,
    )
    assert {pod for pod, _ in said} == {"pod-of-web"}
    assert all("regular expression" in message for _, message in said)
    [config] = waiting.until("the config", lambda: cluster.list("LogConfig", namespace))
    assert config["spec"]["parser"] == {"json": {}}
    assert "multiline" not in config["spec"]
    assert config["spec"]["processors"][0] == {"filter": {"exclude": {"__raw__": "^DBG"}}}
    assert config["spec"]["selector"]["optIn"]["multiline"] == "start:("


def test_both_names_of_a_logstore_are_one_config(cluster, namespace, asked):
    cluster.apply(workloads.project("app", namespace, projectName=namespace))
    cluster.apply(workloads.store("web", namespace, "app", logStoreName="web_access"))
    asked(entry(namespace, "web"), entry(namespace, "web_access"))
    cluster.until("LogConfig", "optin-web", namespace, Ready="True")
    select = select_of(cluster, namespace)["web_access"]["optIn"]
    assert {select["logstore"], *select["otherNames"]} == {"web", "web_access"}
    assert len(cluster.list("LogConfig", namespace)) == 1


def test_namespaces_parser_first_line_and_tags_are_defaults_and_its_bad_keys_an_event(
    cluster, namespace, asked
):
    annotated = workloads.namespace(namespace)
    annotated["metadata"]["annotations"] = {
        "loghub.dev/parser": "json",
        "loghub.dev/multiline": "^[0-9]",
        "loghub.dev/tags": "team=shop,a_b=x",
    }
    cluster.apply(annotated)
    asked(entry(namespace, "web"), entry(namespace, "own", multiline="Java"))
    [own] = waiting.until(
        "the config of those with a first line of their own",
        lambda: [
            each
            for each in cluster.list("LogConfig", namespace)
            if each["metadata"]["name"].startswith("optin-own.lines-")
        ],
    )
    cluster.until("LogConfig", "optin-web", namespace, Ready="True")
    spec = cluster.get("LogConfig", "optin-web", namespace)["spec"]
    assert (spec["parser"], spec["multiline"]) == ({"json": {}}, {"start": "^[0-9]"})
    assert spec["tags"] == own["spec"]["tags"] == {"static": {"team": "shop"}}
    assert own["spec"]["multiline"] == {"preset": "Java"}
    said = waiting.until(
        "a warning on the namespace",
        lambda: [
            each["message"]
            for each in cluster.list("Event", "default")
            if each["involvedObject"]["name"] == namespace and each["reason"] == "InvalidOptIn"
        ],
    )
    assert ["'a_b=x'" in message for message in said] == [True]


FORMS = {
    "shadow": ({"files": ["/a/../../etc/shadow"]}, "no absolute path"),
    "newline": ({"files": ["/a\n/b"]}, "no absolute path"),
    "many": ({"files": [f"/{n}" for n in range(17)]}, "16 are possible"),
    "parser": ({"parser": "xml"}, "none of the parsers"),
    "lines": ({"multiline": "middle:x"}, "no preset"),
    "filter": ({"exclude": ["x"] * 9}, "over 8 patterns"),
}
"""By Logstore: what no agent would report, and what is said to it."""


def test_form_that_no_agent_would_report_is_refused_and_others_work(cluster, namespace, asked):
    bad = [entry(namespace, store, **form) for store, (form, _) in FORMS.items()]
    asked(*bad, entry(namespace, "good"))
    cluster.until("LogConfig", "optin-good", namespace, Ready="True")
    said = waiting.until(
        "a warning of each",
        lambda: len(found := warnings(cluster, namespace, "OptInRefused")) == len(FORMS) and found,
    )
    for pod, message in said:
        assert FORMS[pod.removeprefix("pod-of-")][1] in message
    assert len(cluster.list("LogConfig", namespace)) == 1


def test_bad_key_is_one_event_even_over_a_restart(cluster, namespace, asked, operator):
    problem = {
        "namespace": namespace,
        "pod": "web-1",
        "uid": uuid.uuid4().hex,
        "container": "app",
        "key": "aliyun_logs_web_ttl",
        "message": "is 'x'; write a whole number from 1 to 3650",
    }
    asked(entry(namespace, "web"), problems=(problem,))
    [(pod, message)] = until_warned(cluster, namespace, "InvalidOptIn")
    assert pod == "web-1"
    assert message.startswith("container app: aliyun_logs_web_ttl is 'x'")
    cluster.until("LogConfig", "optin-web", namespace, Ready="True")
    operator.kill()
    operator.start()
    report(cluster, namespace, entry(namespace, "orders"), problems=(problem,))
    cluster.until("LogConfig", "optin-orders", namespace, Ready="True")
    assert len(warnings(cluster, namespace, "InvalidOptIn")) == 1


def test_namespaces_default_and_its_policy(cluster, namespace, asked):
    asked(entry(namespace, "web"))
    annotated = workloads.namespace(namespace)
    annotated["metadata"]["annotations"] = {"loghub.dev/logstore": "rest"}
    cluster.apply(annotated)
    cluster.until("LogConfig", "optin-rest", namespace, Ready="True")
    assert select_of(cluster, namespace)["rest"]["optIn"]["unnamed"] is True
    assert "excludesByDefault" not in select_of(cluster, namespace)["web"]
    annotated["metadata"]["annotations"] = {"loghub.dev/exclude": "true"}
    cluster.apply(annotated)
    waiting.until(
        "the namespace is excluded by default",
        lambda: select_of(cluster, namespace).get("web", {}).get("excludesByDefault"),
    )
    waiting.until(
        "its default is gone", lambda: not cluster.get("LogConfig", "optin-rest", namespace)
    )


class Api:
    """An API server whose answer to a creation can be chosen."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.fault: ClusterError | None = None

    async def create(self, kind: kinds.Kind, wanted: dict) -> dict:
        self.names.append(wanted["metadata"]["name"])
        if self.fault is not None:
            raise self.fault
        return wanted


async def test_event_that_could_not_be_written_is_tried_again_until_it_is_there():
    api, about = Api(), {"metadata": {"name": "a", "namespace": "n", "uid": "u"}}
    told = events.Events(api)
    for status in (500, 409, None):
        api.fault = ClusterError(status, "words") if status else None
        await told.warn_once(kinds.POD, about, "InvalidOptIn", "words")
    assert len(api.names) == 2
    assert len(set(api.names)) == 1
