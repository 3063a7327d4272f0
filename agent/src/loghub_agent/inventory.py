"""The pods of this node: those that exist, and those deleted whose last lines are still to be read.

`cluster` and `standalone` tell it what they see, `planning` gets its `residents`, and the core's
word that a source is drained lets a deleted pod go. A pod's metadata therefore lives as long as its
bytes do, also across a restart (`state`).
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from loghub_agent import planning, pods

MAX_GONE: Final = 1000
"""Deleted pods kept at most. A destination that is away while pods come and go must not fill the
node's memory; a guess: four times the pods that one node runs. Past it the oldest goes, counted."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Gone:
    pod: pods.Pod
    ends_at: float
    """Clock seconds from which on nothing more is written."""


class Inventory:
    """Live and deleted pods by uid. `clock` returns seconds that never go back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._live: dict[str, pods.Pod] = {}
        self._gone: dict[str, _Gone] = {}
        self.abandoned = 0
        """Deleted pods dropped before they were drained, since the start."""

    def __len__(self) -> int:
        return len(self._live)

    @property
    def gone(self) -> int:
        """How many deleted pods are still waited for."""
        return len(self._gone)

    def live(self) -> Iterable[pods.Pod]:
        """Return the pods that exist."""
        return self._live.values()

    def observe(self, pod: pods.Pod) -> bool:
        """Take a pod as seen now; say whether anything changed."""
        returned = self._gone.pop(pod.uid, None) is not None
        changed = self._live.get(pod.uid) != pod
        self._live[pod.uid] = pod
        return changed or returned

    def remove(self, uid: str, last: pods.Pod | None = None) -> bool:
        """Take the pod as deleted; `last` is its final form, where the watch gave one.

        A pod deleted by force can vanish from the API server while its containers still write: its
        sources then stay open for its grace period.
        """
        known = self._live.pop(uid, None)
        pod = last or known
        if known is None or pod is None:
            return False
        wait = pod.grace_seconds if pod.running else 0
        self._gone[uid] = _Gone(pod, self._clock() + wait)
        while len(self._gone) > MAX_GONE:
            del self._gone[next(iter(self._gone))]
            self.abandoned += 1
        return True

    def replace(self, listed: Iterable[pods.Pod]) -> bool:
        """Take a complete list: what is not in it is deleted. Say whether anything changed."""
        by_uid = {pod.uid: pod for pod in listed}
        changed = False
        for uid in [uid for uid in self._live if uid not in by_uid]:
            changed = self.remove(uid) or changed
        for pod in by_uid.values():
            changed = self.observe(pod) or changed
        return changed

    def residents(self) -> Iterator[planning.Resident]:
        """Yield every pod as the plan sees it now."""
        for pod in self._live.values():
            yield planning.Resident(pod, ended=pod.finished and not pod.running)
        now = self._clock()
        for gone in self._gone.values():
            yield planning.Resident(gone.pod, ended=now >= gone.ends_at, gone=True)

    def next_end(self) -> float | None:
        """Return the clock time of the next deleted pod whose sources end, None without one."""
        now = self._clock()
        return min(
            (gone.ends_at for gone in self._gone.values() if gone.ends_at > now), default=None
        )

    def release(
        self,
        sources: Mapping[str, tuple[planning.SourceKey, ...]],
        drained: Callable[[planning.SourceKey], bool],
    ) -> bool:
        """Forget deleted pods whose every source is drained; say whether one went.

        `sources` is the applied plan's: a pod that the plan has not seen yet stays.
        """
        now = self._clock()
        done = [
            uid
            for uid, gone in self._gone.items()
            if now >= gone.ends_at and uid in sources and all(map(drained, sources[uid]))
        ]
        for uid in done:
            del self._gone[uid]
        return bool(done)

    def to_state(self) -> list[dict[str, object]]:
        """Return every pod as plain JSON values, deleted ones marked."""
        live: list[dict[str, object]] = [
            {"gone": False, "pod": pods.to_state(pod)} for pod in self._live.values()
        ]
        return live + [
            {"gone": True, "pod": pods.to_state(gone.pod)} for gone in self._gone.values()
        ]

    def restore(self, items: Iterable[tuple[bool, pods.Pod]]) -> None:
        """Take saved pods (deleted or not, pod) as the whole truth.

        The clock does not survive a restart, so a deleted pod that was running gets its grace
        period again.
        """
        for was_gone, pod in items:
            self._live[pod.uid] = pod
            if was_gone:
                self.remove(pod.uid)
