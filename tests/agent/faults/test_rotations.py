"""Files that are renamed, compressed, truncated and replaced: the agent up, behind and down."""

import itertools
import os
import shutil
import time

import pytest

from rig import agent, kubelet, stage

SOAK = pytest.mark.soak


@pytest.mark.soak
def test_rotations_online_lose_nothing(scene, container):
    scene.agent.start()
    for _ in range(6):
        container.lines(2000)
        scene.caught_up(container)
        container.rotate(late_lines=50)
    container.lines(200)
    scene.check(stage.contents(container))


def test_rotations_while_lines_flow_lose_nothing(scene, container):
    container.lines(100)
    scene.agent.start()
    scene.caught_up(container)
    for _ in range(40):
        for _ in range(5):
            container.lines(200)
            time.sleep(0.01)
        container.rotate(late_lines=20)
    scene.check(stage.contents(container))


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_rotations_of_large_files_in_a_row_lose_nothing(scene):
    container = kubelet.Container(scene.agent.pods, width=180)
    scene.agent.start()
    for _ in range(6):
        container.lines(120_000)  # 27 MB
        container.rotate(late_lines=50)
        assert scene.agent.alive()
    container.lines(201)
    scene.check(stage.contents(container))
    assert scene.agent.peak_kib < 100 * 1024


@pytest.mark.soak
def test_rotations_while_the_agent_lags_lose_nothing(scene, container):
    scene.agent.start("--queue-bytes-per-destination", "65536", "--batch-bytes", "32768")
    container.lines(1000)
    scene.caught_up(container)
    os.kill(scene.service.process.pid, 19)  # SIGSTOP: the service is there and answers nothing
    try:
        for _ in range(8):
            container.lines(4000)
            time.sleep(0.4)
            container.rotate(late_lines=20)
        container.lines(200)
    finally:
        os.kill(scene.service.process.pid, 18)  # SIGCONT
    # A request may have been taken in though its answer came too late: hence repeats.
    scene.check(stage.contents(container), repeats=True)


@pytest.mark.parametrize("rotations", [pytest.param(1, marks=SOAK), pytest.param(2, marks=SOAK), 4])
def test_rotations_while_down_lose_nothing(scene, container, rotations):
    container.lines(3000)
    scene.agent.start()
    scene.caught_up(container)
    scene.agent.stop()
    for _ in range(rotations):
        container.lines(3000)
        container.rotate(late_lines=30)
    container.lines(100)
    scene.agent.start()
    scene.check(stage.contents(container))
    order = [int(text.split()[1]) for text in scene.arrivals.contents()]
    assert len(order) == container.written


def test_log_with_compressed_files_is_read_in_order(scene, container):
    for _ in range(4):
        container.lines(500)
        container.rotate(late_lines=10)
    container.lines(100)
    scene.agent.start()
    scene.check(stage.contents(container))
    # Stamps are numbers here: within one request the records stand in the order of writing.
    times = [log.time_ns for log in scene.arrivals.logs if log.time_ns is not None]
    assert sum(after < before for before, after in itertools.pairwise(times)) <= 1


def test_file_lost_while_down_is_counted(scene, container):
    container.lines(100)
    scene.agent.start()
    scene.caught_up(container)
    scene.agent.stop()
    container.lines(400)
    for _ in range(6):
        container.rotate()
    kept = container.written
    container.lines(100)
    gone = {container.content(number) for number in range(1, 501)}
    scene.agent.start()
    after = [container.content(number) for number in range(kept + 1, container.written + 1)]
    agent.until("the new lines", lambda: set(after) <= set(scene.arrivals.contents()))
    assert gone - set(scene.arrivals.contents())
    agent.until(
        "the loss is counted",
        lambda: scene.agent.metric("loghub_agent_lost_files_total{") > 0,
        seconds=30,
    )


@pytest.mark.parametrize("down", [pytest.param(False, marks=SOAK), True])
def test_part_before_a_rotation_and_rest_after_it_are_one_record(scene, container, down):
    scene.agent.start()
    container.lines(10)
    scene.caught_up(container)
    stamp = b"2026-01-02T03:04:06Z stdout "
    container.raw(stamp + b"P begins here,\n" + stamp.replace(b"out", b"err") + b"P other,\n")
    if down:
        scene.agent.kill()
    container.rotate()
    if down:
        scene.agent.start()
    container.raw(stamp + b"F ends there\n" + stamp.replace(b"out", b"err") + b"F too\n")
    expected = [*stage.contents(container), "begins here,ends there", "other,too"]
    scene.check(expected, repeats=down)


@pytest.mark.soak
def test_stack_trace_over_a_rotation_is_one_record(scene, container):
    rest = "  multiline: {start: '^E', flushAfter: 2s}\n  input: {stdout: {}}\n"
    scene.agent.pipeline("lines", rest=rest)
    stamp = b"2026-01-02T03:04:06Z stdout F "
    scene.agent.start()
    container.raw(stamp + b"Error\n" + stamp + b" at a\n")
    container.rotate()
    container.raw(stamp + b" at b\n")
    container.rotate()
    container.raw(stamp + b" at c\n" + stamp + b"End\n")
    scene.check(["Error\n at a\n at b\n at c", "End"])


@pytest.mark.soak
def test_copied_and_truncated_log_loses_nothing(scene, container):
    scene.agent.start()
    for number in range(5):
        container.lines(1500)
        scene.caught_up(container)
        # What is written between copy and truncation is lost by the one who rotates so.
        shutil.copyfile(container.path, container.dir / f"copy-{number}")
        os.truncate(container.path, 0)
    container.lines(100)
    scene.check(stage.contents(container))


@pytest.mark.parametrize("down", [False, pytest.param(True, marks=SOAK)])
def test_log_truncated_and_regrown_past_the_old_offset_loses_nothing(scene, container, down):
    scene.agent.start()
    container.lines(1500)
    scene.caught_up(container)
    if down:
        scene.agent.stop()
    else:
        os.kill(scene.agent.process.pid, 19)  # the agent looks away while it happens
    os.truncate(container.path, 0)
    container.lines(4000)
    if down:
        scene.agent.start()
    else:
        os.kill(scene.agent.process.pid, 18)
    scene.check(stage.contents(container))


def test_inode_of_a_removed_log_used_again_while_down_loses_nothing(scene, container):
    scene.agent.start()
    container.lines(2000)
    scene.caught_up(container)
    scene.agent.stop()
    before = container.path.stat().st_ino
    for _ in range(50):
        container.path.unlink()
        container.reopen()
        if container.path.stat().st_ino == before:
            break
    container.lines(3000)
    scene.agent.start()
    scene.check(stage.contents(container))


@pytest.mark.soak
def test_two_containers_with_the_same_first_bytes_are_two(scene):
    twins = [kubelet.Container(scene.agent.pods, f"twin-{name}") for name in "ab"]
    same = b"2026-01-02T03:04:05Z stdout F the same first line of both " + b"y" * 2000 + b"\n"
    for twin in twins:
        twin.raw(same)
    scene.agent.start()
    for twin in twins:
        twin.lines(500)
    wanted = set(stage.contents(*twins))
    agent.until("both", lambda: wanted <= set(scene.arrivals.contents()))
    first = [text for text in scene.arrivals.contents() if text.startswith("the same")]
    assert len(first) == 2
