"""The index of reports: always as if it were made anew, and right about what changed."""

from hypothesis import given
from hypothesis import strategies as st

from loghub_operator import reporting

SYSTEM = "loghub-system"
ENTRIES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.fixed_dictionaries({"pods": st.integers(0, 2), "state": st.sampled_from(["Failed", "Ok"])}),
)
REPORTS = st.tuples(
    st.sampled_from(["n1", "n2", "n3"]), st.one_of(st.none(), st.tuples(st.integers(0, 5), ENTRIES))
)


def report(node, version=0, entries=(), namespace=SYSTEM, **more):
    listed = [{"name": name, **entry} for name, entry in dict(entries).items()]
    said = {"node": node, "pipelinesVersion": str(version), "pipelines": listed, **more}
    return {"metadata": {"name": node, "namespace": namespace}, "report": said}


def picture(found):
    return (
        {name: dict(found.of(name)) for name in ("a", "b", "c")},
        [found.up_to(version) for version in range(7)],
        list(found.all()),
    )


@given(st.lists(REPORTS, max_size=30))
def test_index_is_as_if_it_were_made_anew_and_knows_what_changed(steps):
    index, current = reporting.Reports(SYSTEM), {}
    for node, said in steps:
        before = {name: dict(index.of(name)) for name in ("a", "b", "c")}
        had = len(index)
        if said is None:
            current.pop(node, None)
            index.drop(report(node))
        else:
            current[node] = report(node, *said)
            index.put(current[node])
        changes = index.changes()
        moved = {name for name in before if before[name] != dict(index.of(name))}
        assert moved == changes.pipelines
        assert changes.nodes == (len(index) != had)
    fresh = reporting.Reports(SYSTEM)
    fresh.replace(current.values())
    assert picture(index) == picture(fresh)


def test_versions_taken_up_are_told_once():
    index = reporting.Reports(SYSTEM)
    index.put(report("n1", 10))
    index.put(report("n2", 20))
    index.changes()
    index.put(report("n1", 25))
    index.put(report("n2", 30))
    assert index.changes().versions == (10, 30)
    assert index.changes().versions is None


def test_opt_ins_are_news_when_they_change():
    index = reporting.Reports(SYSTEM)
    index.put(report("n1"))
    assert not index.changes().opt_ins
    asked = [{"namespace": "shop", "logstore": "web"}]
    index.put(report("n1", optIns=asked))
    assert index.changes().opt_ins
    index.put(report("n1", optIns=asked, version=3))
    assert not index.changes().opt_ins


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_nonsense_in_a_report_is_no_number(nonsense):
    index = reporting.Reports(SYSTEM)
    index.put(report("n1", entries={"a": {"pods": nonsense, "samplePods": None}}))
    assert isinstance(index.of("a")["n1"].pods, int)
