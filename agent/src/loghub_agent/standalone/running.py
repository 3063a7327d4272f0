"""Runs an agent without Kubernetes: looks at files every second and lets `collecting` do the rest.

Called by `cli`. With `--once` it ends when the core says that everything is read and acknowledged.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, Final

from loghub_agent import (
    admin,
    catalog,
    collecting,
    credentials,
    errors,
    explaining,
    inventory,
    lifecycle,
    metrics,
    supervisor,
)
from loghub_agent.settings import Settings, StandaloneSettings
from loghub_agent.standalone import containers, documents, noticing

_log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often files and directories are looked at. Polling, because a directory of documents may lie
on a file system that notifies nobody."""
GLANCE_SECONDS: Final = 0.05
"""Where the kernel does not tell: how often only the pods directory's own time is looked at, which
changes when a pod comes or goes. A pod may live for less than a second."""
REST: Final = 5
"""After a look so many times its length passes without one, however many pods come and go."""
IDLE_POLL_SECONDS: Final = 0.2
"""How often the core is asked whether it is done."""


class Agent:
    """Everything a standalone agent consists of."""

    def __init__(
        self, core: supervisor.Supervisor, settings: Settings, standalone: StandaloneSettings
    ) -> None:
        self._core = core
        self._settings = settings
        self._standalone = standalone
        self._notice = noticing.Notice()
        self._finder = containers.Finder(
            settings.pods_dir, node=settings.node, follow=self._notice.follow
        )
        self._documents = documents.Documents(standalone.pipelines)
        self._credentials = documents.CredentialsFile(standalone.credentials)
        self._announced: frozenset[str] = frozenset()
        self._done = False
        self.collecting = collecting.Collecting(
            core,
            pipelines=catalog.Catalog(),
            pods_here=inventory.Inventory(time.monotonic),
            keys=credentials.Keyring(),
            surroundings=collecting.Surroundings(
                str(settings.pods_dir), settings.node, str(settings.root)
            ),
        )

    async def look(self) -> None:
        """Take documents, credentials and directories as they are now."""
        collects = self.collecting
        found = await asyncio.to_thread(self._finder.look)
        changed = found is not None and collects.inventory.replace(found)
        if self._documents.look():
            changed = collects.catalog.replace(self._documents.versions()) or changed
        if self._credentials.look():
            changed = collects.keys.replace(self._credentials.keys) or changed
        if changed or not collects.first_plan.is_set():
            collects.poke()
        self._announce()

    def _announce(self) -> None:
        sentences = frozenset(self.complaints())
        for sentence in sorted(sentences - self._announced):
            _log.warning("not as it should be", extra={"reason": sentence})
        self._announced = sentences

    def complaints(self) -> Iterator[str]:
        """Yield what is wrong with the files given."""
        yield from self._documents.complaints
        if self._credentials.complaint:
            yield self._credentials.complaint
        for name, version in self.collecting.catalog.wanted().items():
            if version.pipeline and version.pipeline.needs_pod_metadata:
                yield (
                    f"LogPipeline {name}: spec.select.podLabels or podAnnotations is set, and "
                    "without Kubernetes nobody knows a pod's labels; it matches nothing, so "
                    "select by namespaces and containerNames here"
                )

    async def _keep_looking(self) -> None:
        while True:
            before, started = containers.changed(self._settings.pods_dir), time.monotonic()
            await self.look()
            if self._finder.hears:
                await asyncio.sleep(REST * (time.monotonic() - started))
                await self._notice.wait(LOOK_SECONDS)
                continue
            for _ in range(round(LOOK_SECONDS / GLANCE_SECONDS)):
                await asyncio.sleep(GLANCE_SECONDS)
                if containers.changed(self._settings.pods_dir) != before:
                    break

    async def _until_done(self, stop: asyncio.Event) -> None:
        """Set `stop` when everything is delivered, or when something never can be."""
        await self.collecting.first_plan.wait()
        while True:
            if self.collecting.troubles() or await self._core.idle():
                break
            await asyncio.sleep(IDLE_POLL_SECONDS)
        self._done = True
        stop.set()

    def failures(self) -> list[str]:
        """Return why a run with --once is no success; empty when it is one."""
        refusals = [outcome.refusal for outcome in self.collecting.catalog.outcomes()]
        troubles = self.collecting.troubles().items()
        found = [*self.complaints(), *(f"LogPipeline {name}: {text}" for name, text in troubles)]
        return found + [refusal for refusal in refusals if refusal]

    def _stuck(self) -> Iterator[str]:
        if (waited := self._core.stuck_seconds()) > admin.CORE_STUCK_SECONDS:
            yield f"a call into the core has not returned for {waited:.0f} s"

    def _metrics(self) -> Iterator[metrics.Family]:
        return metrics.collecting_families(self.collecting)

    async def run(self, stop: asyncio.Event) -> None:
        """Collect until `stop` is set (with --once: until done), then deliver what is in flight.

        Raises:
            AgentError: with --once, where not everything could be delivered.
        """
        exposition = metrics.Exposition()
        exposition.add(self._metrics)
        health = admin.Health(
            stuck=self._stuck,
            ready=self.collecting.first_plan.is_set,
            refresh=self.collecting.look,
            exposition=exposition,
            explain=lambda asked: explaining.explain(
                asked, self.collecting, pods_dir=str(self._settings.pods_dir)
            ),
        )
        jobs = [self.collecting.run(), self._keep_looking()]
        if self._standalone.once:
            jobs.append(self._until_done(stop))
        with contextlib.closing(self._notice):
            delivered = await self._collect(health, stop, jobs)
        if self._standalone.once:
            self._judge(finished=self._done and delivered)

    async def _collect(
        self, health: admin.Health, stop: asyncio.Event, jobs: Sequence[Coroutine[Any, Any, None]]
    ) -> bool:
        async with admin.serving(self._settings.admin_listen, health):
            await self.look()
            await lifecycle.run_until(stop, *jobs)
            return await lifecycle.finish(self._core, self._settings.drain_seconds)

    def _judge(self, *, finished: bool) -> None:
        failures = self.failures()
        if not finished:
            failures.append("stopped before everything was read and acknowledged")
        if failures:
            raise errors.AgentError("; ".join(failures))
        _log.info("everything is read and acknowledged")


async def run(settings: Settings, standalone: StandaloneSettings) -> None:
    """Run an agent without Kubernetes until SIGTERM, or with --once until done.

    Raises:
        AgentError: it cannot start, or with --once did not deliver everything.
    """
    stop = lifecycle.stop_on_signals()
    core = supervisor.Supervisor(supervisor.open_core(settings))
    await Agent(core, settings, standalone).run(stop)
