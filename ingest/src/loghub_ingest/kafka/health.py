"""How brokers and catalogue are, for readiness, metrics and `/status`. Used by `backends`."""

import collections
import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from prometheus_client import core

from loghub_ingest import __version__, cursors
from loghub_ingest.kafka import address, storage, topics
from loghub_ingest.storage import contract

_log = logging.getLogger(__name__)

MOST_CHECKPOINTS: Final = 10_000
"""Of consumer groups that a scrape looks at."""

SECONDS: Final = 5
"""For brokers to answer a probe."""


class Health:
    """What one replica sees."""

    def __init__(self, of: storage.KafkaStorage, where: address.Address) -> None:
        """Of a storage on these brokers."""
        self._storage, self._where = of, where
        self._admin = AdminClient(where.connection)

    def problem(self) -> str:
        """Why nothing can be kept now, empty when it can."""
        try:
            self._storage.catch_up_now()
            self._brokers()
        except contract.UnavailableError as fault:
            return str(fault)
        return ""

    def all_logstores(self) -> Sequence[contract.Logstore]:
        """All of every project."""
        return self._storage.all_logstores()

    def gauges(self) -> Iterator[core.Metric]:
        """What a scrape says of them."""
        waiting = "Records that wait for brokers."
        yield core.GaugeMetricFamily("loghub_ingest_kafka_waiting", waiting, self._storage.waiting)
        started = time.monotonic()
        try:
            found = self._brokers()
        except contract.UnavailableError:
            yield core.GaugeMetricFamily("loghub_ingest_kafka_up", "Whether brokers answer.", 0)
            return
        took = time.monotonic() - started
        yield core.GaugeMetricFamily("loghub_ingest_kafka_up", "Whether brokers answer.", 1)
        for name, about, value in (
            ("seconds", "That the brokers took to answer.", took),
            ("brokers", "Brokers that are up.", found["brokers"]),
            ("partitions", "Partitions of Logstores.", found["partitions"]),
            ("offline_partitions", "Those without a leader.", found["offline"]),
            ("lagging_partitions", "Those with copies that are not in sync.", found["lagging"]),
        ):
            yield core.GaugeMetricFamily(f"loghub_ingest_kafka_{name}", about, value)
        try:
            yield self._lags()
        except contract.UnavailableError as fault:
            _log.warning("how far consumers are behind is not known now: %s", fault)

    def _lags(self) -> core.Metric:
        family = core.GaugeMetricFamily(
            "loghub_ingest_consumer_lag",
            "Log groups that a consumer group has still to read.",
            labels=["project", "logstore", "group"],
        )
        stores = {store.ident: store for store in self.all_logstores()}
        behind: collections.Counter[tuple[str, str, str]] = collections.Counter()
        found = []
        for ident, group, number, cursor in self._storage.all_checkpoints(MOST_CHECKPOINTS):
            with contextlib.suppress(KeyError, StopIteration, ValueError):  # gone, or no cursor
                store = stores[ident]
                shard = next(each for each in store.shards if each.number == number)
                found.append((store, group, shard, cursors.decode(cursor)))
        ends = self._storage.ends({(store.ident, shard.number) for store, _, shard, _ in found})
        for store, group, shard, at in found:
            end = shard.end_sequence
            if end is None:
                end = shard.first_sequence + ends.get((store.ident, shard.number), 0)
            behind[store.project, store.name, group] += max(0, end - at)
        for labels, count in behind.items():
            family.add_metric(labels, count)
        return family

    def status(self) -> dict[str, Any]:
        """What `/status` of the admin port says of this service."""
        stores = self.all_logstores()
        try:
            kafka: dict[str, Any] = self._brokers()
        except contract.UnavailableError as fault:
            kafka = {"fault": str(fault)}
        return {
            "version": __version__,
            "projects": len(self._storage.projects()),
            "logstores": len(stores),
            "shards": sum(len(store.shards) for store in stores),
            "kafka": kafka,
            "writable": self._storage.alive,
        }

    def _brokers(self) -> dict[str, int]:
        try:
            seen = self._admin.list_topics(timeout=SECONDS)
        except KafkaException as fault:
            raise topics.unavailable(fault) from fault
        own = [
            partition
            for name, topic in seen.topics.items()
            if name.startswith(f"{self._where.prefix}.")
            for partition in topic.partitions.values()
        ]
        return {
            "brokers": len(seen.brokers),
            "partitions": len(own),
            "offline": sum(each.leader < 0 for each in own),
            "lagging": sum(len(each.isrs) < len(each.replicas) for each in own),
        }
