"""Everything that a pod's containers say for themselves, by annotation and by variable. Pure.

`planning` and `explaining` ask what a container wants, `optins` reports it.
"""

import dataclasses
from collections.abc import Mapping

from loghub_agent import pods, variables, wishes


def heard(pod: pods.Pod) -> tuple[Mapping[str, wishes.Said], list[wishes.Problem]]:
    """Return what each container says, by its name, and which keys do not work."""
    problems = list(wishes.misplaced(pod))
    found: dict[str, wishes.Said] = {}
    for container in pod.containers:
        said = wishes.annotated(pod, container.name, problems)
        more = variables.asked(container, problems)
        found[container.name] = (
            dataclasses.replace(said, wishes=said.wishes + more) if more else said
        )
    return found, list(dict.fromkeys(problems))
