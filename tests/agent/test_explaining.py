"""What `loghub-agent explain` answers, each sentence for its situation."""

import pytest

from loghub_agent import (
    asking,
    catalog,
    collecting,
    credentials,
    errors,
    explaining,
    inventory,
    pods,
    supervisor,
)

KEY = credentials.Key("id", "secret")
PODS_DIR = "/var/log/pods"


@pytest.fixture
def loop(recording_core):
    made = collecting.Collecting(
        supervisor.Supervisor(recording_core),
        pipelines=catalog.Catalog("loghub"),
        pods_here=inventory.Inventory(lambda: 0.0),
        keys=credentials.Keyring(),
        surroundings=collecting.Surroundings(PODS_DIR, "node-1"),
        clock=lambda: 0.0,
    )
    made.keys.observe("key", KEY)
    return made


@pytest.fixture
def observe(loop, make_spec):
    def observe(name="orders", generation=1, **changes):
        spec = make_spec(**changes)
        version = catalog.read_version(spec, name=name, namespace="loghub", generation=generation)
        loop.catalog.observe(name, version)

    return observe


async def answer(loop, asked):
    await loop.apply()
    await loop.look()
    return explaining.explain(asked, loop, pods_dir=PODS_DIR)


@pytest.mark.parametrize(
    "asked",
    ["shop/orders-1/app", "shop/orders-1", "orders-1", "app", "orders-1/app",
     "/var/log/pods/shop_orders-1_uid-of-shop-orders-1/app/0.log"],
)  # fmt: skip
async def test_container_is_found_by_any_of_its_names(loop, observe, make_pod, asked):
    observe()
    loop.inventory.observe(make_pod())
    said = await answer(loop, asked)
    assert "shop/orders-1/app (on this node)" in said
    assert "taken by   orders (generation 1)" in said
    assert "Reading: its files are followed" in said
    assert "lines that could not be parsed: 4 no_match" in said
    assert "bytes lost: 5 rotated" in said


@pytest.mark.parametrize(
    ("select", "sentence"),
    [
        ({"namespaces": ["pay"]}, "it takes namespaces pay only"),
        ({"containerNames": ["web"]}, "it takes containers called web only"),
        ({"excludeContainerNames": ["app"]}, "it leaves out containers called app"),
        (
            {"podLabels": {"matchLabels": {"app": "shop"}}},
            "label app must be In shop; the pod has 'other'",
        ),
        (
            {"podLabels": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]}},
            "label tier must be Exists; the pod has no such label",
        ),
        (
            {"podAnnotations": {"loghub.dev/logstore": "x"}},
            "annotation loghub.dev/logstore must be 'x'; the pod has another or none",
        ),
    ],
)
async def test_pipeline_that_does_not_take_it_says_which_condition(
    loop, observe, make_pod, select, sentence
):
    observe(select=select)
    loop.inventory.observe(make_pod(labels={"app": "other"}))
    assert f"not by     orders: {sentence}" in await answer(loop, "orders-1")


async def test_excluded_pod_names_its_annotation(loop, observe, make_pod):
    observe()
    loop.inventory.observe(make_pod(annotations={pods.EXCLUDE: "true"}))
    assert "annotation loghub.dev/exclude=true; remove it" in await answer(loop, "orders-1")


async def test_refused_pipeline_and_missing_key_are_told(loop, observe, make_pod):
    observe()
    observe("broken", version=7)
    loop.keys.remove("key")
    loop.inventory.observe(make_pod())
    said = await answer(loop, "orders-1")
    assert "refused    broken: LogPipeline loghub/broken: spec.version is 7" in said
    assert "there are no credentials named key" in said


async def test_unknown_names_and_foreign_paths_say_what_to_ask(loop):
    assert "No container of this node is called 'nobody'" in await answer(loop, "nobody")
    assert "is not below /var/log/pods" in await answer(loop, "/srv/x.log")


def test_no_agent_is_a_sentence_and_a_bad_address_wrong_usage():
    with pytest.raises(errors.AgentError, match=r"no agent answers at 127.0.0.1:1: .*--admin"):
        asking.explain("x", "127.0.0.1:1")
    for admin in ("nowhere", "http://h", "https://h:1", "h:x"):
        with pytest.raises(errors.UsageError, match="--admin"):
            asking.explain("x", admin)


async def test_file_of_the_node_is_explained_by_the_pipelines_that_read_files(loop, observe):
    observe(
        "system", input={"nodeFiles": {"paths": ["/var/log/*.log"], "exclude": ["/var/log/x*"]}}
    )
    observe("containers")
    said = await answer(loop, "/var/log/app.log")
    assert "taken by   system (generation 1)" in said
    assert "Reading: its files are followed" in said
    assert "containers" not in said
    said = await answer(loop, "/var/log/x.log")
    assert "not by     system: input.exclude leaves out /var/log/x.log" in said
    said = await answer(loop, "/srv/a.log")
    assert "not by     system: no path of input.paths means it" in said
