"""support-bundle and console, on a real API server with what the real operator wrote."""

import base64
import signal
import subprocess
import sys
import tarfile

import pytest
import yaml

from stage import workloads

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(240)]

SYSTEM = "loghub-system"
SECRET = "hunter2hunter2hunter2"


@pytest.fixture
def installed(apply, cluster, namespace):
    """A release's workload, an agent pool and Secrets with something to hide, and a project."""
    labels = {"app.kubernetes.io/name": "loghub", "app.kubernetes.io/component": "operator"}
    variable = {"name": "PROXY_PASSWORD", "value": SECRET}
    container = {"name": "a", "image": "a", "env": [variable], "args": [f"--token={SECRET}"]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    metadata = {"name": "loghub-operator", "namespace": SYSTEM, "labels": labels}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    encoded = base64.b64encode(SECRET.encode()).decode()
    apply(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
        {
            "apiVersion": "loghub.dev/v1alpha1",
            "kind": "CollectionAgent",
            "metadata": {"name": f"pool-{namespace}"},
            "spec": {"extraEnv": [variable]},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "hidden", "namespace": SYSTEM},
            "data": {"key": encoded},
        },
        workloads.project("app", namespace, projectName=namespace, description=f"pwd: {SECRET}"),
    )
    cluster.until("LogProject", "app", namespace, Ready="True")
    yield namespace
    cluster.delete("CollectionAgent", f"pool-{namespace}")


def contents(path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        found = {}
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None
            found[member.name.partition("/")[2]] = file.read().decode()
    return found


def test_a_bundle_has_what_helps_and_no_secret(installed, loghub, tmp_path):
    path = tmp_path / "help.tar.gz"
    done = loghub("support-bundle", "--file", str(path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(path)
    assert path.stat().st_mode & 0o777 == 0o600
    found = contents(path)
    whole = "\n".join(found.values())
    assert SECRET not in whole
    assert base64.b64encode(SECRET.encode()).decode() not in whole
    assert "hidden" in found[f"{SYSTEM}/secrets.txt"]
    projects = [
        each["metadata"]["namespace"] for each in yaml.safe_load_all(found["logprojects.yaml"])
    ]
    assert installed in projects
    assert "PROXY_PASSWORD" in found["collectionagents.yaml"]
    assert "v1alpha1" in found["definitions.txt"]
    assert "status.json" in found
    assert f"release in: {SYSTEM}" in found["about.txt"]


def test_no_key_of_the_service_is_in_a_bundle(installed, loghub, cluster, tmp_path):
    loghub("support-bundle", "--file", str(tmp_path / "b.tar.gz"))
    whole = "\n".join(contents(tmp_path / "b.tar.gz").values())
    secrets = [*cluster.list("Secret", SYSTEM), *cluster.list("Secret", installed)]
    values = {
        base64.b64decode(text).decode()
        for each in secrets
        for key, text in (each.get("data") or {}).items()
        if key in {"accessKeySecret", "key"}
    }
    assert values
    assert not [value for value in values if value in whole]


def test_a_file_that_is_there_is_not_written_over(installed, loghub, tmp_path):
    path = tmp_path / "there"
    path.write_text("mine")
    done = loghub("support-bundle", "--file", str(path))
    assert done.returncode == 1
    assert "--file" in done.stderr
    assert path.read_text() == "mine"


def test_what_may_not_be_read_is_written_down_and_the_rest_is_there(
    installed, loghub, apply, tmp_path
):
    names = {"apiGroup": "rbac.authorization.k8s.io"}
    apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "some"},
            "rules": [
                {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["list"]},
                {"apiGroups": ["loghub.dev"], "resources": ["logprojects"], "verbs": ["list"]},
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "some"},
            "roleRef": {**names, "kind": "ClusterRole", "name": "some"},
            "subjects": [{**names, "kind": "User", "name": "helper"}],
        },
    )
    path = tmp_path / "b.tar.gz"
    done = loghub("support-bundle", "--file", str(path), user="helper", groups=())
    assert done.returncode == 0, done.stderr
    found = contents(path)
    assert "logprojects.yaml" in found
    assert "logstores.yaml" in found["refused.txt"]
    assert "forbidden" in found["refused.txt"]


def test_console_without_a_service_says_so(loghub):
    done = loghub("console", "-n", "nowhere-at-all")
    assert done.returncode == 1
    assert "There is no bundled service in namespace nowhere-at-all" in done.stderr


def test_console_prints_the_address_and_ends_on_a_signal(tmp_path):
    """kubectl is a program that prints what kubectl prints: no node is here to forward to."""
    service = '{"items": [{"metadata": {"name": "loghub-ingest", "namespace": "sys"}}]}'
    script = f"""#!/bin/sh
case "$*" in
  *port-forward*) echo "Forwarding from 127.0.0.1:45678 -> 8080"; exec sleep 60 ;;
  *) echo '{service}' ;;
esac
"""
    (tmp_path / "kubectl").write_text(script)
    (tmp_path / "kubectl").chmod(0o755)
    running = subprocess.Popen(
        [sys.executable, "-m", "loghub_cli", "console"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "http://127.0.0.1:45678/console/\n"
    running.send_signal(signal.SIGINT)
    _, words = running.communicate(timeout=30)
    assert running.returncode == 0
    assert "kubectl -n sys get secret loghub-root" in words
