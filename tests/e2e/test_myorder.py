"""examples/myorder on a real cluster, as its README says: every store fills, lines as fields."""

import pytest
import yaml

from stage import pages, release, waiting
from stage.kubernetes import ROOT, condition

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]

NAMESPACE = "myorder"
EXAMPLE = ROOT / "examples" / "myorder"
FIELD = {
    "wechat-server": "request_uri",
    "wechat-app": "methodName",
    "alipay-server": "request_uri",
    "alipay-app": "methodName",
    "server-access": "request_uri",
    "server-app": "trace_id",
    "coupon": "source",
    "pay": "result",  # by the program in C
    "deliver-app": "hostname",
    "order": "state",
    "web-click": "click",
    "delivery": "cook_seconds",
}
"""Logstore to a field that only a parsed record has. The two error stores fill by chance alone."""
OWN = ("myorder", "myorder-core")
"""The example's own images."""


@pytest.fixture(scope="module")
def example(installed):
    """The example applied; its own images have the tag of this work tree."""
    text = installed.kubectl("kustomize", str(EXAMPLE))
    objects = [each for each in yaml.safe_load_all(text) if each]
    for each in objects:
        if each["kind"] == "Deployment":
            for container in each["spec"]["template"]["spec"]["containers"]:
                name = container["image"].removeprefix("loghub.local/").partition(":")[0]
                if name in OWN:
                    container["image"] = f"loghub.local/{name}:{release.image_tag()}"
    installed.apply(*objects)
    yield installed
    installed.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_every_store_of_the_example_fills_with_fields(example, service):
    for name in ("orders", "clicks", "phases", "wechat", "deliver", "core", "pay", "web"):
        example.kubectl(
            "-n", NAMESPACE, "rollout", "status", f"deployment/{name}", "--timeout=180s"
        )
    for store in FIELD:

        def ready(store: str = store) -> bool:
            found = example.get("logstore", store, NAMESPACE)
            return condition(found, "Ready").get("status") == "True"

        waiting.until(f"LogStore {store} is ready", ready, seconds=120, every=1)
    for store, field in FIELD.items():

        def filled(store: str = store, field: str = field) -> bool:
            return service.has_field(store, field, project="myorder", namespace=NAMESPACE)

        # The first order is delivered within two minutes of its visit.
        waiting.until(f"a record of {store} with {field}", filled, seconds=300, every=2)
    # What only the Java program's appender writes; its trace log is what FIELD looked at.
    waiting.until(
        "a record by the Logback appender",
        lambda: service.has_field("server-app", "location", project="myorder", namespace=NAMESPACE),
        seconds=120,
        every=2,
    )
    where = f"/api/v1/namespaces/{NAMESPACE}/services/shop:http/proxy/"
    assert "I Want Take-away" in example.kubectl("get", "--raw", where)
    assert "class" in example.kubectl("get", "--raw", f"{where}sdk/web-track-browser.es.js")


def test_commands_of_the_examples_page_do_what_it_says(example, tmp_path):
    [apply, *rest] = [words for each in pages.blocks("shop") for words in each.commands]
    assert apply == "kubectl apply -k examples/myorder"  # which the fixture did, with these images
    example.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/web", "--timeout=180s")
    for command in rest:
        status, said = pages.run(command, tmp_path, example.environment())
        # `status` may have found something that is not well yet.
        well = status == 0 or (
            status == 1 and "\nloghub: " not in f"\n{said}" and "status" in command
        )
        assert well, f"{command}\n{said[-2000:]}"
