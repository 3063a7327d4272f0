"""The command explains by the same rules that the agent and the operator decide by."""

from hypothesis import given
from hypothesis import strategies as st

from loghub_agent import forms, hearing, matching, paths, pods, wishes
from loghub_agent.config import selectors
from loghub_cli import asking, granting, selecting
from loghub_operator.reconciling import granting as operator_granting
from loghub_operator.resources import model

WORDS = st.sampled_from(["a", "b", "c"])
LABELS = st.dictionaries(WORDS, WORDS, max_size=3)
EXPRESSION = st.one_of(
    st.fixed_dictionaries(
        {"key": WORDS, "operator": st.sampled_from(["In", "NotIn"]), "values": st.lists(WORDS)}
    ),
    st.fixed_dictionaries({"key": WORDS, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)
SELECTOR = st.fixed_dictionaries(
    {}, optional={"matchLabels": LABELS, "matchExpressions": st.lists(EXPRESSION, max_size=3)}
)


@given(SELECTOR, LABELS)
def test_labels_are_selected_as_the_operator_and_the_agent_select_them(selector, labels):
    explained = selecting.selects(selector, labels)
    assert explained == model.LabelSelector.model_validate(selector).matches(labels)
    required = [
        selectors.Requirement(each["key"], each["operator"], frozenset(each.get("values", ())))
        for each in selector.get("matchExpressions", [])
    ]
    required += selectors.from_labels(selector.get("matchLabels", {}))
    assert explained == selectors.LabelSelector(tuple(required)).matches(labels)


KEYS = st.sampled_from(
    [f"{prefix}loghub.dev/{key}" for prefix in ("", "a.") for key in ("logstore", "project")]
    + [f"{prefix}loghub.dev/{key}" for prefix in ("", "a.") for key in ("exclude", "stdout")]
    + [f"{prefix}loghub.dev/{key}" for prefix in ("", "a.") for key in ("files", "multiline")]
    + ["loghub.dev/parser"]
)
VALUES = st.sampled_from(
    [
        *("web", "true", "false", "stdout", "stdout-only", "/x.log", "", " web ", "json", "Java"),
        *("^a", "x.log", "/x.log,../y", "/y/*.log , /x.log,/x.log", "/", "start:", "FALSE"),
    ]
)
VARIABLES = st.sampled_from(
    [f"{prefix}_logs_{key}" for prefix in ("aliyun", "loong") for key in ("web", "web_ttl", "B")]
    + [f"{prefix}_logs_web_{key}" for prefix in ("aliyun", "loong") for key in ("logstore", "x")]
    + ["aliyun_logs_web_jsonfile", "loong_logs_web_dockerfile"]
    + ["loong_logs_web_project", "aliyun_logs_web_project", "aliyun_logs_orders", "PATH"]
)
OPT_IN = st.fixed_dictionaries(
    {"logstore": st.sampled_from(["web", "true", "orders"])},
    optional={
        "projects": st.lists(VALUES, min_size=1, max_size=2),
        "via": st.lists(st.sampled_from(["Annotation", "Environment"]), min_size=1, max_size=1),
        "unnamed": st.booleans(),
        "withoutStore": st.booleans(),
        "otherNames": st.just(["web"]),
        "files": st.sampled_from([[], ["/x.log"], ["/x.log", "/y/*.log"]]),
        "parser": st.sampled_from(["", "json"]),
        "multiline": st.sampled_from(["", "Java", "start:^a"]),
    },
)


@given(st.dictionaries(KEYS, VALUES), st.dictionaries(VARIABLES, VALUES), OPT_IN)
def test_own_keys_are_read_as_the_agent_reads_them(annotations, variables, opt_in):
    env = [{"name": name, "value": value} for name, value in variables.items()]
    pod = {
        "metadata": {"name": "p", "namespace": "n", "uid": "u", "annotations": annotations},
        "spec": {"containers": [{"name": "a", "image": "", "env": env}, {"name": "b"}]},
    }
    said, _ = hearing.heard(pods.from_object(pod))
    agents = wishes.OptIn(
        opt_in["logstore"],
        frozenset(opt_in.get("projects", [""])),
        frozenset(opt_in.get("via", wishes.VIAS)),
        opt_in.get("unnamed", False),
        opt_in.get("withoutStore", False),
        forms.Form(
            tuple(opt_in.get("files", ())), opt_in.get("parser", ""), opt_in.get("multiline", "")
        ),
        frozenset(opt_in.get("otherNames", ())),
    )
    for name, own in said.items():
        assert asking.excluded(pod, name) == own.excluded
        assert asking.meant(opt_in, pod, name) == bool(wishes.granted(agents, own))


@given(
    st.lists(st.text("ab*?[]-!{}\\.~ \n", max_size=5) | st.sampled_from(["**", "..", "proc"])),
    st.booleans(),
)
def test_paths_are_good_as_the_agent_finds_them_good(names, rooted):
    path = "/" * rooted + "/".join(names)
    assert asking.is_path(path) == (not paths.fault(path))


class Containers:
    """The part of a pipeline that `matching.takes_container` looks at."""

    def __init__(self, names, excluded):
        self.container_names, self.exclude_container_names = names, excluded
        self.opt_in, self.excludes_by_default = None, False


@given(st.lists(WORDS), st.lists(WORDS), WORDS)
def test_containers_are_taken_as_the_agent_takes_them(names, excluded, container):
    selector = {"containerNames": names, "excludeContainerNames": excluded}
    taken = matching.takes_container(Containers(names, excluded), container, wishes.SILENT)
    assert taken == (not selecting.container_fault(selector, container))


@given(st.text(alphabet="aZ9-_./\n", max_size=66))
def test_names_are_refused_as_the_operator_passes_them_over(name):
    # The operator's own first condition in `World.grant`.
    passed_over = not operator_granting._LOGSTORE.fullmatch(name)
    around = granting.Surroundings([], [], [], {})
    refused = granting.refusal({granting.LOGSTORE: name}, "shop", around)
    assert ("is no name" in refused) == passed_over
