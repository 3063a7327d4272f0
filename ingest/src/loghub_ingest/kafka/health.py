"""How brokers and catalogue are, for readiness, metrics and `/status`. Used by `backends`."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from prometheus_client import core

from loghub_ingest import __version__
from loghub_ingest.kafka import address, storage, topics
from loghub_ingest.storage import contract

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
