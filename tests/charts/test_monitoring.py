"""The alerts and the dashboard speak of metrics that the programs really show."""

import json
import pathlib
import re
import subprocess
import sys
import urllib.request

import promql_parser
import pytest
import yaml

from stage import waiting

ROOT = pathlib.Path(__file__).parents[2]
MONITORING = ROOT / "charts" / "loghub" / "monitoring"
RUNBOOKS = ROOT / "docs" / "runbooks"
FOREIGN = frozenset(
    ("up", "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes")
)
"""Prometheus' own, and the kubelet's."""

OPERATOR = """
import loghub_operator.running, prometheus_client
print(prometheus_client.generate_latest().decode())
"""
WATCHES = """
from loghub_agent import metrics
shown = metrics.Exposition()
shown.add(lambda: metrics.watch_families([metrics.WatchNumbers("pods", 1, 1, 0.0)]))
print(shown.render().decode())
"""
"""What only an agent in a cluster has; the rest is scraped from one that runs."""


def printed(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    return done.stdout.decode()


def names(exposition: str) -> set[str]:
    """Every series that an exposition's families can have."""
    found = set()
    for name, kind in re.findall(r"(?m)^# TYPE (\S+) (\S+)$", exposition):
        found.add(name)
        if kind == "histogram":
            found |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return found


@pytest.fixture(scope="module")
def known(chain) -> set[str]:
    """The series of the three programs: service and agent as processes."""
    service = scraped(f"127.0.0.1:{chain.service.admin_port}")

    def collecting() -> str:
        text = scraped(chain.agent_admin)
        return text if "loghub_agent_lost_bytes" in text else ""

    agent = waiting.until("the agent counts", collecting, seconds=60, every=0.2)
    return (
        names(service) | names(agent) | names(printed(WATCHES)) | names(printed(OPERATOR)) | FOREIGN
    )


def scraped(address: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=20) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def alerts() -> list[dict]:
    text = (MONITORING / "alerts.yaml").read_text().replace("RELEASE_NAMESPACE", "loghub-system")
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def expressions() -> dict[str, str]:
    board = json.loads((MONITORING / "dashboard.json").read_text())
    found = {rule["alert"]: rule["expr"] for rule in alerts()}
    for panel in board["panels"]:
        for target in panel["targets"]:
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    return found


def series(expression: str) -> set[str]:
    """The series that an expression reads; the grammar is Prometheus' own."""
    found: set[str] = set()

    def visit(node: object) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.add(node.name)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


@pytest.mark.parametrize("title", expressions())
def test_an_expression_reads_series_that_exist(known, title):
    read = series(expressions()[title])
    assert read
    assert read <= known


def test_a_series_that_does_not_exist_would_be_found(known):
    assert not series("rate(loghub_agent_lost_lines_total[5m]) > 0") <= known


def test_every_alert_has_a_runbook_page_and_every_page_an_alert():
    def kebab(name: str) -> str:
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()

    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"index"}
    assert {kebab(rule["alert"]) for rule in alerts()} == pages
    for rule in alerts():
        text = (RUNBOOKS / f"{kebab(rule['alert'])}.md").read_text()
        assert text.startswith(f"# {rule['alert']}\n")
        for part in ("## What it means", "## What to do"):
            assert part in text, rule["alert"]


def test_the_rendered_rule_names_its_runbook(render):
    text = render(
        "--set=monitoring.rules.enabled=true",
        "--set=monitoring.rules.runbookBase=https://docs.example.com/runbooks",
    )
    [rule] = [
        each for each in yaml.safe_load_all(text) if each and each["kind"] == "PrometheusRule"
    ]
    rendered = {r["alert"]: r for group in rule["spec"]["groups"] for r in group["rules"]}
    assert set(rendered) == {each["alert"] for each in alerts()}
    lost = rendered["LoghubLinesLost"]
    assert lost["annotations"]["runbook_url"] == (
        "https://docs.example.com/runbooks/loghub-lines-lost/"
    )
    assert "$labels.pipeline" in lost["annotations"]["summary"]
    for each in rendered.values():
        assert 'namespace="loghub-system"' in each["expr"]
        promql_parser.parse(each["expr"])


def test_panels_do_not_overlap():
    board = json.loads((MONITORING / "dashboard.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
