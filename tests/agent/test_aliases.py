"""Other collectors' keys on pods: off by default, and what they come to when they are on."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loghub_agent import _core, cli, errors, forms, hearing, optins, planning, pods
from loghub_agent.aliases import READERS

DATADOG = "ad.datadoghq.com/app.logs"
OTEL = "io.opentelemetry.discovery.logs/"


def asked(make_pod, annotations, *, aliases=tuple(READERS), containers=("app",), env=()):
    """What a report says of a pod."""
    made = tuple(pods.Container(name, "", tuple(env)) for name in containers)
    pod = make_pod(annotations=annotations, containers=made)
    return optins.report([planning.Resident(pod)], hearing.listener(aliases))


def form(make_pod, annotations, **more):
    """Beside the names of pods, what the only opt-in says."""
    found = asked(make_pod, annotations, **more)
    assert not found.problems, found.problems
    [entry] = found.opt_ins
    assert (entry["logstore"], entry["via"]) == ("", "Annotation")
    return {key: entry[key] for key in forms.Form.__slots__ if key in entry}


def otel(config):
    return {OTEL + "enabled": "true", OTEL + "config": config}


def datadog(**element):
    return {DATADOG: json.dumps([element])}


@pytest.mark.parametrize(
    "annotations",
    [{"co.elastic.logs/enabled": "true"}, datadog(source="java"), {OTEL + "enabled": "true"}],
)
def test_alias_counts_where_it_is_switched_on_only(make_pod, annotations):
    assert not asked(make_pod, annotations, aliases=()).opt_ins
    assert form(make_pod, annotations) == {}


def test_command_line_takes_names_that_are_known(monkeypatch):
    assert cli._aliases("elastic, datadog") == ("elastic", "datadog")
    assert cli._aliases("") == ()
    with pytest.raises(errors.UsageError, match="splunk"):
        cli._aliases("elastic,splunk")
    assert set(cli._ALIASES) == READERS.keys()


@pytest.mark.parametrize(
    ("annotations", "wanted"),
    [
        (
            {
                "co.elastic.logs/multiline.pattern": r"^\[",
                "co.elastic.logs/multiline.negate": "true",
                "co.elastic.logs/multiline.match": "after",
            },
            {"multiline": r"start:^\["},
        ),
        (
            {"co.elastic.logs/multiline.pattern": r"^\s"},
            {"multiline": r"continue:^\s"},
        ),
        (
            {
                "co.elastic.logs/multiline.pattern": ";$",
                "co.elastic.logs/multiline.negate": "true",
                "co.elastic.logs/multiline.match": "before",
            },
            {"multiline": "end:;$"},
        ),
        (
            {"co.elastic.logs/json.keys_under_root": "true", "co.elastic.logs/enabled": "true"},
            {"parser": "json"},
        ),
        (
            {
                "co.elastic.logs/include_lines": "^ERR, ^WARN",
                "co.elastic.logs/exclude_lines": "['^DBG']",
            },
            {"include": ["(?:^ERR)|(?:^WARN)"], "exclude": ["(?:^DBG)"]},
        ),
        ({"co.elastic.logs/module": "nginx"}, {"parser": "nginx"}),
        (
            {"co.elastic.logs/exclude_lines": "^DBG", "co.elastic.logs.app/exclude_lines": "^X"},
            {"exclude": ["(?:^X)"]},
        ),
        (
            datadog(
                log_processing_rules=[
                    {"type": "multi_line", "name": "d", "pattern": r"\d{4}-\d{2}"},
                    {"type": "exclude_at_match", "name": "p", "pattern": r"GET\s/ping"},
                    {"type": "include_at_match", "name": "i", "pattern": "shop"},
                ]
            ),
            {
                "multiline": r"start:^(?:\d{4}-\d{2})",
                "exclude": [r"GET\s/ping"],
                "include": ["shop"],
            },
        ),
        (datadog(type="file", path="/app/*.log"), {"files": ["/app/*.log"]}),
        (
            otel("operators:\n- type: container\n  id: c\n- type: json_parser\nmax_log_size: 2MiB"),
            {"parser": "json"},
        ),
        (
            otel(
                "operators:\n- type: recombine\n"
                '  is_first_entry: body matches "^\\\\d{4}-"\n'
                '- type: filter\n  expr: body matches "^DETAIL"\n'
            ),
            {"multiline": r"start:^\d{4}-", "exclude": ["^DETAIL"]},
        ),
        (otel("multiline: {line_end_pattern: ';$'}"), {"multiline": "end:;$"}),
    ],
)
def test_foreign_words_become_a_form(make_pod, annotations, wanted):
    assert form(make_pod, annotations) == wanted


def test_datadogs_source_service_and_tags_become_tags(make_pod):
    pod = make_pod(annotations=datadog(source="java", service="pay", tags=["env:prod", "a:b:c"]))
    said, problems = hearing.listener(("datadog",))(pod)
    assert not problems
    [wish] = said["app"].wishes
    assert dict(wish.tags) == {"source": "java", "service": "pay", "env": "prod", "a": "b:c"}


@pytest.mark.parametrize(
    ("annotations", "key", "words"),
    [
        ({"co.elastic.logs/raw": "[{}]"}, "co.elastic.logs/raw", "LogConfig"),
        ({"co.elastic.logs/module": "redis"}, "co.elastic.logs/module", "only nginx"),
        ({"co.elastic.logs/1.exclude_lines": "x"}, "co.elastic.logs/1.exclude_lines", "LogConfig"),
        (
            {
                "co.elastic.logs/multiline.pattern": r"\\$",
                "co.elastic.logs/multiline.match": "before",
            },
            "co.elastic.logs/multiline.pattern",
            "counterpart",
        ),
        ({"co.elastic.logs/exclude_lines": "a\tb"}, "co.elastic.logs/exclude_lines", "no pattern"),
        (datadog(auto_multi_line_detection=True), DATADOG, "auto_multi_line_detection"),
        (datadog(log_processing_rules=[{"type": "new"}]), DATADOG, "'new'"),
        (datadog(tags=["a_b:c"]), DATADOG, "without _"),
        (otel("include: [/var/log/*.log]"), OTEL + "config", "include"),
        (otel("operators: [{type: router}]"), OTEL + "config", "'router'"),
        (otel("operators: [{type: filter, expr: 'x > 1'}]"), OTEL + "config", "body matches"),
        (otel("a: [b"), OTEL + "config", "no YAML"),
    ],
)
def test_what_has_no_counterpart_is_said_and_the_rest_works(make_pod, annotations, key, words):
    found = asked(make_pod, annotations)
    [problem] = found.problems
    assert problem["key"] == key
    assert words in problem["message"]
    assert len(found.opt_ins) == 1


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        ({DATADOG: "nonsense"}, "no JSON"),
        ({DATADOG: "{}"}, "no array"),
        ({DATADOG: "[" * 4096}, "no JSON"),
        (datadog(type="tcp"), "'tcp'"),
        (datadog(type="file", path="../x"), "relative"),
        (datadog(log_processing_rules=[{"type": "mask_sequences"}]), "nothing is collected"),
        ({OTEL + "enabled": "yes"}, "true or false"),
        ({DATADOG: " " * 5000}, "longer than 4096"),
    ],
)
def test_what_cannot_be_collected_rightly_is_not_collected(make_pod, annotations, words):
    found = asked(make_pod, annotations)
    assert words in found.problems[0]["message"]
    assert not found.opt_ins


@pytest.mark.parametrize(
    "annotations",
    [
        {"co.elastic.logs/enabled": "false"},
        {"ad.datadoghq.com/logs_exclude": "true"},
        {"ad.datadoghq.com/app.logs_exclude": "true"},
    ],
)
def test_foreign_exclusion_leaves_out_unless_our_own_key_says_otherwise(make_pod, annotations):
    hear = hearing.listener(READERS)
    said, _ = hear(make_pod(annotations=annotations))
    assert said["app"].excluded is True
    said, _ = hear(make_pod(annotations=annotations | {pods.EXCLUDE: "false"}))
    assert said["app"].excluded is False


def test_own_logstore_says_where_to_and_the_foreign_keys_how(make_pod):
    foreign = {"co.elastic.logs/json.message_key": "msg"}
    own = {pods.LOGSTORE: "web", pods.PROJECT: "eu", "loghub.dev/stdout": "stderr"}
    [entry] = asked(make_pod, foreign | own).opt_ins
    assert (entry["logstore"], entry["project"], entry["parser"]) == ("web", "eu", "json")


def test_own_form_and_own_variables_win(make_pod):
    foreign = {"co.elastic.logs/json.message_key": "msg"}
    [entry] = asked(make_pod, foreign | {"loghub.dev/multiline": "Java"}).opt_ins
    assert (entry.get("parser"), entry["multiline"]) == (None, "Java")
    [entry] = asked(make_pod, foreign, env=[("aliyun_logs_web", "stdout")]).opt_ins
    assert (entry["logstore"], entry["via"]) == ("web", "Environment")


def test_first_of_two_systems_is_heard(make_pod):
    annotations = {"co.elastic.logs/module": "nginx"} | datadog(source="nginx")
    assert form(make_pod, annotations) == {"parser": "nginx"}


TEXT = st.text("[]{}:,\"'-& *!\n\\ab(typeoprs01", max_size=40)
KEYS = st.sampled_from(
    [
        DATADOG, OTEL + "enabled", OTEL + "config", "io.opentelemetry.discovery.logs.app/config",
        *(f"co.elastic.logs/{each}" for each in
          ("enabled", "include_lines", "multiline.pattern", "multiline.negate", "module", "raw")),
    ]
)  # fmt: skip
BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\noperators: [{type: *c, expr: *c}]"


@given(st.dictionaries(KEYS, TEXT | st.sampled_from(("true", "[{}]", BOMB)), max_size=6))
def test_hostile_values_break_nothing_and_hide_no_good_key(make_pod, annotations):
    containers = (
        pods.Container("app", ""),
        pods.Container("good", "", (("aliyun_logs_fine", "stdout"),)),
    )
    pod = make_pod(annotations=annotations, containers=containers)
    said, problems = hearing.listener(READERS)(pod)
    assert [wish.logstore for wish in said["good"].wishes] == ["fine"]
    for wish in said["app"].wishes:
        for pattern in (*wish.form.include, *wish.form.exclude):
            assert not forms.pattern_fault(pattern)
    assert all(len(problem.message) < 1000 for problem in problems)
    json.dumps(optins.report([planning.Resident(pod)], hearing.listener(READERS)).opt_ins)


def test_filters_of_the_line_work_with_a_parser_and_without():
    lines = ["plain DBG x", '{"m": "DBG"}', '{"m": "fine"}']
    exclude = {"exclude": {"content": "DBG"}}
    plain = {"processors": [{"filter": exclude}]}
    tried = json.loads(
        _core.try_lines(json.dumps({"multiline": None, "shaping": plain}), lines, (1, 0))
    )
    assert [bool(each["dropped"]) for each in tried] == [True, True, False]
    parsed = {
        "parser": {"json": {"maxDepth": 1, "prefix": ""}},
        "keepRaw": True,
        "processors": [{"filter": {"exclude": {"__raw__": "DBG"}}}, {"remove": ["__raw__"]}],
    }
    tried = json.loads(
        _core.try_lines(json.dumps({"multiline": None, "shaping": parsed}), lines, (1, 0))
    )
    assert [bool(each["dropped"]) for each in tried] == [False, True, False]
    assert dict(tried[2]["fields"]) == {"m": "fine"}
