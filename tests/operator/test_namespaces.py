"""Which namespaces a ClusterLogConfig takes, against a naive reading of its fields."""

import fnmatch

from hypothesis import given
from hypothesis import strategies as st

from loghub_operator import namespaces
from loghub_operator.resources import cluster_configs

OWN = "loghub-system"
NAMES = st.sampled_from(["shop-eu", "shop-us", "db", "web", OWN])
PATTERNS = st.sampled_from(["shop-*", "?b", "*", "web", "loghub-*"])
LABELS = st.dictionaries(st.sampled_from(["team", "env"]), st.sampled_from(["a", "b"]))
WANTED = st.fixed_dictionaries(
    {},
    optional={
        "names": st.lists(NAMES, max_size=2),
        "patterns": st.lists(PATTERNS, max_size=2),
        "labels": st.fixed_dictionaries({"matchLabels": LABELS}),
        "exclude": st.lists(PATTERNS, max_size=1),
    },
)
KNOWN = st.dictionaries(NAMES, st.tuples(LABELS, st.booleans()))


def taken_by(scope, name):
    return (not scope.taken or name in scope.taken) and name not in scope.left_out


def naive(wanted, name, labels, excluded):
    named = wanted.get("names", []) + wanted.get("patterns", [])
    if named and not any(fnmatch.fnmatchcase(name, each) for each in named):
        return False
    if name == OWN and OWN not in wanted.get("names", []):
        return False
    if excluded or any(fnmatch.fnmatchcase(name, each) for each in wanted.get("exclude", [])):
        return False
    return wanted.get("labels", {}).get("matchLabels", {}).items() <= labels.items()


@given(WANTED, KNOWN)
def test_scope_is_what_the_fields_say(wanted, known):
    objects = [
        {
            "metadata": {
                "name": name,
                "labels": labels,
                "annotations": {"loghub.dev/exclude": "true"} if excluded else {},
            }
        }
        for name, (labels, excluded) in known.items()
    ]
    spec = cluster_configs.Namespaces.model_validate(wanted)
    found = namespaces.scope(spec, objects, own=OWN)
    for name, (labels, excluded) in known.items():
        assert taken_by(found, name) == naive(wanted, name, labels, excluded), name


def test_names_alone_hold_for_a_namespace_that_is_not_there_yet():
    spec = cluster_configs.Namespaces.model_validate({"names": ["later"]})
    assert namespaces.scope(spec, [], own=OWN).taken == ("later",)


def test_selector_that_fits_none_takes_none():
    spec = cluster_configs.Namespaces.model_validate({"patterns": ["x*"]})
    assert namespaces.scope(spec, [], own=OWN).taken == (namespaces.NOWHERE,)
