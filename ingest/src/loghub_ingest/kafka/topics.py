"""Topics and partitions, administered: made, grown, given a retention, emptied, deleted.

A Logstore's topic is PREFIX.IDENT. Idents are never used again, so a topic of a Logstore that was
deleted is never mistaken for that of another one of its name. Blocks for the brokers: to be called
in threads.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from loghub_ingest.kafka import address
from loghub_ingest.storage import contract, records

SECONDS: Final = 20
"""For one administration of the brokers."""

MAX_MESSAGE_BYTES: Final = records.MAX_BLOCK_BYTES + 64 * 1024
"""The largest block, and what Kafka writes around it."""

UNKNOWN: Final = frozenset(
    {
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
"""What a client says of a partition that it has not heard of yet."""

_DAY_MILLISECONDS: Final = 86_400_000
_LONGEST_SEGMENT_MILLISECONDS: Final = _DAY_MILLISECONDS
"""Retention takes whole segments of a partition; readers are cut off exactly all the same."""


class Topics:
    """The topics of one service."""

    def __init__(self, where: address.Address) -> None:
        """Connects when it is used first."""
        self._where = where
        self._admin = AdminClient(where.connection)

    def name(self, store: int) -> str:
        """The topic of a Logstore."""
        return f"{self._where.prefix}.{store}"

    def idents(self) -> dict[int, int]:
        """The Logstores that have a topic, each with its number of partitions.

        Raises:
            contract.UnavailableError: the brokers do not answer.
        """
        try:
            known = self._admin.list_topics(timeout=SECONDS).topics
        except KafkaException as fault:
            raise unavailable(fault) from fault
        found = {}
        for name, topic in known.items():
            prefix, _, ident = name.rpartition(".")
            if prefix == self._where.prefix and ident.isdecimal():
                found[int(ident)] = len(topic.partitions)
        return found

    def make(self, store: int, partitions: int, ttl_days: int) -> None:
        """Make a Logstore's topic.

        Raises:
            contract.UnavailableError: the brokers do not answer, or are too few.
        """
        where = self._where
        topic = NewTopic(
            self.name(store),
            num_partitions=partitions,
            replication_factor=where.replication,
            config={
                "min.insync.replicas": str(where.min_insync),
                "unclean.leader.election.enable": "false",
                "message.timestamp.type": "LogAppendTime",
                "compression.type": "producer",
                "cleanup.policy": "delete",
                "max.message.bytes": str(MAX_MESSAGE_BYTES),
                "retention.ms": _retention(ttl_days),
                "segment.ms": str(_LONGEST_SEGMENT_MILLISECONDS),
            },
        )
        self._done(self._admin.create_topics([topic], operation_timeout=SECONDS))

    def grow(self, store: int, partitions: int) -> None:
        """See that a topic has so many partitions.

        Raises:
            contract.UnavailableError: the brokers do not answer.
        """
        wanted = NewPartitions(self.name(store), partitions)
        # One that has as many already is refused as invalid.
        self._done(
            self._admin.create_partitions([wanted], operation_timeout=SECONDS),
            fine=KafkaError.INVALID_PARTITIONS,
        )

    def retain(self, store: int, ttl_days: int) -> None:
        """Set for how long a topic keeps records.

        Raises:
            contract.UnavailableError: the brokers do not answer.
        """
        entry = ConfigEntry(
            "retention.ms", _retention(ttl_days), incremental_operation=AlterConfigOpType.SET
        )
        resource = ConfigResource(ResourceType.TOPIC, self.name(store), incremental_configs=[entry])
        self._done(self._admin.incremental_alter_configs([resource]))

    def empty(self, store: int, partitions: Sequence[int]) -> None:
        """Delete all that partitions hold now.

        Raises:
            contract.UnavailableError: the brokers do not answer.
        """
        to_the_end = -1
        places = [TopicPartition(self.name(store), each, to_the_end) for each in partitions]
        self._done(self._admin.delete_records(places))

    def ends(self, places: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """The next offsets of partitions, asked for together; one that is not there is left out.

        Raises:
            contract.UnavailableError: the brokers do not answer.
        """
        names = {(self.name(store), number): (store, number) for store, number in places}
        if not names:
            return {}
        asked = {TopicPartition(*each): OffsetSpec.latest() for each in names}  # type: ignore[no-untyped-call]
        found = {}
        for at, future in self._admin.list_offsets(asked, request_timeout=SECONDS).items():
            try:
                found[names[at.topic, at.partition]] = int(future.result(SECONDS).offset)
            except KafkaException as fault:
                if fault.args[0].code() not in UNKNOWN:
                    raise unavailable(fault) from fault
        return found

    def delete(self, store: int) -> None:
        """Delete a topic; one that is not there is fine.

        Raises:
            contract.UnavailableError: the brokers do not answer.
        """
        self._done(
            self._admin.delete_topics([self.name(store)], operation_timeout=SECONDS),
            fine=KafkaError.UNKNOWN_TOPIC_OR_PART,
        )

    def _done(self, futures: dict[Any, Any], fine: int | None = None) -> None:
        for future in futures.values():
            try:
                future.result(SECONDS + 5)
            except KafkaException as fault:
                if fault.args[0].code() != fine:
                    raise unavailable(fault) from fault
            except TimeoutError as fault:
                raise contract.UnavailableError("the brokers do not answer") from fault


def unavailable(fault: KafkaException) -> contract.UnavailableError:
    """The contract's error for one of the brokers."""
    return contract.UnavailableError(f"Kafka: {fault.args[0].str()}")


def _retention(ttl_days: int) -> str:
    if ttl_days >= contract.FOR_EVER_DAYS:
        return "-1"
    return str(ttl_days * _DAY_MILLISECONDS)
