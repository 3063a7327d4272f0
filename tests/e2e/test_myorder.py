"""examples/myorder on a real cluster, as its README says: every store fills, lines as fields."""

import pytest
import yaml

from stage import release, waiting
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
    "pay": "result",
    "deliver-app": "hostname",
    "order": "state",
    "web-click": "click",
    "delivery": "cook_seconds",
}
"""Logstore to a field that only a parsed record has. The two error stores fill by chance alone."""


@pytest.fixture
def example(installed):
    """The example applied; `loghub.local/myorder` has the tag of this work tree."""
    text = installed.kubectl("kustomize", str(EXAMPLE))
    image = f"loghub.local/myorder:{release.image_tag()}"
    objects = [each for each in yaml.safe_load_all(text) if each]
    for each in objects:
        if each["kind"] == "Deployment":
            for container in each["spec"]["template"]["spec"]["containers"]:
                if container["image"].startswith("loghub.local/myorder:"):
                    container["image"] = image
    installed.apply(*objects)
    yield installed
    installed.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_every_store_of_the_example_fills_with_fields(example, service):
    for name in ("orders", "clicks", "phases", "wechat", "deliver"):
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
