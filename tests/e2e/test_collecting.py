"""Pods of every kind, and what of theirs arrives: opt-in, selection, short lives, sizes."""

import json

import pytest

from stage import service, waiting, workloads
from stage.kubernetes import Cluster
from stage.service import Service

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def arrived(reader: Service, namespace: str, store: str = "lines") -> list[service.Record]:
    return reader.records(store, project="app", namespace=namespace)


def prepare(cluster: Cluster, namespace: str, **config: object) -> None:
    """A project, a store and a config that collects pods labelled `collect: "yes"`."""
    selector = {"podLabels": {"matchLabels": {"collect": "yes"}}}
    cluster.apply(
        workloads.project("app", namespace, projectName=namespace),
        workloads.store("lines", namespace, "app"),
        workloads.config("lines", namespace, "lines", **{"selector": selector, **config}),
    )
    cluster.kubectl(
        "-n", namespace, "wait", "logconfig/lines", "--for=condition=Ready", "--timeout=60s"
    )


def all_numbers(reader: Service, namespace: str, last: int, seconds: float = 120) -> list[int]:
    """The numbers that arrived, once each of 1 to `last` has."""
    wanted = set(range(1, last + 1))

    def look() -> list[int]:
        found = service.numbers(arrived(reader, namespace))
        return found if wanted <= set(found) else []

    try:
        return waiting.until(f"lines 1 to {last}", look, seconds=seconds, every=1)
    except AssertionError:
        missing = sorted(wanted - set(service.numbers(arrived(reader, namespace))))
        raise AssertionError(f"{len(missing)} of {last} lines missing: {missing[:20]}") from None


COLLECTED = {"collect": "yes"}


def test_annotation_alone_opts_a_pod_in(installed, namespace, service):
    installed.apply(
        workloads.project("app", namespace, projectName=namespace),
        workloads.pod(
            "web",
            namespace,
            workloads.counting(1, 20, 0.1),
            annotations={"loghub.dev/logstore": "lines"},
        ),
    )
    assert all_numbers(service, namespace, 20) == list(range(1, 21))
    record = arrived(service, namespace)[0]
    expected = {"_namespace_": namespace, "_pod_name_": "web", "_container_name_": "app"}
    assert expected.items() <= record.tags.items()
    assert record.stream == "stdout"
    assert installed.get("logconfig", "optin-lines", namespace) is not None


def test_config_collects_what_it_selects_and_nothing_else(installed, namespace, service):
    prepare(installed, namespace)
    beside = f"{namespace}-beside"
    installed.add_namespace(workloads.namespace(beside))
    installed.apply(
        workloads.pod("other", namespace, workloads.counting(1001, 1020)),
        workloads.pod("same", beside, workloads.counting(2001, 2020), labels=COLLECTED),
        workloads.pod("chosen", namespace, workloads.counting(1, 20), labels=COLLECTED),
    )
    for name, where in (("other", namespace), ("same", beside)):
        phase = "--for=jsonpath={.status.phase}=Succeeded"
        installed.kubectl("-n", where, "wait", f"pod/{name}", phase, "--timeout=60s")
    assert all_numbers(service, namespace, 20) == list(range(1, 21))
    assert {record.pod for record in arrived(service, namespace)} == {"chosen"}
    installed.kubectl("delete", "namespace", beside, "--wait=false")


def test_pod_that_lives_half_a_second_is_collected_whole(installed, namespace, service):
    prepare(installed, namespace)
    pods = [
        workloads.pod(
            f"brief-{n}",
            namespace,
            workloads.counting(n * 10 + 1, n * 10 + 10, 0.05),
            labels=COLLECTED,
        )
        for n in range(4)
    ]
    installed.apply(*pods)
    assert sorted(all_numbers(service, namespace, 40)) == list(range(1, 41))


def test_container_restarted_five_times_loses_no_line(installed, namespace, service):
    prepare(installed, namespace)
    # The number of the life is kept in a volume; the sixth life ends well.
    script = (
        "import pathlib,sys\n"
        "p=pathlib.Path('/life/n'); n=int(p.read_text()) if p.exists() else 0\n"
        "p.write_text(str(n+1))\n"
        "for i in range(n*10+1,n*10+11): print(f'line {i:07d}',flush=True)\n"
        "sys.exit(n<5)\n"
    )
    pod = workloads.pod(
        "restless", namespace, ["python3", "-c", script], labels=COLLECTED, restart="OnFailure"
    )
    pod["spec"]["volumes"] = [{"name": "life", "emptyDir": {}}]
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "life", "mountPath": "/life"}]
    installed.apply(pod)
    # The kubelet's back-off doubles from 10 s: the sixth life begins after about 150 s.
    assert sorted(all_numbers(service, namespace, 60, seconds=240)) == list(range(1, 61))


def test_pod_deleted_while_it_logs_is_read_to_its_last_line(installed, namespace, service):
    prepare(installed, namespace)
    pod = workloads.pod("doomed", namespace, workloads.counting(1, 100000, 0.002), labels=COLLECTED)
    installed.apply(pod)
    waiting.until("first lines", lambda: service_numbers(service, namespace), seconds=60)
    node = installed.get("pod", "doomed", namespace)["spec"]["nodeName"]
    installed.kubectl("-n", namespace, "delete", "pod", "doomed", "--wait=true")
    found = waiting.until("nothing more arrives", settled(service, namespace), seconds=90, every=3)
    assert found == list(range(1, len(found) + 1)), f"gaps on {node}"


def service_numbers(reader: Service, namespace: str) -> list[int]:
    return service.numbers(arrived(reader, namespace))


def settled(reader: Service, namespace: str):
    """A look that answers what arrived once two looks saw the same."""
    seen: list[list[int]] = [[]]

    def look() -> list[int]:
        now = sorted(service_numbers(reader, namespace))
        same = now == seen[0]
        seen[0] = now
        return now if same else []

    return look


@pytest.mark.parametrize("bytes_", [20_000, 200_000])
def test_line_that_the_runtime_splits_arrives_whole(installed, namespace, service, bytes_):
    prepare(installed, namespace)
    script = f"print('<' + 'x' * {bytes_ - 2} + '>'); print('line 0000001', flush=True)"
    installed.apply(workloads.pod("wide", namespace, ["python3", "-c", script], labels=COLLECTED))
    all_numbers(service, namespace, 1)
    wide = next(record for record in arrived(service, namespace) if record.content.startswith("<"))
    assert len(wide.content) == bytes_
    assert wide.content.endswith(">")


def test_both_streams_keep_their_names(installed, namespace, service):
    prepare(installed, namespace)
    script = (
        "import sys\n"
        "print('out', flush=True)\n"
        "print('err', file=sys.stderr, flush=True)\n"
        "print('line 0000001', flush=True)\n"
    )
    installed.apply(workloads.pod("two", namespace, ["python3", "-c", script], labels=COLLECTED))
    all_numbers(service, namespace, 1)
    streams = {record.content: record.stream for record in arrived(service, namespace)}
    assert (streams["out"], streams["err"]) == ("stdout", "stderr")


def test_stack_trace_is_one_record(installed, namespace, service):
    prepare(installed, namespace, multiline={"start": r"^\d{4}-", "flushAfter": "2s"})
    text = (
        "2024-01-01 ERROR failed\\njava.lang.X: no\\n\\tat a.B.c(B.java:1)\\n2024-01-01 INFO next"
    )
    script = f"print('{text}', flush=True)"
    installed.apply(workloads.pod("java", namespace, ["python3", "-c", script], labels=COLLECTED))
    found = waiting.until(
        "both records",
        lambda: [each.content for each in arrived(service, namespace)][:2],
        seconds=60,
    )
    waiting.until("both records", lambda: len(arrived(service, namespace)) == 2, seconds=60)
    assert json.dumps(found[0]).count("\\n") == 2


@pytest.mark.parametrize("stream", ["Stdout", "Stderr"])
def test_config_for_one_stream_leaves_the_other(installed, namespace, service, stream):
    prepare(installed, namespace, input={"stdout": {"streams": [stream]}})
    script = (
        "import sys\n"
        "for n in range(1,11):\n"
        "  for s in (sys.stdout,sys.stderr): print(f'line {n:07d}',file=s,flush=True)\n"
    )
    installed.apply(workloads.pod("two", namespace, ["python3", "-c", script], labels=COLLECTED))
    assert all_numbers(service, namespace, 10) == list(range(1, 11))
    assert {record.stream for record in arrived(service, namespace)} == {stream.lower()}


def test_programs_can_be_called_inside_their_pods(installed):
    for part, program in (("agent", "loghub-agent"), ("ingest", "loghub-ingest")):
        labels = f"app.kubernetes.io/component={part}"
        pod = installed.list("pods", "-n", "loghub-system", "-l", labels)[0]["metadata"]["name"]
        said = installed.kubectl("-n", "loghub-system", "exec", pod, "--", program, "--version")
        assert said.startswith(program)
