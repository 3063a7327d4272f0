"""Kills at random instants, checkpoints that are torn, foreign or cannot be written."""

import contextlib
import os
import random
import subprocess
import time

import pytest

from rig import agent, stage

KILLS = 5
RATE = 3000
"""Records a second that the test writes: the bound on what one kill may repeat."""

CHECKPOINT = "checkpoints.json"


def test_agent_killed_again_and_again_repeats_at_most_one_second(scene, container, rounds):
    dice = random.Random(1)  # noqa: S311  (moments, no secrets)
    # Requests as small as a live stream's: what is in flight when it is killed is repeated.
    scene.agent.start("--batch-logs", str(RATE // 10))
    repeats, seen, known = [], 0, set()
    for number in range(KILLS * (1 + rounds)):
        _write_at_rate(container, dice.uniform(0.4, 2.0))
        # Of five files none leaves before an agent could read it, however slow the machine is.
        if number % 4 == 3:
            scene.caught_up(container)
        if number % 2:
            container.rotate(late_lines=dice.randrange(20))
            container.lines(dice.randrange(100))
        scene.agent.kill()
        repeats.append(_repeated(scene.arrivals.contents(), seen, known))
        seen = len(scene.arrivals.logs)
        scene.agent.start()
    scene.check(stage.contents(container), repeats=True)
    repeats.append(_repeated(scene.arrivals.contents(), seen, known))
    assert repeats[0] == 0, "twice without a crash"
    assert max(repeats) <= RATE, f"records arrived again after each kill: {repeats[1:]}"


def _write_at_rate(container, seconds):
    """Write `RATE` records a second by the clock, however slow the machine is."""
    began, written = time.monotonic(), container.written
    while (passed := time.monotonic() - began) < seconds:
        container.lines(int(passed * RATE) - (container.written - written))
        time.sleep(0.02)


def _repeated(contents, seen, known):
    """Count what arrived after the first `seen` records and had arrived before; extends `known`."""
    fresh = contents[seen:]
    before = len(known)
    known.update(fresh)
    return len(fresh) - (len(known) - before)


@pytest.mark.soak
def test_service_killed_in_mid_stream_loses_nothing(scene, container):
    scene.agent.start()
    for _ in range(2):
        container.lines(3000)
        time.sleep(0.7)
        scene.service.kill()
        container.lines(1000)
        scene.service.start()
    scene.check(stage.contents(container), repeats=True)


@pytest.mark.soak
def test_killed_agent_repeats_at_most_what_the_last_checkpoint_lacks(scene, container):
    scene.agent.start()
    container.lines(5000)
    scene.caught_up(container)
    writes = scene.agent.metric("loghub_agent_checkpoint_writes_total")
    container.lines(10)
    scene.caught_up(container)
    agent.until(
        "a checkpoint",
        lambda: scene.agent.metric("loghub_agent_checkpoint_writes_total") > writes,
    )
    time.sleep(1.5)  # of one second: whatever was acknowledged is in it
    scene.agent.kill()
    container.lines(100)
    scene.agent.start()
    scene.check(stage.contents(container))


def test_torn_checkpoint_is_said_and_the_one_before_used(scene, container):
    scene.agent.start()
    for _ in range(2):
        container.lines(500)
        scene.caught_up(container)
        writes = scene.agent.metric("loghub_agent_checkpoint_writes_total")
        agent.until(
            "checkpoints",
            lambda: scene.agent.metric("loghub_agent_checkpoint_writes_total") > writes,  # noqa: B023
        )
    scene.agent.stop()
    path = scene.agent.state / CHECKPOINT
    whole = path.read_bytes()
    path.unlink()  # its former name is another link of the same file
    path.write_bytes(whole[: len(whole) // 2])
    container.lines(500)
    scene.agent.start()
    account = scene.check(stage.contents(container), repeats=True, at_end=False)
    assert account.repeated <= 1000
    scene.agent.until_said("are not usable")
    assert (scene.agent.state / "checkpoints.damaged").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system needs root to be mounted")
def test_full_state_volume_stops_nothing_and_is_said(scene, container):
    scene.agent.state.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(scene.agent.state)]
    subprocess.run(mount, check=True)
    try:
        scene.agent.start()
        container.lines(500)
        scene.caught_up(container)
        filler = scene.agent.state / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        container.lines(500)
        scene.caught_up(container)
        scene.agent.until_said("cannot be written")
        filler.unlink()
        container.lines(500)
        scene.check(stage.contents(container))
    finally:
        subprocess.run(["umount", str(scene.agent.state)], check=True)
