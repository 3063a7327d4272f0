"""Puts an agent in a cluster together. Called by `cli`.

Reflectors fill, `collecting` plans, keeper and reporter write. At the start everything comes from
disk where there is something, so lines are collected before the API server has said a word.
"""

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from loghub_agent import (
    __version__,
    admin,
    catalog,
    collecting,
    credentials,
    errors,
    explaining,
    figures,
    inventory,
    lifecycle,
    metrics,
    optins,
    pods,
    reports,
    state,
    supervisor,
)
from loghub_agent.cluster import access, api, keeper, reflector, reporter, sinks
from loghub_agent.settings import ClusterSettings, Settings

_log = logging.getLogger(__name__)

FINAL_REPORT_SECONDS: Final = 3.0
"""Wait for the last report. Draining has taken its share of the grace period already."""

AnyReflector = reflector.Reflector[Any]


class Agent:
    """Everything one node's agent consists of."""

    def __init__(
        self,
        core: supervisor.Supervisor,
        server: api.Api,
        *,
        settings: Settings,
        cluster: ClusterSettings,
        scope: Mapping[str, str],
        timing: reflector.Timing | None = None,
    ) -> None:
        """`scope` names the installation that saved state must come from."""
        self._core = core
        self._settings = settings
        self.collecting = collecting.Collecting(
            core,
            pipelines=catalog.Catalog(cluster.namespace),
            pods_here=inventory.Inventory(time.monotonic),
            keys=credentials.Keyring(),
            surroundings=collecting.Surroundings(
                str(settings.pods_dir), settings.node, str(settings.root), cluster.aliases
            ),
        )
        self.reflectors = self._make_reflectors(server, cluster, timing or reflector.Timing())
        self.keeper = keeper.Keeper(
            state.Directory(settings.state, scope), self._memories(self.reflectors)
        )
        self.reporter = reporter.Reporter(
            server,
            namespace=cluster.namespace,
            node=settings.node,
            pool=reporter.Pool(cluster.pool, cluster.pool_uid),
            compose=self._compose,
        )
        self._identity = reports.Identity(
            node=settings.node,
            version=__version__,
            pod=cluster.pod,
            pool=cluster.pool,
            started_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        )
        self._figures = figures.Board()
        self.collecting.may_plan = self._has_pictures
        self.collecting.on_news = self._take_news

    def _make_reflectors(
        self, server: api.Api, cluster: ClusterSettings, timing: reflector.Timing
    ) -> Sequence[AnyReflector]:
        collects = self.collecting
        made: list[AnyReflector] = [
            reflector.Reflector(
                server,
                sinks.pods_path(),
                sinks.PodSink(collects.inventory, self._changed("pods")),
                selectors={"fieldSelector": f"spec.nodeName={self._settings.node}"},
                timing=timing,
            ),
            reflector.Reflector(
                server,
                sinks.pipelines_path(cluster.namespace),
                sinks.PipelineSink(collects.catalog, self._changed("pipelines")),
                selectors={},
                timing=timing,
            ),
            reflector.Reflector(
                server,
                sinks.secrets_path(cluster.namespace),
                sinks.SecretSink(collects.keys, self._changed("secrets")),
                selectors={"labelSelector": sinks.CREDENTIALS_SELECTOR},
                timing=timing,
            ),
        ]
        for watch in made:
            watch.on_listed = collects.poke
        return made

    def _changed(self, name: str) -> Callable[[], None]:
        def changed() -> None:
            self.keeper.mark(name)
            self.collecting.poke()

        return changed

    def _memories(self, watches: Sequence[AnyReflector]) -> list[keeper.Memory]:
        here, pipelines, keys = (
            self.collecting.inventory,
            self.collecting.catalog,
            self.collecting.keys,
        )

        def restore_pods(items: list[Any]) -> None:
            here.restore([(bool(item["gone"]), pods.from_state(item["pod"])) for item in items])

        return [
            keeper.Memory("pods", watches[0], here.to_state, restore_pods),
            keeper.Memory("pipelines", watches[1], pipelines.to_state, pipelines.restore),
            keeper.Memory("secrets", watches[2], keys.to_state, keys.restore),
        ]

    def _has_pictures(self) -> bool:
        return all(watch.has_picture for watch in self.reflectors)

    def _take_news(self, good: bool, released: bool) -> None:
        if good:
            self.keeper.mark("pipelines")
        if released:
            self.keeper.mark("pods")
        self.reporter.poke()

    def _compose(self) -> dict[str, Any] | None:
        """Return the report; None before the first plan, when empty lists would be untrue."""
        collects = self.collecting
        if not collects.first_plan.is_set():
            return None
        sentences = list(collects.sentences())
        if self.keeper.complaint:
            sentences.append(self.keeper.complaint)
        return reports.build(
            self._identity,
            outcomes=collects.catalog.outcomes(),
            matches=collects.plan.matches,
            troubles=collects.troubles(),
            asked=optins.report(collects.inventory.residents(), collects.hear, collects.failing()),
            errors=sentences,
            numbers=self._figures.look(collects.stats, time.time()),
            written=collects.catalog.written(),
        )

    def stuck(self) -> Iterator[str]:
        """Yield sentences about what makes no progress and would after a restart."""
        if (waited := self._core.stuck_seconds()) > admin.CORE_STUCK_SECONDS:
            yield f"a call into the core has not returned for {waited:.0f} s"
        for watch in self.reflectors:
            idle = time.monotonic() - watch.last_progress
            if idle > admin.WATCH_STUCK_SECONDS:
                yield f"the watch of {watch.name} has made no progress for {idle:.0f} s"

    def metrics(self) -> Iterator[metrics.Family]:
        """Yield the control's own numbers and the core's."""
        collects = self.collecting
        yield from metrics.collecting_families(collects)
        yield metrics.counter_of(
            "loghub_agent_report_writes", "AgentReports written.", self.reporter.writes
        )
        yield from metrics.watch_families(
            [
                metrics.WatchNumbers(
                    watch.name,
                    lists=watch.lists,
                    watches=watch.watches,
                    silent_seconds=time.monotonic() - watch.last_contact,
                )
                for watch in self.reflectors
            ]
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Collect until `stop` is set, then deliver, report and save."""
        self.keeper.restore()
        self.collecting.poke()
        exposition = metrics.Exposition()
        exposition.add(self.metrics)
        health = admin.Health(
            stuck=self.stuck,
            ready=self.collecting.first_plan.is_set,
            refresh=self.collecting.look,
            exposition=exposition,
            explain=lambda asked: explaining.explain(
                asked, self.collecting, pods_dir=str(self._settings.pods_dir)
            ),
        )
        async with admin.serving(self._settings.admin_listen, health):
            await lifecycle.run_until(
                stop,
                self.collecting.run(),
                self.keeper.run(),
                self.reporter.run(),
                *(watch.run() for watch in self.reflectors),
            )
            await self._finish()

    async def _finish(self) -> None:
        await lifecycle.finish(self._core, self._settings.drain_seconds)
        await self.keeper.finish()
        try:
            async with asyncio.timeout(FINAL_REPORT_SECONDS):
                await self.reporter.write()
        except (errors.ApiError, TimeoutError) as fault:
            _log.warning("final report not written", extra={"reason": str(fault) or "no answer"})


async def run(settings: Settings, cluster: ClusterSettings) -> None:
    """Run an agent in a cluster until SIGTERM.

    Raises:
        AgentError: it cannot start, or the core fails at the end.
    """
    reach = (
        access.from_kubeconfig(cluster.kubeconfig) if cluster.kubeconfig else access.in_cluster()
    )
    scope = {
        "installation": reach.installation(),
        "namespace": cluster.namespace,
        "node": settings.node,
    }
    stop = lifecycle.stop_on_signals()
    core = supervisor.Supervisor(supervisor.open_core(settings))
    async with api.Api(reach, user_agent=supervisor.USER_AGENT) as server:
        agent = Agent(core, server, settings=settings, cluster=cluster, scope=scope)
        await agent.run(stop)
