"""Opt-in annotations as the report names them."""

from loghub_agent import optins, planning, pods


def seen(make_pod, *annotated, gone=False):
    return optins.seen(
        planning.Resident(make_pod(name, namespace, annotations=annotations), gone=gone)
        for namespace, name, annotations in annotated
    )


def test_pods_with_the_same_opt_in_are_one_entry(make_pod):
    logstore = {pods.LOGSTORE: "web"}
    assert seen(make_pod, ("shop", "b", logstore), ("shop", "a", logstore)) == [
        {"namespace": "shop", "logstore": "web", "project": "", "pods": ["a", "b"]}
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


def test_deleted_pod_keeps_its_opt_in_while_it_drains(make_pod):
    assert seen(make_pod, ("shop", "a", {pods.LOGSTORE: "web"}), gone=True)


def test_lists_are_bounded(make_pod):
    many_pods = [("shop", f"p{n}", {pods.LOGSTORE: "web"}) for n in range(9)]
    assert seen(make_pod, *many_pods)[0]["pods"] == [f"p{n}" for n in range(5)]
    many_stores = [("shop", f"p{n}", {pods.LOGSTORE: f"s{n}"}) for n in range(501)]
    assert len(seen(make_pod, *many_stores)) == 500
