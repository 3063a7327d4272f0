"""The harness' parts that need neither root nor a cluster."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from harness import archives, binaries, cgroups, kind, lock, nodes, places, shell, waiting
from harness.certificates import Authority
from harness.children import Child
from harness.trouble import TroubleError

HARNESS = [sys.executable, "-m", "harness"]


@pytest.fixture
def cache(tmp_path):
    """An empty cache, by the setting that users have."""
    before = os.environ.get("LOGHUB_CACHE")
    os.environ["LOGHUB_CACHE"] = str(tmp_path)
    yield tmp_path
    os.environ.pop("LOGHUB_CACHE")
    if before is not None:
        os.environ["LOGHUB_CACHE"] = before


def keep(tag: str, *, age: int) -> None:
    """Put an archive of `tag` into the cache, `age` seconds old."""
    archives.archive(tag).write_bytes(b"layers")
    archives.record(tag, f"sha256:{tag}")
    os.utime(archives.archive(tag), (1_000_000 - age, 1_000_000 - age))


def alive(pid: int) -> bool:
    return shell.succeeds(["kill", "-0", str(pid)])


def test_hybrid_machine_has_a_hierarchy_per_controller():
    mounts = (
        "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
        "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
        "cgroup /elsewhere/memory cgroup rw,memory 0 0\n"
    )
    found = cgroups.hierarchies(mounts)
    assert found == [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/unified")]


def test_version_2_machine_has_one_hierarchy():
    assert cgroups.hierarchies("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n") == [cgroups.ROOT]


@pytest.mark.parametrize(
    ("filesystem", "expected"), [("ext2/ext3", "overlayfs"), ("overlayfs", "native")]
)
def test_layers_are_not_stacked_on_an_overlay(filesystem, expected):
    assert nodes.snapshotter(filesystem) == expected


def test_image_without_a_complete_archive_is_not_there(cache):
    keep("loghub.local/agent:1", age=0)
    archives.forget("loghub.local/agent:1")
    assert archives.tags() == []
    with pytest.raises(TroubleError, match="agent:1 was never built here"):
        archives.existing("loghub.local/agent:1")


def test_only_old_tags_of_the_same_repository_are_outdated(cache):
    for age, tag in enumerate(("agent:4", "agent:3", "agent:2", "ingest:1", "agent:1")):
        keep(f"loghub.local/{tag}", age=age)
    assert archives.outdated() == ["loghub.local/agent:2", "loghub.local/agent:1"]
    assert archives.newest() == ["loghub.local/agent:4", "loghub.local/ingest:1"]


def test_deleted_archive_is_gone(cache):
    keep("loghub.local/agent:1", age=0)
    archives.delete("loghub.local/agent:1")
    assert list(places.images().iterdir()) == []


def test_unknown_tool_is_refused_with_the_known_ones():
    with pytest.raises(TroubleError, match="kubeadm: no such tool; there are kube-apiserver"):
        binaries.path("kubeadm")


def test_kubernetes_calls_itself_by_the_version_of_its_module():
    module = next(each for each in binaries.MODULES if each.name == "kubernetes")
    text = (module.directory / "go.mod").read_text(encoding="utf-8")
    assert f"\tk8s.io/kubernetes {binaries.KUBERNETES_VERSION} " in text
    assert f"component-base/version.gitVersion={binaries.KUBERNETES_VERSION}" in module.ldflags


def test_condition_that_never_holds_is_named():
    with pytest.raises(TroubleError, match=r"the moon is full: not within 0\.1 s"):
        waiting.until("the moon is full", lambda: False, seconds=0.1)


def test_refused_connection_is_waited_out():
    answers = iter([ConnectionRefusedError("refused"), None])

    def condition() -> bool:
        answer = next(answers)
        if answer is not None:
            raise answer
        return True

    waiting.until("it answers", condition, seconds=5)
    assert next(answers, "asked twice") == "asked twice"


def test_failed_program_says_its_last_words():
    with pytest.raises(TroubleError, match=r"failed \(3\):\nno such thing"):
        shell.run(["sh", "-c", "echo no such thing >&2; exit 3"])


def test_missing_program_is_named():
    with pytest.raises(TroubleError, match="no-such-program: not installed"):
        shell.run(["no-such-program"])


def test_second_command_waits_for_the_first(tmp_path):
    with lock.held(tmp_path), (tmp_path / lock.FILE).open(encoding="ascii") as other:
        assert other.read() == f"{os.getpid()}\n"
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (tmp_path / lock.FILE).open(encoding="ascii") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_certificate_names_user_groups_and_hosts(tmp_path):
    authority = Authority(tmp_path)
    pair = authority.issue("x", "ann", groups=("admins",), hosts=("10.0.0.1", "db.local"))
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    ca = x509.load_pem_x509_certificate(authority.pair.certificate.read_bytes())
    certificate.verify_directly_issued_by(ca)
    assert certificate.subject.rfc4514_string() == "CN=ann,O=admins"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["db.local"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]


def test_authority_is_the_same_when_opened_again(tmp_path):
    first = Authority(tmp_path).pair.certificate.read_bytes()
    pair = Authority(tmp_path).issue("later", "bob")
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(first))


def test_private_keys_are_for_the_owner_alone(tmp_path):
    pair = Authority(tmp_path).issue("x", "ann")
    assert pair.key.stat().st_mode & 0o077 == 0


def test_killed_child_is_gone_when_kill_returns(tmp_path):
    child = Child(["sh", "-c", "echo $$; exec sleep 1000"], tmp_path / "log")
    waiting.until("it says its pid", lambda: (tmp_path / "log").read_text() != "", seconds=10)
    pid = int((tmp_path / "log").read_text())
    child.check()
    child.kill()
    assert not alive(pid)


def test_dead_child_shows_the_end_of_its_log(tmp_path):
    child = Child(["sh", "-c", "echo out of luck; exit 1"], tmp_path / "log")
    with pytest.raises(TroubleError, match="out of luck"):
        waiting.until("it ends", lambda: child.check() is None, seconds=10)
    child.kill()


def test_child_ends_with_a_killed_test_run(tmp_path):
    log = tmp_path / "log"
    program = (
        "import sys, pathlib; from harness.children import Child\n"
        f"Child(['sh', '-c', 'echo $$; exec sleep 1000'], pathlib.Path({str(log)!r}))\n"
        "sys.stdin.read()"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, env=environment()
    )
    waiting.until("it says its pid", lambda: log.exists() and log.read_text() != "", seconds=20)
    pid = int(log.read_text())
    assert alive(pid)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    waiting.until("the child is gone", lambda: not alive(pid), seconds=10)


def test_kind_has_two_workers_in_two_zones():
    workers = [node for node in kind.configuration()["nodes"] if node["role"] == "worker"]
    assert len({worker["labels"]["topology.kubernetes.io/zone"] for worker in workers}) == 2


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(places.HARNESS.parent), **more}


def harness(*words: str, **settings: str) -> subprocess.CompletedProcess:
    command = [*HARNESS, *words]
    env = environment(**settings)
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_wrong_usage_ends_with_2():
    assert harness("rise").returncode == 2


def test_unreadable_kubeconfig_ends_with_1_and_a_sentence():
    done = harness("kubeconfig", CLUSTER="existing", KUBECONFIG="/nowhere")
    assert done.returncode == 1
    assert done.stderr == "harness: /nowhere: no such kubeconfig; set KUBECONFIG to a cluster's\n"


def test_existing_cluster_refuses_images():
    done = harness("load-image", "loghub.local/agent:1", CLUSTER="existing")
    assert done.returncode == 1
    assert "pulls loghub.local/agent:1 from a registry of its own" in done.stderr
