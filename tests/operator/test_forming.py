"""The form of an opt-in: what agents report becomes a LogConfig that every reader takes."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loghub_agent.config import plan
from loghub_operator import compiling
from loghub_operator.reconciling import forming, inheriting
from loghub_operator.resources import configs, stores

TARGET = compiling.Target("http://i.x.svc", "shop", "Header", "V4", "loghub", "key")
STORE = stores.LogStoreSpec.model_validate({"projectRef": {"name": "shop"}})
META = {"name": "optin-web", "namespace": "shop", "uid": "u", "generation": 1}

PATTERNS = st.sampled_from(("^a", "b$", r"\d+", "(", "", "x" * 1025, "é"))
FORMS = st.builds(
    forming.Form,
    files=st.lists(st.text("/a.*\n", max_size=6), max_size=3, unique=True).map(
        lambda each: tuple(sorted(each))
    ),
    parser=st.sampled_from(("", "json", "nginx", "syslog", "keyValue", "apache", "xml")),
    multiline=st.sampled_from(("", "Java", "JSON", "start:^a", "end:(", "middle:x", "^a"))
    | PATTERNS.map("continue:{}".format),
    include=st.lists(PATTERNS, max_size=2).map(tuple),
    exclude=st.lists(PATTERNS, max_size=9).map(tuple),
)


def spec_of(form: forming.Form) -> configs.LogConfigSpec:
    return configs.LogConfigSpec.model_validate(
        {
            "logStoreRef": {"name": "web"},
            "selector": {"optIn": {"logstore": "web", **form.document()}},
            **forming.fields(form),
        }
    )


@given(FORMS)
def test_form_that_is_let_through_is_one_for_schema_compiler_and_agent(form):
    if forming.fault(form):
        return
    form, _ = forming.judged(form)
    assert not forming.judged(form)[1]
    spec = spec_of(form)
    compiling.check(spec)
    document = compiling.pipeline(META, spec, ("web", STORE), TARGET)
    pipeline = plan.resolve(document, name="p", namespace="x", generation=1)
    assert pipeline.opt_in is not None
    assert pipeline.opt_in.form.document() == form.document()
    assert (pipeline.files is not None) == bool(form.files)


@given(FORMS, FORMS)
def test_forms_have_one_name_each_and_the_plain_one_none(one, other):
    assert (forming.suffix(one) == forming.suffix(other)) == (one == other)
    assert not forming.suffix(forming.PLAIN)


@given(FORMS)
def test_form_is_read_as_it_was_written(form):
    written = forming.read({"logstore": "web", **form.document()})
    assert sorted(written.files) == sorted(form.files)
    assert (written.include, written.exclude) == (form.include, form.exclude)


def test_presets_and_parsers_are_a_logconfigs_own():
    annotation = configs.Multiline.model_fields["preset"].annotation
    presets = {word for each in get_args(annotation) for word in get_args(each)}
    assert presets == forming.PRESETS


@pytest.mark.parametrize(("parser", "key"), [("", "content"), ("json", "__raw__")])
def test_filters_ask_for_the_line_as_it_was_written(parser, key):
    found = forming.fields(forming.Form(parser=parser, include=("a",), exclude=("b", "c")))
    assert found["processors"][:3] == [
        {"filter": {"include": {key: "a"}}},
        {"filter": {"exclude": {key: "b"}}},
        {"filter": {"exclude": {key: "c"}}},
    ]
    assert found.get("keepRaw", False) == bool(parser)


def test_older_agents_are_told_of_nothing_that_they_do_not_know():
    document = compiling.pipeline(META, spec_of(forming.PLAIN), ("web", STORE), TARGET)
    known = {"logstore", "projects", "via", "unnamed"}
    assert document["select"]["optIn"].keys() == known


VALUES = st.text("^[a_=,(\n", max_size=12) | st.sampled_from(("json", "Java", "team=shop", "^a"))
KEYS = st.sampled_from(("parser", "multiline", "tags", "files", "stdout", "nonsense", "logstore"))


@given(st.dictionaries(KEYS.map("loghub.dev/{}".format), VALUES), FORMS)
def test_what_a_namespace_says_never_spoils_an_opt_in(annotations, form):
    inherited, faults = inheriting.read(annotations)
    if not forming.fault(form):
        over = inherited.over(forming.judged(form)[0])
        assert not forming.fault(over)
        assert not forming.judged(over)[1]
        assert inherited.over(form).files == form.files
    for key in ("files", "stdout", "nonsense"):
        said = [each for each in faults if each.startswith(f"loghub.dev/{key} ")]
        assert bool(said) == (f"loghub.dev/{key}" in annotations)


def test_own_word_wins_over_the_namespaces():
    inherited, faults = inheriting.read(
        {"loghub.dev/parser": "json", "loghub.dev/multiline": "^a", "other/tags": "x"}
    )
    assert not faults
    own = forming.Form(multiline="Java")
    assert inherited.over(own) == forming.Form(parser="json", multiline="Java")
    assert inherited.over(forming.PLAIN).multiline == "start:^a"
