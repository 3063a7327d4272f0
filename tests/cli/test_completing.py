"""TAB in a real bash, and in the real kubectl's own completion."""

import os
import pathlib
import subprocess
import sys

import pytest

from harness import binaries
from stage import workloads

PROGRAMS = pathlib.Path(sys.executable).parent
IN_BASH = """
source <(loghub completion bash)
COMP_LINE=$1 COMP_POINT=${#1}
_python_argcomplete loghub
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(line: str, path: str = f"{PROGRAMS}:/usr/bin:/bin") -> list[str]:
    """What bash offers at the end of a command line."""
    done = subprocess.run(
        ["bash", "-c", IN_BASH, "bash", line],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": path},
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("loghub st", ["status", "stores"]),
        ("loghub search web -o ", ["table", "text", "json", "raw"]),
        ("loghub search web --f", ["--from"]),
        ("loghub completion ", ["bash", "zsh", "fish"]),
        ("loghub explain ", ["pod", "deployment", "statefulset", "daemonset", "job"]),
    ],
)
def test_tab_in_bash_offers_commands_options_and_choices(line, names):
    assert offered(line) == names


def test_tab_where_the_cluster_cannot_be_asked_offers_nothing_and_prints_no_fault(tmp_path):
    broken = tmp_path / "kubectl"
    broken.write_text("#!/bin/sh\necho 'error: refused' >&2; exit 1\n")
    broken.chmod(0o755)
    assert offered("loghub tail ", f"{tmp_path}:{PROGRAMS}:/usr/bin:/bin") == []


@pytest.mark.apiserver
def test_tab_in_kubectl_offers_names_of_the_clusters_objects(control_plane, apply, namespace):
    apply(
        workloads.store("access", namespace, "app"),
        workloads.store("errors", namespace, "app"),
        workloads.config("front", namespace, "access"),
    )
    kubectl = binaries.path("kubectl")
    environment = {
        "PATH": f"{PROGRAMS}:{kubectl.parent}:{os.environ['PATH']}",
        "KUBECONFIG": str(control_plane.kubeconfig),
        "HOME": str(control_plane.kubeconfig.parent),
    }

    def complete(*words: str) -> list[str]:
        done = subprocess.run(
            [str(kubectl), "__complete", "loghub", *words],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
        )
        return done.stdout.splitlines()

    assert complete("search", "-n", namespace, "") == ["access", "errors", ":4"]
    assert complete("search", "-n", namespace, "e") == ["errors", ":4"]
    assert complete("matches", f"--namespace={namespace}", "") == ["front", ":4"]
    assert namespace in complete("tail", "-n", "")
    assert complete("mat")[0].split("\t")[0] == "matches"
