"""The agent's loop: when something changed, make a plan, hand it to the core, say what came of it.

Sources of change (`cluster.sinks`, `standalone`) fill the inventory, the catalog and the keyring
and call `poke`. The loop is level-triggered: it looks at what is, never at what happened, so that
many changes make one plan and a missed one cannot exist.
"""

import asyncio
import dataclasses
import hashlib
import logging
import pathlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from loghub_agent import (
    catalog,
    credentials,
    errors,
    hearing,
    inventory,
    planning,
    runtime,
    supervisor,
)
from loghub_agent.config.plan import Pipeline

_log = logging.getLogger(__name__)

COALESCE_SECONDS: Final = 0.1
"""Changes within this time make one plan. Far below the second that a change may take, and above
the time in which a burst of events arrives."""
FIRST_SECONDS: Final = 0.002
"""The same after a quiet time: a pod that comes alone is collected at once."""
QUIET_SECONDS: Final = 1.0
"""A second without a plan is a quiet time."""
RETRY_SECONDS: Final = 5.0
"""Wait after the core failed a call as a whole. It keeps running its last plan meanwhile."""
STATS_SECONDS: Final = 10.0
"""How often the core is asked for its counters while nothing waits for them."""
DRAIN_POLL_SECONDS: Final = 1.0
"""How often it is asked while deleted pods wait to be drained."""

_CHANGING: Final = re.compile(r"(?i)\b[0-9a-f]{8,}\b|\b\d+\b")
"""Request ids, counts and times in an error: with them every repetition would be news."""

_UNREADABLE: Final = re.compile(r"cannot be listed|narrow input\.paths|Permission denied")
"""Errors about a pipeline's files themselves, as the core words them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Surroundings:
    """Where containers log, and what this node is called."""

    pods_dir: str
    node: str
    root: str = "/"
    """Where the node's own files are."""
    aliases: tuple[str, ...] = ()
    """Names of other collectors whose keys on pods are heard."""


class Collecting:
    """Keeps the core's plan equal to what catalog, inventory and keyring say."""

    def __init__(
        self,
        core: supervisor.Supervisor,
        *,
        pipelines: catalog.Catalog,
        pods_here: inventory.Inventory,
        keys: credentials.Keyring,
        surroundings: Surroundings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._core = core
        self.catalog = pipelines
        self.inventory = pods_here
        self.keys = keys
        self._surroundings = surroundings
        self._clock = clock
        self.hear = hearing.listener(surroundings.aliases)
        self.grounds = runtime.Grounds(pathlib.Path(surroundings.root))
        self._wake = asyncio.Event()
        self._handed_over = b""
        """Digest of the last plan, so that an unchanged one is not handed over again."""
        self._refused: dict[str, str] = {}
        """What the core refused of it; tried again with every plan."""
        self._announced: dict[str, str] = {}
        self._unreadable: dict[str, str] = {}
        """By pipeline, why some of the files that pods ask for cannot be looked at."""
        self._said: frozenset[str] = frozenset()
        self.may_plan: Callable[[], bool] = lambda: True
        """Whether catalog, inventory and keyring are complete. A plan made earlier would stop
        sources that only have not been listed yet."""
        self.on_news: Callable[[bool, bool], None] = lambda _good, _pods: None
        """Called after each plan: whether a pipeline has a new last good form, and whether a
        deleted pod was forgotten."""
        self.plan = planning.Plan("", {}, {})
        self.stats: supervisor.Stats | None = None
        self.first_plan = asyncio.Event()
        """Set once the core runs a plan."""
        self.applied = 0
        """Plans handed over since the start."""
        self.complaint = ""
        """Why the core failed as a whole; empty while it works."""

    def poke(self) -> None:
        """Say that something changed."""
        self._wake.set()

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_planning())
            group.create_task(self._keep_watching())

    async def _keep_planning(self) -> None:
        last = -QUIET_SECONDS
        while True:
            await self._sleep_until_poked(self.inventory.next_end())
            quiet = self._clock() - last >= QUIET_SECONDS
            await asyncio.sleep(FIRST_SECONDS if quiet else COALESCE_SECONDS)
            last = self._clock()
            self._wake.clear()
            if not self.may_plan():
                continue
            try:
                await self.apply()
                self.complaint = ""
            except errors.CoreError as fault:
                self.complaint = str(fault)
                _log.exception("plan not applied")
                await asyncio.sleep(RETRY_SECONDS)
                self._wake.set()

    async def _sleep_until_poked(self, deadline: float | None) -> None:
        if deadline is None:
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock())):
                await self._wake.wait()
        except TimeoutError:
            pass  # a deleted pod's grace is over: its sources end now

    async def apply(self) -> None:
        """Bring the core to what is wanted now.

        Raises:
            CoreError: the core failed; it goes on with what it has.
        """
        for name, key in list(self.keys.undelivered()):
            if key is None:
                await self._core.remove_credentials(name)
            else:
                await self._core.set_credentials(name, key)
            self.keys.delivered(name, key)
        versions = self.catalog.wanted()
        plan = self._build(versions)
        digest = hashlib.blake2b(plan.text.encode("utf-8", "surrogatepass")).digest()
        news = False
        if digest != self._handed_over or self._refused:
            self._handed_over = b""  # should the core fail now, the next round is no repetition
            news, plan = await self._hand_over(versions, plan)
            self._handed_over = digest
        # The text has done its work, and for thousands of pipelines it is megabytes.
        self.plan = dataclasses.replace(plan, text="")
        self._announce()
        self.on_news(news, False)

    def _build(self, versions: Mapping[str, catalog.Version]) -> planning.Plan:
        residents = list(self.inventory.residents())
        self.grounds.keep(each.id for resident in residents for each in resident.pod.containers)
        return planning.build(
            (version.pipeline for version in versions.values() if version.pipeline),
            residents,
            pods_dir=self._surroundings.pods_dir,
            node=self._surroundings.node,
            root=self._surroundings.root,
            ground=self.grounds.of,
            hear=self.hear,
        )

    async def _hand_over(
        self, versions: Mapping[str, catalog.Version], plan: planning.Plan
    ) -> tuple[bool, planning.Plan]:
        """Apply a plan; where the core refuses pipelines, apply again with their last good forms.

        The core keeps a refused pipeline as it was. The second plan is for its sources: they go on
        changing while the pipeline waits to be mended.

        Returns:
            Whether a pipeline has a new last good form, and the plan that runs in the end.
        """
        started = self._clock()
        self._refused = await self._core.apply(plan.text)
        news = self.catalog.settle(versions, self._refused)
        if any(self.catalog.has_fallback(name, versions[name]) for name in self._refused):
            fallback = self.catalog.wanted(self._refused)
            plan = self._build(fallback)
            news = self.catalog.settle(fallback, await self._core.apply(plan.text)) or news
        self.applied += 1
        self.first_plan.set()
        _log.info(
            "plan applied",
            extra={
                "pipelines": len(self.catalog),
                "sources": sum(map(len, plan.sources.values())),
                "refused": len(self._refused),
                "seconds": round(self._clock() - started, 3),
            },
        )
        return news, plan

    def _announce(self) -> None:
        """Log what pipelines complain about, once for each new complaint."""
        troubles = self.troubles()
        complaints = {
            outcome.name: outcome.refusal or troubles.get(outcome.name, "")
            for outcome in self.catalog.outcomes()
        }
        for name, complaint in complaints.items():
            before = self._announced.get(name, "")
            if complaint and complaint != before:
                _log.warning("pipeline failed", extra={"pipeline": name, "reason": complaint})
            elif before and not complaint:
                _log.info("pipeline works again", extra={"pipeline": name})
        self._announced = {name: text for name, text in complaints.items() if text}

    def troubles(self) -> dict[str, str]:
        """Return sentences about pipelines that are in the plan and cannot deliver, by name."""
        found: dict[str, str] = {}
        for name, version in self.catalog.wanted().items():
            wanted = version.pipeline.credentials if version.pipeline else ""
            if wanted not in self.keys:
                missing = f"there are no credentials named {wanted}; lines wait for them"
                found[name] = self.keys.refusals.get(wanted, missing)
        return found

    def failing(self) -> Sequence[tuple[Pipeline, str]]:
        """Return pipelines made for pods' own keys that do not do all that is asked, and why."""
        versions = self.catalog.wanted()
        found = []
        for name, sentence in sorted((self._unreadable | self._refused).items()):
            pipeline = versions[name].pipeline if name in versions else None
            if pipeline is not None and pipeline.opt_in is not None:
                found.append((pipeline, sentence))
        return found

    def _note_unreadable(self, stats: supervisor.Stats) -> None:
        """Keep the first such error of each pipeline.

        The last one may soon be about something else, and a report that says it now and then
        would be written each time.
        """
        versions = self.catalog.wanted()
        kept = {name: text for name, text in self._unreadable.items() if name in versions}
        for name, numbers in stats.pipelines.items():
            version = versions.get(name)
            found = version.pipeline if version else None
            asked = found is not None and found.opt_in is not None and found.files is not None
            if asked and _UNREADABLE.search(numbers.last_error):
                kept.setdefault(name, _CHANGING.sub("…", numbers.last_error))
        self._unreadable = kept

    def sentences(self) -> Iterator[str]:
        """Yield what else goes wrong on this node, in words that stay the same while it does."""
        if self.complaint:
            yield self.complaint
        if self.inventory.abandoned:
            yield (
                "deleted pods were given up before their last lines were delivered, because over "
                f"{inventory.MAX_GONE} waited; see loghub_agent_abandoned_pods_total"
            )
        yield from sorted(self.keys.refusals.values())
        if self.stats:
            yield from self.stats.complaints
            for name, pipeline in sorted(self.stats.pipelines.items()):
                if pipeline.last_error:
                    yield f"pipeline {name}: {_CHANGING.sub('…', pipeline.last_error)}"

    async def _keep_watching(self) -> None:
        while True:
            waits_for_drain = self.inventory.gone > 0
            await asyncio.sleep(DRAIN_POLL_SECONDS if waits_for_drain else STATS_SECONDS)
            try:
                await self.look()
            except errors.CoreError as fault:
                _log.warning("no counters from the core", extra={"reason": str(fault)})

    async def look(self) -> None:
        """Take the core's counters and let drained pods go.

        Raises:
            CoreError: the core did not answer.
        """
        plan = self.plan
        self.stats = stats = await self._core.stats()
        self._note_unreadable(stats)

        def is_drained(key: planning.SourceKey) -> bool:
            # A pipeline that the core does not run (refused, never good) drains nothing.
            return stats.sources.get(key) == "Drained" or key[0] not in stats.pipelines

        released = self.inventory.release(plan.sources, is_drained)
        if released or self.grounds.missing:
            self.poke()
        self._announce_sentences()
        self.on_news(False, released)

    def _announce_sentences(self) -> None:
        sentences = frozenset(self.sentences())
        for sentence in sorted(sentences - self._said):
            _log.warning("something is wrong", extra={"reason": sentence})
        self._said = sentences
