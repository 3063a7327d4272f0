"""Every metric's name in one place, rendered at each scrape by `admin`.

Nothing is counted here: the numbers are the core's and the loops' own.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import prometheus_client
import prometheus_client.core
import prometheus_client.registry

from loghub_agent import collecting, supervisor

Family = prometheus_client.core.Metric
Counter = prometheus_client.core.CounterMetricFamily
Gauge = prometheus_client.core.GaugeMetricFamily

_PIPELINE_COUNTERS: Final = {
    "readBytes": ("loghub_agent_read_bytes", "Bytes read from log files."),
    "readLines": ("loghub_agent_read_lines", "Lines read from log files."),
    "sentBytes": ("loghub_agent_sent_bytes", "Bytes of lines acknowledged by the destination."),
    "sentLines": ("loghub_agent_sent_lines", "Lines acknowledged by the destination."),
    "sentRequests": ("loghub_agent_sent_requests", "Acknowledged requests."),
    "retries": ("loghub_agent_retries", "Requests sent again after a failure."),
    "throttledSeconds": (
        "loghub_agent_throttled_seconds",
        "Seconds for which lines waited because of the pipeline's own rate.",
    ),
    "lostFiles": ("loghub_agent_lost_files", "Files removed before their end was read."),
}
_PIPELINE_GAUGES: Final = {
    "lagSeconds": ("loghub_agent_lag_seconds", "Age of the oldest line not yet acknowledged."),
    "spoolBytes": (
        "loghub_agent_spool_bytes",
        "Bytes of log groups that wait on the state volume.",
    ),
    "queueBytes": ("loghub_agent_queue_bytes", "Bytes read and not yet acknowledged."),
}

_BY_REASON: Final = {
    "lost": ("loghub_agent_lost_bytes", "Bytes that can no longer arrive."),
    "parse_errors": ("loghub_agent_parse_errors", "Lines that could not be parsed."),
    "dropped": ("loghub_agent_dropped_lines", "Records that the pipeline does not want."),
}


def core_families(stats: supervisor.Stats) -> Iterator[Family]:
    """Yield the core's counters as metric families."""
    for key, (name, text) in _PIPELINE_COUNTERS.items():
        counter = Counter(name, text, labels=("pipeline",))
        for pipeline, numbers in stats.pipelines.items():
            counter.add_metric((pipeline,), numbers.counters[key])
        yield counter
    for key, (name, text) in _PIPELINE_GAUGES.items():
        gauge = Gauge(name, text, labels=("pipeline",))
        for pipeline, numbers in stats.pipelines.items():
            gauge.add_metric((pipeline,), numbers.gauges[key])
        yield gauge
    for key, (name, text) in _BY_REASON.items():
        counter = Counter(name, text, labels=("pipeline", "reason"))
        for pipeline, numbers in stats.pipelines.items():
            for reason, count in getattr(numbers, key).items():
                counter.add_metric((pipeline, reason), count)
        yield counter
    yield _sources(stats)
    yield gauge_of(
        "loghub_agent_open_deleted_files",
        "Deleted log files held open until they are read.",
        stats.open_deleted_files,
    )
    yield counter_of(
        "loghub_agent_checkpoint_writes", "Checkpoints written to disk.", stats.checkpoint_writes
    )


def _sources(stats: supervisor.Stats) -> Gauge:
    states = dict.fromkeys(("Reading", "Waiting", "Drained"), 0)
    for state in stats.sources.values():
        states[state] = states.get(state, 0) + 1
    family = Gauge("loghub_agent_sources", "Sources by state.", labels=("state",))
    for state, count in states.items():
        family.add_metric((state,), count)
    return family


def gauge_of(name: str, text: str, value: float) -> Gauge:
    """Return a gauge without labels."""
    return Gauge(name, text, value=value)


def counter_of(name: str, text: str, value: float) -> Counter:
    """Return a counter without labels; `name` without `_total`."""
    return Counter(name, text, value=value)


class Exposition(prometheus_client.registry.Collector):
    """What a scrape shows: the families that `collectors` yield at that moment."""

    def __init__(self) -> None:
        self._collectors: list[Callable[[], Iterable[Family]]] = []
        self._registry = prometheus_client.CollectorRegistry(auto_describe=False)
        prometheus_client.ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def add(self, collector: Callable[[], Iterable[Family]]) -> None:
        """Include what `collector` yields at every scrape."""
        self._collectors.append(collector)

    def collect(self) -> Iterator[Family]:
        """Yield every family; called by the registry."""
        for collector in self._collectors:
            yield from collector()

    def render(self) -> bytes:
        """Return the text that Prometheus reads."""
        return prometheus_client.generate_latest(self._registry)


@dataclasses.dataclass(frozen=True, slots=True)
class WatchNumbers:
    """What one watch has counted."""

    name: str
    lists: int
    watches: int
    silent_seconds: float


def watch_families(watches: Sequence[WatchNumbers]) -> Iterator[Family]:
    """Yield the watches' numbers."""
    lists = Counter("loghub_agent_watch_lists", "Complete lists read.", labels=("watch",))
    opened = Counter("loghub_agent_watches", "Watches opened.", labels=("watch",))
    silent = Gauge(
        "loghub_agent_watch_silent_seconds",
        "Time since the API server's last word.",
        labels=("watch",),
    )
    for watch in watches:
        lists.add_metric((watch.name,), watch.lists)
        opened.add_metric((watch.name,), watch.watches)
        silent.add_metric((watch.name,), watch.silent_seconds)
    yield from (lists, opened, silent)


def collecting_families(loop: collecting.Collecting) -> Iterator[Family]:
    """Yield the loop's numbers and the core's."""
    yield gauge_of("loghub_agent_pods", "Pods of this node.", len(loop.inventory))
    yield gauge_of(
        "loghub_agent_deleted_pods", "Deleted pods whose lines are being read.", loop.inventory.gone
    )
    yield counter_of(
        "loghub_agent_abandoned_pods",
        "Deleted pods given up before their lines were delivered.",
        loop.inventory.abandoned,
    )
    yield counter_of("loghub_agent_plans", "Plans handed to the core.", loop.applied)
    states = Gauge("loghub_agent_pipelines", "Pipelines by state.", labels=("state",))
    outcomes = loop.catalog.outcomes()
    failed = sum(1 for outcome in outcomes if outcome.refusal)
    states.add_metric(("Failed",), failed)
    states.add_metric(("Applied",), len(outcomes) - failed)
    yield states
    if loop.stats:
        yield from core_families(loop.stats)
