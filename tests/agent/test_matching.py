"""Matching of pods and containers against a naive reading of the contract."""

from hypothesis import given
from hypothesis import strategies as st

from loghub_agent import planning, pods

NAMES = st.sampled_from(["shop", "web", "db"])
CONTAINERS = st.sampled_from(["app", "proxy", "init"])
LABELS = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["a", "b"]))
ANNOTATIONS = st.dictionaries(
    st.sampled_from([pods.LOGSTORE, pods.EXCLUDE]), st.sampled_from(["orders", "true", "false"])
)
SELECTS = st.fixed_dictionaries(
    {},
    optional={
        "namespaces": st.lists(NAMES, max_size=2),
        "excludeNamespaces": st.lists(NAMES, max_size=2),
        "podLabels": st.fixed_dictionaries({"matchLabels": LABELS}),
        "podAnnotations": ANNOTATIONS,
        "containerNames": st.lists(CONTAINERS, max_size=2),
        "excludeContainerNames": st.lists(CONTAINERS, max_size=2),
    },
)
UNKNOWN = st.none()
PODS = st.fixed_dictionaries(
    {
        "namespace": NAMES,
        "labels": LABELS | UNKNOWN,
        "annotations": ANNOTATIONS | UNKNOWN,
        "containers": st.lists(CONTAINERS, unique=True, max_size=3).map(
            lambda names: tuple(pods.Container(name, "") for name in names)
        ),
    }
)


def contains(wanted, found):
    """An empty demand asks nothing; one that asks is never met by what nobody knows."""
    if not wanted:
        return True
    return found is not None and wanted.items() <= found.items()


def naive(select, pod, container):
    if (pod.annotations or {}).get("loghub.dev/exclude") == "true":
        return False
    namespaces = select.get("namespaces") or [pod.namespace]
    if pod.namespace not in set(namespaces) - set(select.get("excludeNamespaces", [])):
        return False
    if not contains(select.get("podLabels", {}).get("matchLabels"), pod.labels):
        return False
    if not contains(select.get("podAnnotations"), pod.annotations):
        return False
    if container in select.get("excludeContainerNames", []):
        return False
    names = select.get("containerNames")
    return not names or container in names


@given(st.lists(SELECTS, max_size=4), PODS)
def test_any_container_goes_to_the_pipelines_that_the_naive_model_names(
    make_pipeline, make_pod, selects, changes
):
    pod = make_pod(**changes)
    pipelines = [
        make_pipeline(f"p{number}", select=select) for number, select in enumerate(selects)
    ]
    plan = planning.build(
        pipelines, [planning.Resident(pod)], pods_dir="/var/log/pods", node="node-1"
    )
    expected = {
        (f"p{number}", f"{pod.log_uid}/{container.name}")
        for number, select in enumerate(selects)
        for container in pod.containers
        if naive(select, pod, container.name)
    }
    assert set(plan.sources[pod.uid]) == expected
