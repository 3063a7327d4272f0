"""Logs and metrics: JSON lines on stderr, and every metric's name in one place.

`cli` sets the logs up; `admin` serves what `Metrics` collects at each scrape. Nothing is counted
here: the numbers are the core's and the loops' own.
"""

import datetime as dt
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import prometheus_client
import prometheus_client.core
import prometheus_client.registry

from loghub_agent import supervisor

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

Family = prometheus_client.core.Metric
Counter = prometheus_client.core.CounterMetricFamily
Gauge = prometheus_client.core.GaugeMetricFamily


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and what the call gave as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        time = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def start_logging(level: str) -> None:
    """Log to stderr from now on; `level` is a name that `logging` knows."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # A line for each scrape and probe would be the agent's loudest voice.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


_PIPELINE_COUNTERS: Final = {
    "readBytes": ("loghub_agent_read_bytes", "Bytes read from log files."),
    "readLines": ("loghub_agent_read_lines", "Lines read from log files."),
    "sentBytes": ("loghub_agent_sent_bytes", "Bytes of lines acknowledged by the destination."),
    "sentLines": ("loghub_agent_sent_lines", "Lines acknowledged by the destination."),
    "sentRequests": ("loghub_agent_sent_requests", "Acknowledged requests."),
    "retries": ("loghub_agent_retries", "Requests sent again after a failure."),
}
_PIPELINE_GAUGES: Final = {
    "lagSeconds": ("loghub_agent_lag_seconds", "Age of the oldest line not yet acknowledged."),
    "queueBytes": ("loghub_agent_queue_bytes", "Bytes read and not yet acknowledged."),
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
    lost = Counter(
        "loghub_agent_lost_bytes", "Bytes that can no longer arrive.", labels=("pipeline", "reason")
    )
    for pipeline, numbers in stats.pipelines.items():
        for reason, count in numbers.lost.items():
            lost.add_metric((pipeline, reason), count)
    yield lost
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


class Metrics(prometheus_client.registry.Collector):
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
