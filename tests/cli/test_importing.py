"""Other collectors' configurations become resources that our models and a real API server take.

LOGHUB_WRITE_GOLDEN=1 pytest tests/cli/test_importing.py    writes the golden files anew
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from loghub_cli import errors
from loghub_cli.importing import documents, fluentbit, promtail, resources
from loghub_operator import compiling
from loghub_operator.resources import crds

HERE = pathlib.Path(__file__).parent
SOURCES = sorted(path.stem for path in (HERE / "importing").glob("*.yaml"))
MODELS = {kind.name: kind.spec for kind in crds.KINDS if kind.spec is not None}


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loghub_cli", "import", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def valid(text: str) -> list[dict]:
    """The documents, each taken by its model."""
    found = [each for each in yaml.safe_load_all(text) if each]
    for each in found:
        spec = MODELS[each["kind"]].model_validate(each["spec"])
        if each["kind"].endswith("LogConfig"):
            compiling.check(spec)
    return found


@pytest.mark.parametrize("source", SOURCES)
def test_a_configuration_becomes_resources_and_notes(source):
    done = run("-f", str(HERE / "importing" / f"{source}.yaml"), "-n", "shop")
    golden = HERE / "golden" / "importing" / f"{source}.txt"
    if os.environ.get("LOGHUB_WRITE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(done.stdout)
    assert done.stdout == golden.read_text()
    assert valid(done.stdout)
    # Something of each of these has no counterpart, and the exit status says so.
    assert done.returncode == 1
    assert "not mapped: " in done.stderr


@pytest.mark.apiserver
@pytest.mark.parametrize("source", SOURCES)
def test_an_api_server_takes_what_was_made(source, control_plane, cluster, tmp_path):
    from harness import binaries  # noqa: PLC0415 - builds nothing unless this test runs

    path = tmp_path / "made.yaml"
    path.write_text((HERE / "golden" / "importing" / f"{source}.txt").read_text())
    kubectl = [str(binaries.path("kubectl")), f"--kubeconfig={control_plane.kubeconfig}"]
    subprocess.run([*kubectl, "create", "namespace", "shop"], capture_output=True, check=False)
    options = ("--server-side", "--dry-run=server", "--validate=strict")
    done = subprocess.run(
        [*kubectl, "apply", *options, f"--filename={path}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_is_wholly_mapped_ends_with_0():
    text = """
pipeline:
  inputs:
    - {name: tail, path: /var/log/containers/*.log, tag: all.*}
"""
    done = run("-f", "-", "--into-project", "mine", stdin=text)
    assert (done.returncode, done.stderr) == (
        0,
        "3 resources, 0 notes on what could not be mapped\n",
    )
    kinds = [each["kind"] for each in valid(done.stdout)]
    assert kinds == ["LogProject", "LogStore", "ClusterLogConfig"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: Pod", "holds nothing that can be imported"),
        ("{", "is no YAML"),
        ("", "holds nothing"),
        ("scrape_configs: [{job_name: a}]", "Nothing could be mapped"),
    ],
)
def test_what_cannot_be_imported_is_said(text, words):
    done = run("-f", "-", stdin=text)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stdout == ""


def test_a_file_that_is_not_there_is_named():
    done = run("-f", "/nowhere/at.all")
    assert done.returncode == 1
    assert "/nowhere/at.all" in done.stderr


def test_several_files_are_one_configuration(tmp_path):
    (tmp_path / "a.conf").write_text(
        "[INPUT]\n  Name tail\n  Path /var/log/containers/*.log\n  Tag a.*\n"
        "[FILTER]\n  Name parser\n  Match a.*\n  Parser own\n"
    )
    (tmp_path / "b.conf").write_text("[PARSER]\n  Name own\n  Format json\n")
    done = run("-f", str(tmp_path / "a.conf"), "-f", str(tmp_path / "b.conf"))
    [config] = [e for e in valid(done.stdout) if e["kind"] == "ClusterLogConfig"]
    assert config["spec"]["parser"] == {"json": {}}


@pytest.mark.parametrize(
    ("pattern", "names", "like"),
    [
        ("^(a|b)$", ["a", "b"], ""),
        ("^shop$", ["shop"], ""),
        ("shop", [], ""),
        ("^a|b$", [], ""),
        ("^shop", [], "shop*"),
        (r"^v1\.2$", ["v1.2"], ""),
        ("shop-.*", [], ""),
        ("^shop-.*$", [], "shop-*"),
        ("^.*$", [], ""),
        ("^(a|b.*)$", [], ""),
    ],
)
def test_patterns_that_are_names_are_told_from_others(pattern, names, like):
    found = resources.exact(pattern)
    assert found == names
    assert resources.glob(pattern) == like


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_sections_or_nothing(text):
    into = resources.Import("shop", "project")
    fluentbit.translate(list(fluentbit.classic(text)), into)
    for each in into.objects:
        MODELS[each["kind"]].model_validate(each["spec"])


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["cri", "json", "regex", "timestamp", "drop", "multiline", "other"]),
        st.dictionaries(
            st.sampled_from(["expression", "source", "format", "firstline", "value"]),
            st.text(st.characters(codec="ascii"), max_size=20),
        ),
        max_size=4,
    )
)
def test_any_stage_is_mapped_or_noted(stages):
    into = resources.Import("shop", "project")
    job = {
        "job_name": "a",
        "kubernetes_sd_configs": [{"role": "pod"}],
        "pipeline_stages": [{kind: stage} for kind, stage in stages.items()],
    }
    promtail.translate({"scrape_configs": [job]}, into)
    assert [each["kind"] for each in into.objects] == ["LogStore", "ClusterLogConfig"]
    noted = " ".join(each.where for each in into.notes)
    assert ("other" in stages) == ("other" in noted)


def spoiled(document: object, path: list[int], value: object) -> object:
    """The document with one part of it, found by the numbers, replaced."""
    if not path or not isinstance(document, dict | list) or not document:
        return value
    if isinstance(document, list):
        at = path[0] % len(document)
        return [spoiled(e, path[1:], value) if n == at else e for n, e in enumerate(document)]
    key = sorted(document, key=str)[path[0] % len(document)]
    return {**document, key: spoiled(document[key], path[1:], value)}


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SOURCES),
    st.lists(st.integers(0, 30), min_size=1, max_size=9),
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(max_size=5)
    | st.just([])
    | st.just({}),
)
def test_a_spoiled_configuration_is_imported_or_refused_in_a_sentence(source, path, value):
    text = (HERE / "importing" / f"{source}.yaml").read_text()
    found = [spoiled(each, path, value) for each in yaml.safe_load_all(text)]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump_all(found, file)
        file.flush()
        with contextlib.suppress(errors.CliError):
            documents.read([file.name], resources.Import("shop", "project"))
