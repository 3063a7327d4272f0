"""LabelSelector semantics against a naive model written from the Kubernetes documentation."""

from hypothesis import given
from hypothesis import strategies as st

from loghub_agent.config import raw, selectors

KEYS = st.sampled_from(["app", "tier", "env"])
VALUES = st.sampled_from(["web", "api", "prod", ""])
LABELS = st.dictionaries(KEYS, VALUES)
EXPRESSIONS = st.one_of(
    st.fixed_dictionaries(
        {"key": KEYS, "operator": st.sampled_from(["In", "NotIn"]),
         "values": st.lists(VALUES, min_size=1)}
    ),
    st.fixed_dictionaries({"key": KEYS, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)  # fmt: skip
SELECTORS = st.fixed_dictionaries(
    {}, optional={"matchLabels": LABELS, "matchExpressions": st.lists(EXPRESSIONS, max_size=4)}
)


def naive(document, labels):
    """The semantics word by word: every label equal, every expression true."""
    for key, value in document.get("matchLabels", {}).items():
        if key not in labels or labels[key] != value:
            return False
    for expression in document.get("matchExpressions", []):
        key, operator = expression["key"], expression["operator"]
        if operator == "In" and not (key in labels and labels[key] in expression["values"]):
            return False
        if operator == "NotIn" and key in labels and labels[key] in expression["values"]:
            return False
        if operator == "Exists" and key not in labels:
            return False
        if operator == "DoesNotExist" and key in labels:
            return False
    return True


def read(document):
    destination = {
        "endpoint": "http://h", "project": "p", "logstore": "l", "signature": "V1",
        "credentialsSecret": "k",
    }  # fmt: skip
    spec = {
        "version": 1,
        "destination": destination,
        "select": {"podLabels": document},
        "input": {"stdout": {}},
    }
    return raw.read(spec, subject="LogPipeline x").select.pod_labels


@given(SELECTORS, LABELS)
def test_any_selector_matches_as_the_naive_model_says(document, labels):
    assert read(document).matches(labels) == naive(document, labels)


@given(LABELS)
def test_empty_selector_matches_everything(labels):
    assert selectors.LabelSelector().matches(labels)
