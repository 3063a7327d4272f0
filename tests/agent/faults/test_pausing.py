"""A pipeline that is paused reads nothing, and goes on where it stopped: nothing twice or lost."""

import pytest

from rig import agent, arrivals, stage


@pytest.mark.parametrize("mode", ["Paused", "Preview"])
def test_paused_pipeline_reads_nothing_and_goes_on_where_it_stopped(
    service, scene, container, mode
):
    witness = arrivals.Arrivals(service, f"witness-{mode.lower()}")
    witness.create()
    paused = f"  mode: {mode}\n  input: {{stdout: {{}}}}"
    scene.agent.pipeline("witness", logstore=witness.logstore)
    scene.agent.start()
    container.lines(50)
    scene.caught_up(container)
    plans = scene.agent.metric("loghub_agent_plans_total")
    scene.agent.pipeline("lines", rest=paused)
    agent.until(
        "the mode is applied", lambda: scene.agent.metric("loghub_agent_plans_total") > plans
    )
    for kill in (False, True):
        if kill:
            scene.agent.kill()
            scene.agent.start()
        container.lines(50)
        wanted = set(stage.contents(container))
        agent.until("the witness has all", lambda wanted=wanted: wanted <= set(witness.contents()))
        assert len(scene.arrivals.contents()) == 50
    scene.agent.pipeline("lines")
    scene.check(stage.contents(container))
