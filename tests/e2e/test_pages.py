"""Every command of the pages that needs a cluster, as it stands there; the five-minute start first.

What a reader fills in (AGENT, POD, ...) is filled in, and images come from this work tree: nothing
else is changed. `stage.pages` says which blocks these are.
"""

import re
import time

import pytest
import yaml

from stage import pages, release, waiting, workloads
from stage.kubernetes import ROOT, condition

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(900)]

START = "docs/start.md"
STARTED = "default"
"""Where the five-minute start collects its workload."""
PRINTING = """
import itertools, time
for n in itertools.count():
    print("error", n, flush=True)
    time.sleep(1)
"""
JUDGES = re.compile(
    r"kubectl loghub (status|explain|matches|stores|agents|test|diff|logs|search)|kubectl diff"
)
"""Exit with 1 where something is not well or differs: an answer, unless it begins `loghub:`."""
BESIDE = {
    "--previous": "previous terminated container",
    " top pod": "Metrics API not available",
}
"""Commands that a healthy cluster without metrics-server answers so."""
NGINX = '10.0.0.1 - - [25/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8"\n'

WALKED = sorted({each.page for each in pages.blocks("cluster")} - {START})


def ran(cluster, command: str, folder) -> str:
    """Run a command of a page, and hold it to its exit status."""
    status, said = pages.run(command, folder, cluster.environment())
    if status == 1 and JUDGES.search(command) and not re.search(r"(?m)^loghub: ", said):
        return said
    if status == 1 and "grep" in command:
        return said  # No such line, which is good news.
    for mark, answer in BESIDE.items():
        if mark in command and answer in said:
            return said
    assert status == 0, f"{command}\n{said[-3000:]}"
    return said


def manifests(page: str) -> list[dict]:
    """The objects that a page shows, as they can run here: images come from no registry."""
    found = []
    for block in pages.blocks("yaml"):
        if block.page != page:
            continue
        shown = [each for each in yaml.safe_load_all(block.text) if each and "kind" in each]
        found += [each for each in shown if each["kind"] != "LogPipeline"]
    for each in found:
        spec = each["spec"].get("template", each).get("spec", {})
        for container in spec.get("containers", []):
            container["image"] = workloads.IMAGE
            container["command"] = ["python3", "-c", PRINTING]
    return found


def apply(cluster, objects: list[dict]) -> None:
    for name in {each["metadata"].get("namespace", "") for each in objects} - {"", "default"}:
        if cluster.get("namespace", name) is None:
            cluster.add_namespace(workloads.namespace(name))
    if objects:
        cluster.apply(*objects)
    for each in objects:
        if each["kind"] == "LogStore":
            place = ("logstore", each["metadata"]["name"], each["metadata"]["namespace"])
            waiting.until(f"{place} is ready", lambda place=place: _ready(cluster, *place))


def _ready(cluster, kind: str, name: str, namespace: str) -> bool:
    found = cluster.get(kind, name, namespace)
    return bool(condition(found, "Ready").get("status") == "True")


def test_the_five_minute_start_is_that(installed, tmp_path, record_property):
    release.uninstall(installed)
    (tmp_path / "charts").symlink_to(ROOT / "charts")
    began = time.monotonic()
    try:
        for block in pages.blocks():
            if block.page != START:
                continue
            if block.language == "yaml":
                (tmp_path / "web.yaml").write_text(yaml.safe_dump_all(manifests(START)))
                continue
            for command in block.commands:
                line = command
                if line.startswith("helm install"):
                    line += f" --set image.tag={release.image_tag()}"
                if "loghub explain" in line or "loghub search" in line:
                    _collected(installed)
                said = ran(installed, line, tmp_path)
                assert not re.search(r"(?m)^loghub: ", said), (command, said)
        record_property("seconds", round(time.monotonic() - began))
    finally:
        installed.kubectl("delete", "-n", STARTED, "deployment/web", "--ignore-not-found")
        release.install(installed)


def _collected(cluster) -> None:
    """Until what the start's pod prints can be found: a reader looks a second time."""

    def found() -> bool:
        command = f"kubectl loghub search access '* | SELECT count(*) AS n' -o raw -n {STARTED}"
        status, said = pages.run(command, ROOT, cluster.environment())
        return status == 0 and said.strip() not in {"", "0"}

    waiting.until("lines of the start's pod", found, seconds=120, every=2)


@pytest.fixture(scope="module")
def shop(installed):
    """What the pages speak of: the quickstart's shop, a pod `web` that opted in, own keys."""
    for folder in ("quickstart", "own-keys"):
        installed.kubectl("apply", "-f", f"examples/{folder}")
    # The quickstart has a project of that name already; where a project is cannot change.
    apply(installed, [each for each in manifests("README.md") if each["kind"] != "LogProject"])
    apply(installed, manifests("docs/how-to/several-tenants.md"))
    for pod, namespace in (("web", "shop"), ("web", "own-keys")):
        where = ("-n", namespace, "wait", f"pod/{pod}", "--for=condition=Ready", "--timeout=180s")
        installed.kubectl(*where)
    for kind, name, namespace in (
        ("logstore", "access", "shop"),
        ("logstore", "apps", "shop"),
        ("logconfig", "optin-access", "shop"),
        ("logproject", "payments", "payments"),
    ):
        place = (kind, name, namespace)
        waiting.until(
            f"{place} is ready",
            lambda place=place: _ready(installed, *place),
            seconds=120,
            every=1,
        )
    yield installed
    for namespace in ("shop", "own-keys", "payments"):
        installed.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest.mark.parametrize("page", WALKED)
def test_commands_of_a_page_do_what_it_says(shop, page, tmp_path):
    for name in ("charts", "crds", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    if page != "docs/how-to/several-tenants.md":
        apply(shop, [each for each in manifests(page) if each["kind"] != "LogProject"])
    [config] = [
        each for each in manifests("docs/how-to/parse-nginx.md") if each["kind"] == "LogConfig"
    ]
    (tmp_path / "access.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "access.log").write_text(NGINX)
    agents = shop.list("pods", "-n", release.NAMESPACE, "-l", "app.kubernetes.io/component=agent")
    filled = {
        "AGENT": agents[0]["metadata"]["name"],
        "POD": "web",
        "NAMESPACE": "shop",
        "LOGCONFIG": "orders",
        "STORE": "apps",
    }
    for block in pages.blocks("cluster"):
        if block.page != page:
            continue
        for command in block.commands:
            words = re.sub(rf"\b({'|'.join(filled)})\b", lambda found: filled[found[1]], command)
            ran(shop, words, tmp_path)
    # A page may have restarted what the next one asks.
    for each in ("statefulset/loghub-ingest", "deployment/loghub-operator"):
        shop.kubectl("-n", release.NAMESPACE, "rollout", "status", each, "--timeout=180s")
