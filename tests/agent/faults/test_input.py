"""Lines that nobody should write and everybody does: malformed, huge, of no encoding."""

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from rig import agent, kubelet, stage

STAMP = b"2026-01-02T03:04:06.5Z "


@pytest.mark.soak
def test_parts_of_two_streams_that_interleave_stay_apart(scene, container):
    lines = [b"stdout P a", b"stderr P x", b"stdout P b", b"stderr F y", b"stdout F c"]
    container.raw(b"".join(STAMP + line + b"\n" for line in lines))
    scene.agent.start()
    scene.check(["xy", "abc"])


def test_malformed_lines_arrive_as_they_are_and_harm_no_other(scene, container):
    bad = [
        b"no time at all",
        b"2026-01-02T03:04:06Z",
        b"2026-01-02T03:04:06Z stdin F wrong stream",
        b"2026-01-02T03:04:06Z stdout Q wrong tag",
        b"2026-13-02T03:04:06Z stdout F wrong month",
        b'{"log":"docker"}',
        b"\x00" * 4096,
        b"\xff\xfe\x00 no encoding",
    ]
    container.lines(100)
    for line in bad:
        container.raw(line + b"\n")
        container.lines(10)
    scene.agent.start()
    raw = [line.decode("utf-8", "replace") for line in bad]
    scene.check([*stage.contents(container), *raw])


@pytest.mark.parametrize("size", [64 * 1024, pytest.param(3 << 20, marks=pytest.mark.soak)])
def test_hole_of_a_sparse_file_costs_no_line(scene, container, size):
    container.lines(100)
    # What a crash of the node leaves: the file's new size was written and its bytes were not.
    os.truncate(container.path, container.path.stat().st_size + size)
    container.lines(100)
    scene.agent.start()
    scene.caught_up(container)
    os.truncate(container.path, container.path.stat().st_size + size)
    container.lines(100)
    scene.caught_up(container)
    zeros = [text for text in scene.arrivals.contents() if not text.strip("\0")]
    scene.check([*stage.contents(container), *set(zeros)])
    assert (size > 1 << 20) == bool(zeros), "what is longer than any line is no line's"


def docker(log: str, stream: str = "stdout") -> bytes:
    """A line as docker's json-file driver writes it."""
    line = {"log": log, "stream": stream, "time": "2026-01-02T03:04:06.5Z"}
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def test_docker_lines_are_unescaped_and_joined_over_a_kill_and_a_rotation(scene, container):
    container.raw(docker('a "quoted" caf\u00e9\t<tab>\n') + docker("begins, "))
    container.raw(docker("other, ", "stderr"))
    scene.agent.start()
    whole = 'a "quoted" caf\u00e9\t<tab>'
    agent.until("the whole line", lambda: whole in scene.arrivals.contents())
    scene.agent.kill()
    container.rotate(compress=False)
    container.raw(docker("ends\n") + docker("too\n", "stderr"))
    scene.agent.start()
    scene.check([whole, "begins, ends", "other, too"], repeats=True)
    fields = [dict(log.contents) for log in scene.arrivals.logs]
    streams = {each["content"]: (each["_source_"], each["_time_"]) for each in fields}
    assert streams["other, too"] == ("stderr", "2026-01-02T03:04:06.5Z")


@pytest.mark.soak
def test_invalid_utf8_is_replaced_and_the_batch_goes_through(scene, container):
    container.lines(50)
    container.raw(STAMP + b"stdout F caf\xe9 \xf0\x9f\x92 end\n")
    container.lines(50)
    scene.agent.start()
    scene.check([*stage.contents(container), "caf\ufffd \ufffd end"])


def test_line_of_four_mebibytes_is_cut_and_counted(scene, container):
    container.lines(50)
    piece = b"y" * 16384
    for _ in range(255):
        container.raw(STAMP + b"stdout P " + piece + b"\n")
    container.raw(STAMP + b"stdout F end\n")
    container.lines(50)
    scene.agent.start()
    scene.check([*stage.contents(container), "y" * 512 * 1024], at_end=False)
    assert scene.agent.metric("loghub_agent_lost_bytes_total{") == 255 * 16384 + 3 - 512 * 1024


def test_file_that_may_not_be_read_stops_no_other(scene, container):
    hidden = kubelet.Container(scene.agent.pods, "hidden")
    hidden.lines(100)
    hidden.path.chmod(0)
    container.lines(500)
    # Root reads everything, unless it gave that up.
    drop = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    as_root = subprocess.run(["id", "-u"], capture_output=True, text=True, check=True)
    scene.agent.start(through=drop if as_root.stdout.strip() == "0" else ())
    wanted = set(stage.contents(container))
    agent.until("the readable one", lambda: wanted <= set(scene.arrivals.contents()))
    scene.agent.until_said("ermission denied")
    hidden.path.chmod(0o640)
    scene.check(stage.contents(container, hidden))


def test_pods_that_live_for_a_moment_lose_nothing(scene):
    scene.agent.start()
    agent.until("it runs", lambda: scene.agent.metric("loghub_agent_plans_total") > 0)
    shown = []
    for number in range(15):
        pod = kubelet.Container(scene.agent.pods, f"brief-{number}")
        pod.lines(40)
        time.sleep(0.4)
        pod.lines(10)
        pod.delete()
        shown.append(pod)
    scene.check(stage.contents(*shown))


@pytest.mark.soak
@pytest.mark.timeout(240)
def test_many_files_are_all_read(scene, rounds):
    pods = 10_000 if rounds else 1000
    shown = []
    for number in range(pods):
        pod = kubelet.Container(scene.agent.pods, f"p{number}")
        pod.lines(2)
        pod.close()
        shown.append(pod)
    scene.agent.start()
    scene.check(stage.contents(*shown))


@pytest.mark.timeout(240)
def test_idle_logs_beyond_the_bound_are_closed_and_read_on(scene):
    pods = [kubelet.Container(scene.agent.pods, f"idle-{number}") for number in range(40)]
    for pod in pods:
        pod.lines(5)
    scene.agent.start("--max-open-files", "10")
    wanted = set(stage.contents(*pods))
    agent.until("all is read", lambda: wanted <= set(scene.arrivals.contents()))
    logs = scene.agent.pods.resolve()

    def opened():
        count = 0
        for each in Path(f"/proc/{scene.agent.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                count += each.readlink().is_relative_to(logs)
        return count

    assert opened() > 10, "they were written to only now"
    agent.until("idle ones are closed", lambda: opened() <= 10, seconds=120, every=1)
    for pod in pods[::2]:
        pod.lines(5)
        pod.rotate(late_lines=2)
        pod.lines(5)
    scene.check(stage.contents(*pods))
