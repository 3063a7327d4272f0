"""`loghub diff` against a real API server: specs, selections, and what the rules refuse."""

import json

import pytest
import yaml

from stage import workloads

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(240)]


def selecting(app: str) -> dict:
    return {"selector": {"podLabels": {"matchLabels": {"app": app}}}}


@pytest.fixture
def shop(apply, namespace):
    """A namespace with two pods and a LogConfig that takes one of them."""
    apply({"apiVersion": "v1", "kind": "ServiceAccount",
           "metadata": {"name": "default", "namespace": namespace}})  # fmt: skip
    apply(
        workloads.project("app", namespace, projectName=namespace),
        workloads.store("lines", namespace, "app"),
        workloads.config("web", namespace, "lines", **selecting("web")),
        *(
            workloads.pod(name, namespace, ["true"], labels={"app": name}, node="n")
            for name in ("web", "orders")
        ),
    )
    return namespace


@pytest.fixture
def diff(shop, loghub, tmp_path):
    def run(*configs: dict, output: str = "text"):
        path = tmp_path / "configs.yaml"
        path.write_text(yaml.safe_dump_all(configs))
        return loghub("diff", "-f", str(path), "-n", shop, "-o", output)

    return run


def test_the_same_changes_nothing(shop, diff):
    done = diff(workloads.config("web", shop, "lines", **selecting("web")))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"LogConfig {shop}/web: nothing would change\n"


def test_another_selector_says_which_containers_come_and_go(shop, diff):
    done = diff(workloads.config("web", shop, "lines", **selecting("orders")))
    assert done.returncode == 1, done.stderr
    assert f"LogConfig {shop}/web: changed" in done.stdout
    assert "  -      app: web" in done.stdout
    assert "  +      app: orders" in done.stdout
    assert "  would take    orders/app" in done.stdout
    assert "  would let go  web/app" in done.stdout


def test_a_new_one_takes_all_that_it_selects(shop, diff):
    done = diff(workloads.config("all", shop, "lines"), output="json")
    assert done.returncode == 1, done.stderr
    [found] = json.loads(done.stdout)
    assert found["new"] is True
    assert found["takes"] == ["orders/app", "web/app"]
    assert found["lets_go"] == []


def test_what_the_definitions_refuse_is_said_in_their_words(shop, diff):
    done = diff(workloads.config("bad", shop, "lines", parser={"json": {}, "syslog": {}}))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "set exactly one of" in done.stderr


def test_other_kinds_are_left_to_kubectl(shop, diff):
    done = diff(workloads.store("lines", shop, "app"))
    assert done.returncode == 1
    assert "holds no LogConfig" in done.stderr
    assert "kubectl diff" in done.stderr
