"""The site is built strictly, and what it makes of links and programs is what it should be."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def build(root: pathlib.Path, out: pathlib.Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", f"--site-dir={out}"]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> pathlib.Path:
    out = tmp_path_factory.mktemp("site")
    done = build(ROOT, out)
    assert done.returncode == 0, done.stderr
    return out


def test_the_reference_is_what_the_programs_say(site):
    shown = (site / "reference" / "cli" / "index.html").read_text()
    assert "kubectl loghub explain" in shown
    settings = (site / "reference" / "settings" / "index.html").read_text()
    assert "--key-file" in settings
    assert "LOGHUB_PODS_DIR" in settings
    assert "SignatureNotMatch" in (site / "reference" / "errors" / "index.html").read_text()
    metrics = (site / "reference" / "metrics" / "index.html").read_text()
    for name in ("loghub_agent_lag_seconds{pipeline}", "loghub_agent_plans_total"):
        assert name in metrics
    assert "loghub_ingest_requests_total{call, code}" in metrics


def test_a_link_out_of_the_pages_leads_to_the_file_in_the_site(site):
    start = (site / "start" / "index.html").read_text()
    assert 'href="../examples/quickstart/"' in start
    example = (site / "examples" / "quickstart" / "index.html").read_text()
    assert "loghub.dev/logstore: access" in re.sub(r"<[^>]+>", "", example)


def test_nothing_is_loaded_from_elsewhere(site):
    for page in site.rglob("*.html"):
        text = page.read_text()
        for mark in ('src="http', "fonts.googleapis"):
            assert mark not in text, page


def test_broken_links_fail_and_each_is_named(tmp_path):
    for name in ("docs", "examples", "charts", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for path in [*ROOT.glob("*.md"), ROOT / "mkdocs.yml", ROOT / "LICENSE"]:
        shutil.copy(path, tmp_path)
    page = tmp_path / "docs" / "start.md"
    links = ("missing.md", "../examples/nowhere", "start.md#not-there")
    page.write_text(page.read_text() + "".join(f"\n[there]({link})\n" for link in links))
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    for name in ("missing.md", "examples/nowhere", "not-there"):
        assert name in done.stderr
