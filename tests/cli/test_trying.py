"""`loghub test`: sample lines through the real agent's parser."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import yaml

NGINX = '10.4.0.1 - - [25/Nov/2026:14:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8"'
TRACE = """2026-11-25 14:00:00,123 ERROR [main] failed
java.lang.IllegalStateException: no
\tat shop.Checkout.pay(Checkout.java:42)
2026-11-25 14:00:01,000 INFO [main] on we go"""


def config(**spec) -> str:
    given = {"logStoreRef": {"name": "a"}, "input": {"stdout": {}}, **spec}
    document = {"apiVersion": "loghub.dev/v1alpha1", "kind": "LogConfig"}
    return yaml.safe_dump(document | {"metadata": {"name": "it"}, "spec": given})


@pytest.fixture
def run(tmp_path):
    """`loghub test` of a LogConfig on lines, with the agent of this environment."""

    def call(text: str, sample: str, *more: str, path: str = "") -> subprocess.CompletedProcess:
        (tmp_path / "config.yaml").write_text(text)
        (tmp_path / "sample.log").write_text(sample)
        command = [sys.executable, "-m", "loghub_cli", "test", str(tmp_path / "config.yaml")]
        command += ["-f", str(tmp_path / "sample.log"), *more]
        here = path or f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | {"PATH": here}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return call


def test_lines_become_fields_at_their_own_time(run):
    time = {"key": "time_local", "format": "%d/%b/%Y:%H:%M:%S %z"}
    done = run(config(parser={"nginx": {"logFormat": "combined"}}, time=time), NGINX)
    assert done.returncode == 0, done.stderr
    assert "2026-11-25T14:00:00.000000000Z" in done.stdout
    assert "  status" in done.stdout
    assert done.stderr == "1 lines, 1 records, 0 not parsed, 0 dropped\n"


def test_a_stack_trace_is_one_record(run):
    done = run(config(multiline={"preset": "Java"}), TRACE, "-o", "json")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["record"].count("\n") for each in records] == [2, 0]


def test_a_line_that_does_not_fit_is_shown_and_ends_with_1(run):
    done = run(config(parser={"json": {}}), '{"a": 1}\nnot json\n')
    assert done.returncode == 1
    assert "NOT PARSED" in done.stdout
    assert "1 not parsed" in done.stderr


def test_a_filtered_record_is_said_to_be_dropped(run):
    filtered = [{"filter": {"exclude": {"level": "debug"}}}]
    done = run(config(parser={"json": {}}, processors=filtered), '{"level": "debug"}')
    assert done.returncode == 0, done.stderr
    assert "dropped" in done.stdout
    assert "1 dropped" in done.stderr


def test_rules_that_cannot_run_are_refused_with_the_field(run):
    done = run(config(parser={"regex": {"pattern": "(", "keys": ["a"]}}), "x")
    assert done.returncode == 1
    assert "refuses" in done.stderr
    assert "pattern" in done.stderr


def test_a_line_cannot_command_the_terminal(run):
    done = run(config(), "a\x1b[31mred")
    assert "\x1b" not in done.stdout
    assert "red" in done.stdout


def test_without_any_agent_the_way_out_is_said(run, tmp_path):
    """kubectl is a program that says that there are no pods."""
    (tmp_path / "bin").mkdir()
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.write_text("#!/bin/sh\necho '{\"items\": []}'\n")
    kubectl.chmod(0o755)
    done = run(config(), "x", path=f"{tmp_path}/bin:/usr/bin:/bin")
    assert done.returncode == 1
    assert "No agent can be asked" in done.stderr


def test_without_one_here_an_agent_of_the_cluster_is_asked(run, tmp_path):
    """kubectl is a program that runs, instead of in a pod, here."""
    (tmp_path / "bin").mkdir()
    kubectl = tmp_path / "bin" / "kubectl"
    pod = {"metadata": {"name": "p", "namespace": "n"}, "status": {"phase": "Running"}}
    (tmp_path / "pods").write_text(json.dumps({"items": [pod]}))
    kubectl.write_text(
        f"""#!/bin/sh
case "$*" in
  "exec --stdin --namespace=n p --container=agent -- "*)
    exec {sys.executable} -m loghub_agent try ;;
  *) cat {tmp_path}/pods ;;
esac
"""
    )
    kubectl.chmod(0o755)
    done = run(config(parser={"json": {}}), '{"a": "b"}', path=f"{tmp_path}/bin:/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    assert "  a  b" in done.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: b", "must hold one LogConfig"), ("{", "cannot be read")],
)
def test_a_file_that_is_no_logconfig_is_refused(run, text, words):
    done = run(text, "x")
    assert done.returncode == 1
    assert words in done.stderr


@pytest.mark.parametrize("asked", ["", "[]", '{"spec": 1, "lines": []}'])
def test_the_agent_refuses_what_is_no_question(asked):
    command = [sys.executable, "-m", "loghub_agent", "try"]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "one JSON document" in done.stderr
