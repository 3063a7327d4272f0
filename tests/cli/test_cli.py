"""The command line as a person meets it: statuses and sentences."""

import json
import subprocess
import sys

import pytest


def run(*arguments: str, path: str = "/nowhere", **environment: str):
    return subprocess.run(
        [sys.executable, "-m", "loghub_cli", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": path, **environment},
        timeout=30,
    )


def test_version_names_program_and_version():
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, "loghub 0.1.0\n")


def test_no_kubectl_says_what_to_install_or_to_use_instead():
    done = run("tail", "web")
    assert done.returncode == 1
    assert "Install it" in done.stderr
    assert "--endpoint" in done.stderr


def test_endpoint_without_project_is_wrong_usage():
    done = run("logs", "web", "--endpoint", "http://127.0.0.1:1")
    assert done.returncode == 2
    assert "--project" in done.stderr


@pytest.mark.parametrize("span", ["10", "5 minutes", "-1h", ""])
def test_span_that_is_none_says_how_to_write_one(span):
    done = run(
        "logs",
        "web",
        f"--since={span}",
        "--endpoint",
        "http://127.0.0.1:1",
        "--project",
        "p",
        LOGHUB_ACCESS_KEY_ID="a",
        LOGHUB_ACCESS_KEY_SECRET="b",
    )
    assert done.returncode == 2
    assert "15m" in done.stderr


def test_wrong_time_is_said_before_the_cluster_is_asked():
    done = run("search", "web", "*", "--from=yesterday")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--from 'yesterday' is no moment" in done.stderr
    done = run("tail", "web", "--since=soon")
    assert done.returncode == 2
    assert "15m" in done.stderr


def test_service_that_is_away_is_one_sentence_and_no_trace():
    done = run(
        "logs",
        "web",
        "--endpoint",
        "http://127.0.0.1:1",
        "--project",
        "shop",
        LOGHUB_ACCESS_KEY_ID="a",
        LOGHUB_ACCESS_KEY_SECRET="b",
    )
    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


def kubectl(folder, answer: str) -> str:
    """A kubectl that answers everything with `answer`, for faults a real cluster cannot show."""
    program = folder / "kubectl"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_store_that_is_not_there_names_namespace_and_the_way_out(tmp_path):
    done = run("tail", "web", "-n", "shop", path=kubectl(tmp_path, "exit 0"))
    assert done.returncode == 1
    assert "no LogStore web in namespace shop" in done.stderr
    assert "-n" in done.stderr


def test_words_of_a_failing_kubectl_are_passed_on(tmp_path):
    answer = "echo 'error: You must be logged in to the server' >&2; exit 1"
    done = run("tail", "web", "-n", "shop", path=kubectl(tmp_path, answer))
    assert done.returncode == 1
    assert "You must be logged in" in done.stderr


def test_log_lines_of_kubectl_do_not_hide_what_it_says(tmp_path):
    noise = "E1125 10:04:24.403896   31950 memcache.go:265] " + "x" * 600
    answer = f"echo '{noise}' >&2; echo 'The connection to the server was refused' >&2; exit 1"
    done = run("status", path=kubectl(tmp_path, answer))
    assert done.stderr == "loghub: kubectl get: The connection to the server was refused\n"


def test_cluster_without_the_definitions_says_that_loghub_is_not_installed(tmp_path):
    words = 'error: the server doesn\'t have a resource type \\"logprojects\\"'
    done = run("status", path=kubectl(tmp_path, f'echo "{words}" >&2; exit 1'))
    assert done.returncode == 1
    assert "not installed" in done.stderr
    assert "helm install" in done.stderr


def test_status_where_something_is_not_well_exits_one_in_every_output(tmp_path):
    path = kubectl(tmp_path, """echo '{"items": []}'""")
    shown, document = run("status", path=path), run("status", "-o", "json", path=path)
    assert (shown.returncode, document.returncode) == (1, 1)
    assert "Missing" in shown.stdout
    assert json.loads(document.stdout)["problems"][0]["reason"] == "Missing"
