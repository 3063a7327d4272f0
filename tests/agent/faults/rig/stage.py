"""One fault test's cast: the service, the agent, the Logstore, and the account of the records."""

import dataclasses
from collections.abc import Iterable

from harness import ingest
from rig import agent, arrivals, kubelet

HEAD = f"{'fault':<66} {'written':>8} {'arrived':>8} {'lost':>6} {'repeated':>8} {'peak MiB':>8}"
PATIENCE_SECONDS = 60


@dataclasses.dataclass(slots=True)
class Scene:
    """`check` waits until all has arrived and says what the account is."""

    service: ingest.Service
    agent: agent.Agent
    arrivals: arrivals.Arrivals
    last: arrivals.Account | None = None

    def check(
        self, expected: Iterable[str], *, repeats: bool = False, at_end: bool = True
    ) -> arrivals.Account:
        """Wait for every content in `expected`; nothing else may arrive, and nothing twice unless
        `repeats`. With `at_end` the agent is stopped first thing after, to see what it still sends.
        """
        wanted = list(expected)

        def all_there() -> bool:
            self.agent.alive()
            self.last = arrivals.account(wanted, self.arrivals.contents())
            return not self.last.lost

        try:
            agent.until("every record", all_there, seconds=PATIENCE_SECONDS, every=0.2)
        except AssertionError as fault:
            lost = self.last.lost if self.last else []
            raise AssertionError(
                f"{len(lost)} of {len(wanted)} lost: {lost[:3]} to {lost[-3:]}\n"
                f"{self.agent.log.read_text()[-2000:]}"
            ) from fault
        if at_end and self.agent.process is not None and self.agent.process.poll() is None:
            assert self.agent.stop() == 0
        self.last = arrivals.account(wanted, self.arrivals.contents())
        assert not self.last.lost
        assert self.last.strange == []
        if not repeats:
            assert self.last.repeated == 0
        return self.last

    def caught_up(self, container: kubelet.Container) -> None:
        """Wait until everything written so far has arrived."""
        wanted = set(contents(container))
        agent.until("it caught up", lambda: wanted <= set(self.arrivals.contents()))

    def row(self, name: str) -> str:
        """The line of the table."""
        assert self.last is not None
        seen, peak = self.last, self.agent.peak_kib / 1024
        return (
            f"{name[:66]:<66} {seen.written:>8} {seen.arrived:>8} {len(seen.lost):>6} "
            f"{seen.repeated:>8} {peak:>8.1f}"
        )


def contents(*containers: kubelet.Container) -> list[str]:
    """What was written as numbered records so far."""
    return [each.content(number) for each in containers for number in range(1, each.written + 1)]
