"""What pods ask for themselves, as the report names it, and what is collected of it."""

import json
import pathlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from loghub_agent import hearing, optins, planning, pods


def document(asked):
    """As it stands in a report."""
    return {"optIns": asked.opt_ins, "problems": asked.problems, "errors": asked.errors}


def reported(make_pod, *annotated, gone=False):
    return document(
        optins.report(
            planning.Resident(make_pod(name, namespace, annotations=annotations), gone=gone)
            for namespace, name, annotations in annotated
        )
    )


def seen(make_pod, *annotated, gone=False):
    return reported(make_pod, *annotated, gone=gone)["optIns"]


def container(name="app", **variables):
    return pods.Container(name, "", tuple(variables.items()))


def asked(make_pod, *containers, **annotations):
    """The report about one pod."""
    pod = make_pod(containers=containers, annotations=annotations)
    return document(optins.report([planning.Resident(pod)]))


def problems(report):
    return [(each["container"], each["key"]) for each in report["problems"]]


def collected(make_pipeline, pod, select, **changes):
    """Container, streams and tags of what a pipeline takes of a pod."""
    plan = planning.build(
        [make_pipeline(select=select, **changes)],
        [planning.Resident(pod)],
        pods_dir="/var/log/pods",
        node="node-1",
    )
    [pipeline] = json.loads(plan.text)["pipelines"]
    return {
        source["id"].rpartition("/")[2]: (source["streams"], dict(source["tags"]))
        for source in pipeline["sources"]
    }


def opt_in(logstore, **changes):
    return {"optIn": {"logstore": logstore, **changes}}


def test_pods_with_the_same_opt_in_are_one_entry(make_pod):
    logstore = {pods.LOGSTORE: "web"}
    assert seen(make_pod, ("shop", "b", logstore), ("shop", "a", logstore)) == [
        {
            "namespace": "shop",
            "logstore": "web",
            "project": "",
            "via": "Annotation",
            "key": pods.LOGSTORE,
            "pods": ["a", "b"],
            "podUids": ["uid-of-shop-a", "uid-of-shop-b"],
        }
    ]


def test_project_and_namespace_tell_opt_ins_apart(make_pod):
    entries = seen(
        make_pod,
        ("shop", "a", {pods.LOGSTORE: "web", pods.PROJECT: "ops/main"}),
        ("shop", "b", {pods.LOGSTORE: "web"}),
        ("other", "c", {pods.LOGSTORE: "web"}),
    )
    assert [(entry["namespace"], entry["project"]) for entry in entries] == [
        ("other", ""),
        ("shop", ""),
        ("shop", "ops/main"),
    ]


def test_excluded_pod_opts_in_to_nothing(make_pod):
    assert not seen(make_pod, ("shop", "a", {pods.LOGSTORE: "web", pods.EXCLUDE: "true"}))


def test_pods_without_the_key_are_not_named(make_pod):
    assert not seen(make_pod, ("shop", "a", {}), ("shop", "b", None))


def test_deleted_pod_keeps_its_opt_in_while_it_drains_and_has_no_problems(make_pod):
    annotations = {pods.LOGSTORE: "web", "loghub.dev/nonsense": "x"}
    report = reported(make_pod, ("shop", "a", annotations), gone=True)
    assert report["optIns"]
    assert not report["problems"]


def test_lists_are_bounded(make_pod):
    many_pods = [("shop", f"p{n}", {pods.LOGSTORE: "web"}) for n in range(9)]
    assert seen(make_pod, *many_pods)[0]["pods"] == [f"p{n}" for n in range(5)]
    many_stores = [("shop", f"p{n}", {pods.LOGSTORE: f"s{n}"}) for n in range(501)]
    assert len(seen(make_pod, *many_stores)) == 500
    wrong = {f"loghub.dev/x{n}": "" for n in range(50)}
    found = reported(make_pod, *[("shop", f"p{n}", wrong) for n in range(50)])["problems"]
    assert len(found) == 100
    assert sum(each["pod"] == "p0" for each in found) == 10


def test_variable_with_all_suffixes_becomes_one_opt_in(make_pod):
    report = asked(
        make_pod,
        container(
            aliyun_logs_web="stdout",
            aliyun_logs_web_logstore="access_log",
            aliyun_logs_web_project="shop-eu",
            aliyun_logs_web_tags="team=a=b",
            aliyun_logs_web_ttl="7",
            aliyun_logs_web_shard="4",
            aliyun_logs_web_logstoremode="query",
        ),
    )
    [entry] = report["optIns"]
    assert not report["problems"]
    assert (entry["via"], entry["key"]) == ("Environment", "aliyun_logs_web")
    assert (entry["logstore"], entry["project"]) == ("access_log", "shop-eu")
    assert entry["create"] == {"retentionDays": 7, "shardCount": 4, "mode": "Query"}


def test_key_alone_is_the_logstore_kept_as_long_as_those_agents_keep_it(make_pod):
    [entry] = asked(make_pod, container(**{"aliyun_logs_web-1": "stdout"}))["optIns"]
    assert entry["logstore"] == "web-1"
    assert entry["create"] == {"retentionDays": 90}


def test_loong_prefix_wins_variable_by_variable(make_pod):
    report = asked(
        make_pod,
        container(
            loong_logs_web="stdout", aliyun_logs_web="/var/log/*.log",
            aliyun_logs_web_ttl="5", loong_logs_web_shard="3",
        ),
    )  # fmt: skip
    [entry] = report["optIns"]
    assert not report["problems"]
    assert entry["key"] == "loong_logs_web"
    assert entry["create"] == {"retentionDays": 5, "shardCount": 3}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("aliyun_logs_web_ttl", "0", "1 to 3650"),
        ("aliyun_logs_web_ttl", "1e3", "1 to 3650"),
        ("aliyun_logs_web_shard", "11", "1 to 10"),
        ("aliyun_logs_web_tags", "a_b=1", "without _"),
        ("aliyun_logs_web_tags", "a", "name=value"),
        ("aliyun_logs_web_logstoremode", "fast", "standard or query"),
        ("aliyun_logs_web_machinegroup", "g1", "every node"),
        ("aliyun_logs_web_jsonfile", "true", "goes with a path"),
        ("aliyun_logs_web_dockerfile", "true", "goes with a path"),
        ("aliyun_logs_web_detail", "{}", "LogConfig"),
        ("aliyun_logs_web_product", "x", "_project and _logstore"),
        ("aliyun_logs_web_language", "go", "spec.multiline"),
        ("aliyun_logs_web_other", "x", "nobody knows"),
        ("aliyun_logs_Upper", "stdout", "lower-case"),
        ("aliyun_logs_", "stdout", "lower-case"),
        ("aliyun_logs_files", "app/*.log", "is relative"),
        ("aliyun_logs_files", "/app/../etc/x", "'..'"),
        ("aliyun_logs_files", "/app/", "names a directory"),
        ("aliyun_logs_files", "/**/*.log", "whole file system"),
        ("aliyun_logs_files", "/a/**/b/**/*.log", "too deep"),
        ("aliyun_logs_files", "/a/*/*/*/*/*.log", "too deep"),
        ("aliyun_logs_files", "/a/[z-a].log", "no set of characters"),
        ("aliyun_logs_files", "/a/{b,c}.log", "several paths"),
        ("aliyun_logs_files", "/proc/1/environ", "the kernel's"),
        ("aliyun_logs_files", "yes", "stdout-only"),
        ("aliyun_logs_lone_ttl", "3", "aliyun_logs_lone=stdout"),
        ("aliyun_logs_secret", None, "Secret"),
        ("loghub.dev/parser", "xml", "LogConfig"),
        ("loghub.dev/multiline", "Cobol", "Java"),
        ("loghub.dev/multiline", "^a\tb", "no pattern"),
        ("loghub.dev/multiline", "middle:x", "Java"),
        ("loghub.dev/files", "/app/*.log,app.log", "is relative"),
        ("loghub.dev/files", "", "is relative"),
        ("loghub.dev/files", ",".join(f"/app/{n}" for n in range(17)), "at most 16"),
        ("loghub.dev/logstor", "web", "known are"),
        ("loghub.dev/exclude", "yes", "true or false"),
        ("loghub.dev/stdout", "yes", "stderr"),
        ("loghub.dev/tags", "a", "name=value"),
        ("side.loghub.dev/logstore", "web", "no container side"),
    ],
)
def test_bad_key_is_one_problem_and_the_others_work(make_pod, name, value, words):
    variables, annotations = {"aliyun_logs_web": "stdout"}, {pods.LOGSTORE: "orders"}
    (annotations if "/" in name else variables)[name] = value
    report = asked(make_pod, container(**variables), container("other"), **annotations)
    [problem] = report["problems"]
    assert (problem["pod"], problem["key"]) == ("orders-1", name)
    assert words in problem["message"]
    outputs = [each["logstore"] for each in report["optIns"] if not each.get("files")]
    assert outputs == ["orders", "web"]


def test_variable_speaks_for_its_container_only(make_pod, make_pipeline):
    pod = make_pod(containers=(container("a", aliyun_logs_web="stdout"), container("b")))
    assert set(collected(make_pipeline, pod, opt_in("web"))) == {"a"}
    assert not collected(make_pipeline, pod, opt_in("web", via=["Annotation"]))
    assert not collected(make_pipeline, pod, opt_in("web", projects=["other"]))
    assert not collected(make_pipeline, pod, opt_in("orders"))


def test_every_name_of_the_logstore_counts(make_pod, make_pipeline):
    pod = make_pod(
        containers=(
            container("a", aliyun_logs_web="stdout"),
            container("b", **{"aliyun_logs_web-access": "stdout"}),
            container("c", aliyun_logs_other="stdout"),
        )
    )
    found = collected(make_pipeline, pod, opt_in("web", otherNames=["web-access"]))
    assert set(found) == {"a", "b"}


def test_streams_and_tags_are_the_containers_own(make_pod, make_pipeline):
    pod = make_pod(
        containers=(
            container("a", aliyun_logs_web="stdout-only", aliyun_logs_web_tags="team=x"),
            container("b", aliyun_logs_web="stderr-only"),
            container("c", aliyun_logs_web="stdout"),
        )
    )
    found = collected(make_pipeline, pod, opt_in("web"), tags={"static": {"team": "pipeline"}})
    assert {name: streams for name, (streams, _) in found.items()} == {
        "a": ["stdout"],
        "b": ["stderr"],
        "c": ["stdout", "stderr"],
    }
    assert [tags["team"] for _, tags in found.values()] == ["x", "pipeline", "pipeline"]


def test_containers_annotation_wins_over_the_pods(make_pod, make_pipeline):
    pod = make_pod(
        containers=(container("a"), container("b"), container("c")),
        annotations={
            pods.LOGSTORE: "orders",
            "a.loghub.dev/logstore": "audit",
            "b.loghub.dev/exclude": "true",
        },
    )
    assert set(collected(make_pipeline, pod, opt_in("orders"))) == {"c"}
    assert set(collected(make_pipeline, pod, opt_in("audit"))) == {"a"}
    assert set(collected(make_pipeline, pod, {})) == {"a", "c"}


def test_container_can_take_back_its_pods_exclusion(make_pod, make_pipeline):
    pod = make_pod(
        containers=(container("a"), container("b")),
        annotations={pods.EXCLUDE: "true", "a.loghub.dev/exclude": "false"},
    )
    assert set(collected(make_pipeline, pod, {})) == {"a"}


def test_namespaces_default_takes_those_that_ask_for_nothing(make_pod, make_pipeline):
    pod = make_pod(
        containers=(container("a"), container("b"), container("c", aliyun_logs_web="stdout")),
        annotations={"b.loghub.dev/logstore": "audit", "a.loghub.dev/stdout": "stderr"},
    )
    found = collected(make_pipeline, pod, opt_in("orders", unnamed=True))
    assert {name: streams for name, (streams, _) in found.items()} == {"a": ["stderr"]}


def test_namespaces_exclusion_is_a_default(make_pod, make_pipeline):
    select = {"excludesByDefault": True}
    assert not collected(make_pipeline, make_pod(), select)
    wanted = make_pod(annotations={pods.EXCLUDE: "false"})
    assert set(collected(make_pipeline, wanted, select)) == {"app"}


def test_same_logstore_by_both_ways_is_collected_once(make_pod, make_pipeline):
    pod = make_pod(
        containers=(container("a", aliyun_logs_web="stdout"),), annotations={pods.LOGSTORE: "web"}
    )
    assert set(collected(make_pipeline, pod, opt_in("web"))) == {"a"}
    assert [entry["via"] for entry in asked(
        make_pod, *pod.containers, **pod.annotations
    )["optIns"]] == ["Annotation", "Environment"]  # fmt: skip


NAMES = st.text("abAB_-19é", max_size=8)


@given(
    st.dictionaries(
        st.builds(
            "{}{}".format, st.sampled_from(pods.VARIABLES), NAMES | st.just("a_ttl") | st.just("a")
        ),
        st.none() | st.text(max_size=12) | st.just("stdout"),
    ),
    st.dictionaries(st.builds("{}loghub.dev/{}".format, NAMES, NAMES), st.text(max_size=12)),
)
def test_no_key_of_a_pod_breaks_the_agent_or_hides_a_good_one(make_pod, variables, annotations):
    pod = make_pod(
        containers=(container("a", **variables), container("good", aliyun_logs_fine="stdout")),
        annotations=annotations,
    )
    said, _ = hearing.heard(pod)
    assert [wish.logstore for wish in said["good"].wishes][-1:] == ["fine"]
    json.dumps(document(optins.report([planning.Resident(pod)])))


def test_example_has_no_problem_and_goes_where_it_says():
    text = (pathlib.Path(__file__).parents[2] / "examples/own-keys/shop.yaml").read_text()
    found = [each for each in yaml.safe_load_all(text) if each["kind"] == "Pod"]
    asks = {}
    for document in found:
        document["metadata"]["uid"] = "u"
        said, problems = hearing.heard(pods.from_object(document))
        assert not problems
        asks |= {name: list(map(str, each.wishes)) for name, each in said.items()}
    assert asks == {
        "nginx": ["web_access"],
        "audit": ["audit"],
        "cache": [],
        "helper": [],
        "app": ["batch (/srv/batch/*.log)", "runs (/srv/batch/run.log)"],
    }
    said, _ = hearing.heard(pods.from_object(found[0]))
    assert [name for name, each in said.items() if each.excluded] == ["cache"]
    assert said["helper"].tags == (("team", "shop"),)
