"""Files that pods name by their own keys: what is reported, what is collected, what is refused."""

import json
import pathlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loghub_agent import (
    _core,
    forms,
    hearing,
    optins,
    paths,
    planning,
    pods,
    runtime,
    variables,
    wishes,
)
from loghub_agent.config import raw

GROUND = (runtime.Mount("/", "/upper"),)


def document(asked):
    """As it stands in a report."""
    return {"optIns": asked.opt_ins, "problems": asked.problems, "errors": asked.errors}


def container(name="app", **variables):
    return pods.Container(name, "", tuple(variables.items()), id=f"containerd://{name}")


def asked(make_pod, *containers, **annotations):
    """The report about one pod."""
    pod = make_pod(containers=containers, annotations=annotations)
    return document(optins.report([planning.Resident(pod)]))


def collected(make_pipeline, pod, opt_in, paths=("/app/*.log",)):
    """The containers that a pipeline with these files takes of a pod."""
    pipeline = make_pipeline(
        select={"optIn": opt_in}, input={"containerFiles": {"paths": list(paths)}}
    )
    plan = planning.build(
        [pipeline], [planning.Resident(pod)],
        pods_dir="/var/log/pods", node="node-1", ground=lambda _: GROUND,
    )  # fmt: skip
    [found] = json.loads(plan.text)["pipelines"]
    return {
        source["id"].rpartition("/")[2]: (source["files"]["paths"], dict(source["tags"]))
        for source in found["sources"]
    }


def test_variable_with_a_path_becomes_one_opt_in_with_a_file(make_pod):
    report = asked(
        make_pod,
        container(
            aliyun_logs_access="/var/log/nginx/*.log", aliyun_logs_access_jsonfile="true",
            aliyun_logs_access_dockerfile="true", aliyun_logs_access_ttl="7",
        ),
    )  # fmt: skip
    [entry] = report["optIns"]
    assert not report["problems"]
    assert entry["files"] == ["/var/log/nginx/*.log"]
    assert (entry["logstore"], entry["parser"]) == ("access", "json")
    assert entry["create"] == {"retentionDays": 7}


def test_file_of_the_node_is_refused(make_pod):
    report = asked(
        make_pod, container(loong_logs_a="/var/log/syslog", loong_logs_a_dockerfile="false")
    )
    assert not report["optIns"]
    [problem] = report["problems"]
    assert problem["key"] == "loong_logs_a_dockerfile"
    assert "its own files only" in problem["message"]


def test_loong_path_wins_over_aliyun_output(make_pod):
    report = asked(make_pod, container(aliyun_logs_a="stdout", loong_logs_a="/app/a.log"))
    assert [entry.get("files") for entry in report["optIns"]] == [["/app/a.log"]]


def test_files_come_beside_output_unless_that_is_declined(make_pod):
    annotations = {pods.LOGSTORE: "web", "loghub.dev/files": "/b/*.log, /a.log,/b/*.log"}
    report = asked(make_pod, container(), **annotations)
    assert [entry.get("files") for entry in report["optIns"]] == [None, ["/a.log", "/b/*.log"]]
    report = asked(make_pod, container(), **annotations, **{"loghub.dev/stdout": "false"})
    assert [entry.get("files") for entry in report["optIns"]] == [["/a.log", "/b/*.log"]]


def test_files_of_a_container_win_over_the_pods_and_a_bad_one_leaves_the_good(make_pod):
    report = asked(
        make_pod,
        container("a"),
        container("b"),
        **{
            pods.LOGSTORE: "web",
            "loghub.dev/stdout": "false",
            "loghub.dev/files": "/app/*.log",
            "b.loghub.dev/files": "/b.log,../c.log",
        },
    )
    assert [entry["files"] for entry in report["optIns"]] == [["/app/*.log"], ["/b.log"]]
    [problem] = report["problems"]
    assert (problem["container"], problem["key"]) == ("b", "b.loghub.dev/files")


def test_parser_and_first_line_are_part_of_what_is_asked_for(make_pod):
    annotations = {
        pods.LOGSTORE: "web", "loghub.dev/parser": "json", "loghub.dev/multiline": "^\\d{4}-",
    }  # fmt: skip
    [entry] = asked(make_pod, container(), **annotations)["optIns"]
    assert (entry["parser"], entry["multiline"]) == ("json", "start:^\\d{4}-")


@pytest.mark.parametrize(
    ("annotations", "key"),
    [
        ({"loghub.dev/stdout": "stderr"}, "loghub.dev/stdout"),
        ({"loghub.dev/files": "/a.log"}, "loghub.dev/files"),
        ({"loghub.dev/multiline": "Java"}, "loghub.dev/multiline"),
        ({"loghub.dev/files": "/a.log", "app.loghub.dev/parser": "json"}, "loghub.dev/files"),
    ],
)
def test_collection_without_a_logstore_is_asked_of_the_default(make_pod, annotations, key):
    [entry] = asked(make_pod, container(), **annotations)["optIns"]
    assert (entry["logstore"], entry["key"]) == ("", key)


def test_tags_and_an_exclusion_alone_ask_for_nothing(make_pod):
    for annotations in ({"loghub.dev/tags": "a=b"}, {"loghub.dev/stdout": "false"}):
        assert not asked(make_pod, container(), **annotations)["optIns"]


def test_only_the_container_that_asks_for_exactly_these_files_is_taken(make_pod, make_pipeline):
    pod = make_pod(
        containers=(
            container("a", aliyun_logs_web="/app/*.log", aliyun_logs_web_tags="team=x"),
            container("b", aliyun_logs_web="/app/other.log"),
            container("c", aliyun_logs_web="stdout"),
        )
    )
    files = {"logstore": "web", "files": ["/app/*.log"]}
    found = collected(make_pipeline, pod, files)
    assert {name: listed for name, (listed, _) in found.items()} == {"a": ["/app/*.log"]}
    assert found["a"][1]["team"] == "x"
    assert not collected(make_pipeline, pod, {"logstore": "web", "files": ["/other.log"]})


def test_files_without_a_logstore_are_taken_by_a_default_only(make_pod, make_pipeline):
    pod = make_pod(containers=(container("a"),), annotations={"loghub.dev/files": "/app/*.log"})
    files = {"logstore": "rest", "files": ["/app/*.log"]}
    assert not collected(make_pipeline, pod, files)
    assert set(collected(make_pipeline, pod, files | {"withoutStore": True})) == {"a"}


def test_same_file_by_both_ways_is_collected_once(make_pod, make_pipeline):
    pod = make_pod(
        containers=(container("a", aliyun_logs_web="/app/*.log"),),
        annotations={pods.LOGSTORE: "web", "loghub.dev/files": "/app/*.log"},
    )
    found = collected(make_pipeline, pod, {"logstore": "web", "files": ["/app/*.log"]})
    assert set(found) == {"a"}


def test_what_a_pipeline_cannot_do_is_a_problem_of_who_asks_for_it(make_pod, make_pipeline):
    pipeline = make_pipeline(
        select={
            "namespaces": ["shop"],
            "optIn": {"logstore": "web", "files": ["/nfs/*.log"]},
        },
        input={"containerFiles": {"paths": ["/nfs/*.log"]}},
    )
    asking = (container("a", aliyun_logs_web="/nfs/*.log"), container("b"))
    others = (container("a", aliyun_logs_web="stdout"),)
    found = optins.report(
        [
            planning.Resident(make_pod("one", containers=asking)),
            planning.Resident(make_pod("two", containers=others)),
            planning.Resident(make_pod("three", "elsewhere", containers=asking)),
        ],
        failing=[(pipeline, "/nfs cannot be listed: Permission denied")],
    )
    [problem] = found.problems
    assert (problem["pod"], problem["container"]) == ("one", "a")
    assert problem["key"] == "aliyun_logs_web"
    assert "Permission denied" in problem["message"]
    assert len(found.opt_ins) == 3


def test_place_of_files_is_noted_before_there_is_a_pipeline_for_them(make_pod):
    asking = make_pod(containers=(container("init", aliyun_logs_a="/a.log"), container("app")))
    silent = make_pod("silent", containers=(container("none"),))
    looked = []
    planning.build(
        [], map(planning.Resident, [asking, silent]),
        pods_dir="/p", node="n", ground=looked.append,
    )  # fmt: skip
    assert looked == ["containerd://init", "containerd://app"]


def test_files_on_a_node_whose_agent_sees_none_are_a_problem(make_pod):
    pod = make_pod(
        containers=(container("a", aliyun_logs_web="/a.log"), container("b")), running=True
    )
    both = {"containerd://a", "containerd://b"}
    found = optins.report([planning.Resident(pod)], missing=both)
    [problem] = found.problems
    assert (problem["container"], problem["key"]) == ("a", "aliyun_logs_web")
    assert "hostAccess: Logs" in problem["message"]
    for missing in ({"containerd://a"}, set()):
        assert not optins.report([planning.Resident(pod)], missing=missing).problems


def test_report_is_bounded_by_what_its_paths_weigh_and_says_so(make_pod):
    long = "/" + "x" * 1000
    pods_here = [
        make_pod(f"p{n}", containers=(container(**{f"aliyun_logs_k{n}": f"{long}/{n}.log"}),))
        for n in range(150)
    ]
    short = make_pod("short", containers=(container(aliyun_logs_short="stdout"),))
    found = optins.report(map(planning.Resident, [*pods_here, short]))
    assert 50 < len(found.opt_ins) < 101
    assert "short" in [entry["logstore"] for entry in found.opt_ins]
    assert len(json.dumps(found.opt_ins)) < 250_000
    [sentence] = found.errors
    assert f"{151 - len(found.opt_ins)} opt-ins" in sentence


def test_keys_that_are_too_long_or_too_many_are_said_and_the_others_work(make_pod_object):
    document = make_pod_object(
        annotations={"loghub.dev/files": "/a.log," * 200, "note": "x" * 5000}
    )
    many = [{"name": f"aliyun_logs_k{n}", "value": "stdout"} for n in range(105)]
    long = {"name": "aliyun_logs_long", "value": "/" + "y" * 2000}
    document["spec"]["containers"] = [
        {"name": "app", "env": [long, *many]},
        {"name": "good", "env": [{"name": "aliyun_logs_fine", "value": "stdout"}]},
    ]
    pod = pods.from_object(document)
    assert "note" not in pod.annotations
    said, problems = hearing.heard(pod)
    by_key = {problem.key: problem.message for problem in problems}
    assert by_key.keys() == {"loghub.dev/files", "aliyun_logs_k99", "aliyun_logs_long"}
    assert "longer than 1024" in by_key["loghub.dev/files"]
    assert "longer than 1024" in by_key["aliyun_logs_long"]
    assert "100" in by_key["aliyun_logs_k99"]
    assert len(said["app"].wishes) == 99
    assert [wish.logstore for wish in said["good"].wishes] == ["fine"]


NAMES = st.text("ab*?[]-{}\\.!^é ", max_size=6)


@given(st.lists(NAMES | st.just("**") | st.just(".."), max_size=8), st.booleans())
def test_path_that_is_let_through_is_one_for_the_core(names, rooted):
    path = "/" * rooted + "/".join(names)
    if not paths.fault(path):
        files = {"mounts": [], "paths": [path], "exclude": [], "maxDepth": 10, "encoding": "UTF8"}
        assert isinstance(_core.why_not(json.dumps(files), "/elsewhere"), str)


SUFFIXES = st.sampled_from(("", *variables.HONOURED, *variables.REFUSED))
VALUES = st.none() | st.text("/ab*.,=\n", max_size=12) | st.sampled_from(("stdout", "true", "/a"))
KEYS = st.sampled_from([f"{of}loghub.dev/{key}" for of in ("", "app.") for key in wishes.KEYS])


@given(st.dictionaries(SUFFIXES, VALUES), st.dictionaries(KEYS, VALUES.filter(bool)))
def test_hostile_keys_leave_a_report_that_is_bounded_and_the_good_ones(
    make_pod, suffixed, annotations
):
    env = {f"aliyun_logs_k{suffix and '_' + suffix}": each for suffix, each in suffixed.items()}
    pod = make_pod(
        containers=(container("app", **env), container("good", aliyun_logs_fine="/fine.log")),
        annotations=annotations,
    )
    said, problems = hearing.heard(pod)
    assert [wish.form.files for wish in said["good"].wishes][-1:] == [("/fine.log",)]
    assert len(set(problems)) == len(problems)
    assert {problem.key for problem in problems} <= env.keys() | annotations.keys()
    for wish in (wish for each in said.values() for wish in each.wishes):
        assert not any(map(paths.fault, wish.form.files))
        assert not wish.form.parser or not forms.parser_fault(wish.form.parser)
    json.dumps(document(optins.report([planning.Resident(pod)])))


def test_page_has_a_row_for_every_key_suffix_and_word():
    page = (pathlib.Path(__file__).parents[2] / "docs/own-keys.md").read_text()
    rows = re.findall(r"^\| `(.+?)` \|", page, re.MULTILINE)
    suffixes = {row.removeprefix("aliyun_logs_<key>_") for row in rows if "<key>_" in row}
    assert suffixes == {*variables.HONOURED, *variables.REFUSED}
    assert set(wishes.KEYS) <= set(rows)
    for word in (*forms.PARSERS, *raw.PRESETS):
        assert f"`{word}`" in page


@pytest.mark.parametrize("suffix", variables.REFUSED)
@pytest.mark.parametrize("value", ["stdout", "/app/*.log"])
def test_suffix_is_honoured_or_answered(make_pod, suffix, value):
    name = f"aliyun_logs_web_{suffix}"
    report = asked(make_pod, container(**{"aliyun_logs_web": value, name: "x"}))
    assert [each["key"] for each in report["problems"]] == [name]
    assert [each["logstore"] for each in report["optIns"]] == ["web"]
