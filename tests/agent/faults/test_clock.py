"""The node's clock jumps, ahead and back: while lines flow, over a rotation and over a kill."""

import pytest

from rig import agent, clock, stage

HOUR = 3600
FAR = 26 * HOUR
"""More than any service takes for a difference between clocks."""


@pytest.fixture
def wall(tmp_path):
    return clock.Clock(tmp_path)


@pytest.mark.parametrize("seconds", [FAR, -FAR], ids=["ahead", "back"])
def test_clock_that_jumps_loses_nothing_and_is_said(scene, container, wall, seconds):
    scene.agent.start(through=wall.through)
    container.lines(1000)
    scene.caught_up(container)
    wall.jump(seconds)
    container.lines(1000)
    container.rotate(late_lines=20)
    # Its requests carry a time that the service does not take; what it reads waits.
    scene.agent.until_said("RequestTime")
    container.lines(500)
    scene.agent.kill()
    scene.agent.start(through=wall.through)
    container.rotate(late_lines=20)
    scene.agent.until_said("RequestTime")
    wall.jump(0)
    container.lines(500)
    scene.check(stage.contents(container))


def test_clock_that_jumps_to_and_fro_within_the_service_s_bounds_is_nothing(scene, container, wall):
    scene.agent.start(through=wall.through)
    for seconds in (0, 300, -300, 600, -600, 0):
        wall.jump(seconds)
        container.lines(500)
        container.rotate(late_lines=5)
        scene.caught_up(container)
    scene.check(stage.contents(container))


@pytest.mark.soak
def test_checkpoints_of_a_clock_far_ahead_are_good_after_it_is_set_right(scene, container, wall):
    wall.jump(FAR)
    scene.agent.start(through=wall.through)
    container.lines(1000)
    agent.until("it is read", lambda: scene.agent.metric("loghub_agent_read_lines_total{") == 1000)
    wall.jump(0)
    scene.caught_up(container)
    scene.agent.stop()
    container.lines(1000)
    wall.jump(-FAR)
    scene.agent.start(through=wall.through)
    scene.agent.until_said("RequestTime")
    wall.jump(0)
    scene.check(stage.contents(container))
