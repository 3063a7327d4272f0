"""The command explains by the same rules that the agent and the operator decide by."""

from hypothesis import given
from hypothesis import strategies as st

from loghub_agent import matching
from loghub_agent.config import selectors
from loghub_cli import granting, selecting
from loghub_operator.reconciling import optins
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


class Containers:
    """The part of a pipeline that `matching.takes_container` looks at."""

    def __init__(self, names, excluded):
        self.container_names, self.exclude_container_names = names, excluded


@given(st.lists(WORDS), st.lists(WORDS), WORDS)
def test_containers_are_taken_as_the_agent_takes_them(names, excluded, container):
    selector = {"containerNames": names, "excludeContainerNames": excluded}
    taken = matching.takes_container(Containers(names, excluded), container)
    assert taken == (not selecting.container_fault(selector, container))


@given(st.text(alphabet="aZ9-_./\n", max_size=66))
def test_names_are_refused_as_the_operator_passes_them_over(name):
    # The operator's own first condition in `optins.reconcile`.
    passed_over = not optins._LOGSTORE.fullmatch(name) or "_" in name
    around = granting.Surroundings([], [], [], {})
    refused = granting.refusal({granting.LOGSTORE: name}, "shop", around)
    assert ("is no name" in refused) == passed_over
