"""The core's plan: the contract's shape, default tags, and what is counted for the report."""

import json

from loghub_agent import planning, pods


def build(pipelines, *residents):
    plan = planning.build(pipelines, residents, pods_dir="/var/log/pods", node="node-1")
    return plan, json.loads(plan.text)["pipelines"]


def test_source_has_the_contracts_shape(make_pipeline, make_pod):
    pod = make_pod(labels={"app": "shop"})
    pipeline = make_pipeline(
        generation=3,
        tags={"static": {"team": "a"}, "podLabels": {"app": "_app_", "no": "_no_"}},
        input={"stdout": {"streams": ["Stderr"]}},
    )
    _, [entry] = build([pipeline], planning.Resident(pod))
    assert entry["name"] == "orders"
    assert entry["generation"] == 3
    [source] = entry["sources"]
    assert source == {
        "id": "uid-of-shop-orders-1/app",
        "dir": "/var/log/pods/shop_orders-1_uid-of-shop-orders-1/app",
        "source": "10.1.2.3",
        "tags": [
            ["_namespace_", "shop"],
            ["_pod_name_", "orders-1"],
            ["_pod_uid_", "uid-of-shop-orders-1"],
            ["_container_name_", "app"],
            ["_image_name_", "shop.local/app:1"],
            ["_container_ip_", "10.1.2.3"],
            ["_node_name_", "node-1"],
            ["_app_", "shop"],
            ["team", "a"],
        ],
        "ended": False,
        "streams": ["stderr"],
    }


def test_pod_without_address_has_the_node_as_source(make_pipeline, make_pod):
    _, [entry] = build([make_pipeline()], planning.Resident(make_pod(ip="")))
    assert entry["sources"][0]["source"] == "node-1"
    assert "_container_ip_" not in dict(entry["sources"][0]["tags"])


def test_configured_tag_wins_over_a_default_one(make_pipeline, make_pod):
    pipeline = make_pipeline(tags={"static": {"_node_name_": "mine"}})
    _, [entry] = build([pipeline], planning.Resident(make_pod()))
    assert dict(entry["sources"][0]["tags"])["_node_name_"] == "mine"


def test_pipeline_without_containers_is_in_the_plan(make_pipeline):
    plan, [entry] = build([make_pipeline()])
    assert entry["sources"] == []
    assert "orders" not in plan.matches


def test_deleted_pod_is_in_the_plan_and_not_counted(make_pipeline, make_pod):
    plan, [entry] = build(
        [make_pipeline()],
        planning.Resident(make_pod("a")),
        planning.Resident(make_pod("b"), ended=True, gone=True),
    )
    assert [source["ended"] for source in entry["sources"]] == [False, True]
    assert plan.matches["orders"] == planning.Match(1, 1, ["shop/a"])


def test_live_pod_wins_over_a_deleted_one_with_the_same_directory(make_pipeline, make_pod):
    old, new = (make_pod("etcd", uid=uid, log_uid="hash") for uid in ("old", "new"))
    plan, [entry] = build(
        [make_pipeline()],
        planning.Resident(old, ended=True, gone=True),
        planning.Resident(new),
    )
    assert [source["ended"] for source in entry["sources"]] == [False]
    assert plan.sources == {"new": (("orders", "hash/app"),), "old": ()}


def test_samples_are_five_and_counts_are_complete(make_pipeline, make_pod):
    containers = (pods.Container("a", ""), pods.Container("b", ""))
    residents = [planning.Resident(make_pod(f"p{n}", containers=containers)) for n in range(9)]
    plan, _ = build([make_pipeline()], *residents)
    match = plan.matches["orders"]
    assert (match.pods, match.containers) == (9, 18)
    assert match.samples == [f"shop/p{n}" for n in range(5)]


def test_equal_situations_give_equal_text(make_pipeline, make_pod):
    pipelines = [make_pipeline("a"), make_pipeline("b")]
    residents = [planning.Resident(make_pod(f"p{n}")) for n in range(4)]
    assert build(pipelines, *residents)[0].text == build(pipelines[::-1], *residents[::-1])[0].text


def test_text_with_quotes_and_any_unicode_stays_json(make_pipeline, make_pod):
    odd = 'a"\\ü\U0001f600'
    pipeline = make_pipeline(tags={"static": {"odd": odd}})
    _, [entry] = build([pipeline], planning.Resident(make_pod()))
    assert dict(entry["sources"][0]["tags"])["odd"] == odd


def test_files_of_the_node_are_one_source_and_take_no_pod(make_pipeline, make_pod):
    files = {"nodeFiles": {"paths": ["/var/log/**/*.log"], "exclude": ["/var/log/x"]}}
    pipeline = make_pipeline(input=files, tags={"static": {"team": "a"}})
    plan = planning.build(
        [pipeline],
        [planning.Resident(make_pod())],
        pods_dir="/var/log/pods",
        node="node-1",
        root="/host",
    )
    [entry] = json.loads(plan.text)["pipelines"]
    assert entry["sources"] == [
        {
            "id": "node",
            "dir": "",
            "streams": [],
            "source": "node-1",
            "tags": [["__hostname__", "node-1"], ["_node_name_", "node-1"], ["team", "a"]],
            "ended": False,
            "files": {
                "mounts": [{"at": "/", "dir": "/host"}],
                "paths": ["/var/log/**/*.log"],
                "exclude": ["/var/log/x"],
                "maxDepth": 10,
                "encoding": "UTF8",
                "tailBytes": None,
                "linksAnywhere": False,
            },
        }
    ]
    assert plan.matches == {}
