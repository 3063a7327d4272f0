"""Exactly once: whatever is killed at whatever instant, nothing is lost and nothing comes twice."""

import random
import shutil
import time

import pytest

from rig import agent, kubelet, proxy, stage

KILLS = 5
ONCE = "  input: {stdout: {}}\n  delivery: {guarantee: ExactlyOnce}"
TRACES = f"""  multiline: {{start: '^\\S+ \\d+ ', flushAfter: 1s}}
{ONCE}"""


def split(container, dice):
    """Write two records whose parts interleave, as the two streams of a container do."""
    first, second = (
        container.content(container.written + 1),
        container.content(container.written + 2),
    )
    at, stamp = dice.randrange(1, 50), "2026-01-02T03:04:05.5Z"
    container.raw(
        f"{stamp} stdout P {first[:at]}\n{stamp} stderr P {second[:at]}\n"
        f"{stamp} stdout F {first[at:]}\n".encode()
    )
    if dice.random() < 0.5:
        time.sleep(dice.uniform(0, 0.3))
    container.raw(f"{stamp} stderr F {second[at:]}\n".encode())
    container.written += 2


@pytest.mark.parametrize("rest", [ONCE, TRACES], ids=["lines", "multiline"])
def test_either_side_killed_at_random_instants_delivers_each_record_once(scene, rounds, rest):
    dice = random.Random(rest)  # noqa: S311  (moments, no secrets)
    pods = [kubelet.Container(scene.agent.pods, f"once-{number}") for number in range(3)]
    scene.agent.pipeline("lines", rest=rest)
    scene.agent.start("--batch-logs", "100")
    for number in range(KILLS * (1 + rounds)):
        for pod in pods:
            pod.lines(dice.randrange(300))
            split(pod, dice)
        time.sleep(dice.uniform(0.0, 0.8))
        # Of five files none leaves before an agent could read it, however slow the machine is.
        if number % 4 == 3:
            scene.caught_up(pods[0])
        if number % 2:
            pods[0].rotate(late_lines=dice.randrange(20))
            pods[0].lines(dice.randrange(100))
        if number % 3 == 0:
            scene.service.kill()
            if dice.random() < 0.5:
                scene.agent.kill()
                scene.agent.start()
            scene.service.start()
        else:
            scene.agent.kill()
            scene.agent.start()
    scene.check(stage.contents(*pods))


def test_answer_that_is_cut_repeats_nothing(scene, container):
    between = proxy.Proxy(scene.service)
    scene.agent.pipeline("lines", endpoint=between.url, rest=ONCE)
    between.mode = proxy.CUT_ANSWER
    container.lines(3000)
    scene.agent.start("--batch-logs", "100")
    agent.until("the fault", lambda: between.faults >= 4)
    scene.agent.kill()
    scene.agent.start()
    agent.until("the fault", lambda: between.faults >= 8)
    between.mode = proxy.PASS
    scene.check(stage.contents(container))
    between.close()


def test_state_directory_that_went_back_in_time_loses_nothing(scene, container):
    scene.agent.pipeline("lines", rest=ONCE)
    scene.agent.start("--batch-logs", "10")
    container.lines(100)
    scene.caught_up(container)
    scene.agent.stop()
    before = scene.agent.home / "before"
    shutil.copytree(scene.agent.state, before)
    scene.agent.start()
    container.lines(500)
    scene.caught_up(container)
    scene.agent.kill()
    shutil.rmtree(scene.agent.state)
    before.rename(scene.agent.state)
    container.lines(500)
    scene.agent.start()
    # Its numbers were used: new ones are taken, and what the copy did not know comes again.
    account = scene.check(stage.contents(container), repeats=True)
    assert account.repeated <= 500
    # From there on each record comes once again.
    container.lines(300)
    scene.agent.start()
    time.sleep(0.5)
    scene.agent.kill()
    scene.agent.start()
    assert scene.check(stage.contents(container), repeats=True).repeated == account.repeated
