"""Everything that a pod's containers say for themselves, by annotation and by variable. Pure.

`planning` and `explaining` ask what a container wants, `optins` reports it. Other collectors' keys
(`aliases`) are heard where that is switched on, below the pod's own.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from loghub_agent import forms, pods, variables, wishes

if TYPE_CHECKING:
    from loghub_agent import aliases

Heard = tuple[Mapping[str, wishes.Said], list[wishes.Problem]]
Hear = Callable[[pods.Pod], Heard]
"""What each container of a pod says, by its name, and which keys do not work."""


def heard(pod: pods.Pod) -> Heard:
    """Hear the pod's own keys alone."""
    return _hear(pod, ())


def listener(names: Collection[str]) -> Hear:
    """Return what hears pods with the `aliases` of these names."""
    if not names:
        return heard
    from loghub_agent import aliases  # noqa: PLC0415  (few want it, and it brings YAML along)

    readers = [reader for name, reader in aliases.READERS.items() if name in names]
    return lambda pod: _hear(pod, readers)


def _hear(pod: pods.Pod, readers: "Sequence[aliases.Reader]") -> Heard:
    problems = list(wishes.misplaced(pod))
    found: dict[str, wishes.Said] = {}
    for container in pod.containers:
        said = wishes.annotated(pod, container.name, problems)
        more = variables.asked(container, problems)
        said = dataclasses.replace(said, wishes=said.wishes + more) if more else said
        if readers and all(wish.form == forms.PLAIN and wish.streams for wish in said.wishes):
            foreign = _foreign(pod, container.name, readers, problems)
            said = _below(said, foreign) if not more else said
        found[container.name] = said
    return found, list(dict.fromkeys(problems))


def _foreign(
    pod: pods.Pod,
    container: str,
    readers: "Sequence[aliases.Reader]",
    problems: list[wishes.Problem],
) -> wishes.Said:
    """What the first system says whose keys the pod has."""
    for read in readers:
        said = read(pod.annotations or {}, container, problems)
        if said != wishes.SILENT:
            return said
    return wishes.SILENT


def _below(own: wishes.Said, foreign: wishes.Said) -> wishes.Said:
    """Foreign keys say how, and the pod's own where to: Logstore, project, tags, streams."""
    excluded = foreign.excluded if own.excluded is None else own.excluded
    if not foreign.wishes:
        return dataclasses.replace(own, excluded=excluded)
    over = own.wishes[0] if own.wishes else None
    raised = [
        dataclasses.replace(
            wish,
            logstore=over.logstore if over else "",
            project=over.project if over else own.project,
            streams=tuple(each for each in wish.streams if each in own.streams),
            tags=tuple(sorted((dict(wish.tags) | dict(own.tags)).items())),
        )
        for wish in foreign.wishes
    ]
    heard = tuple(wish for wish in raised if wish.streams or wish.form.files)
    return dataclasses.replace(own, wishes=heard, excluded=excluded)
