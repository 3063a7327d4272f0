"""Writes in transactions, all of a batch or none, under an id that another replica can take away.

Taking it away is how a replica learns what became of a write that another one announced: after it
the brokers refuse whatever of that producer is still under way, and its last transaction is either
in the log or never will be. Blocks for the brokers: to be called in threads, one at a time.
"""

import contextlib
import logging
import uuid
from collections.abc import Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from loghub_ingest.kafka import address, frames, topics
from loghub_ingest.storage import contract

_log = logging.getLogger(__name__)

TRANSACTION_SECONDS: Final = 10
"""After which brokers abort one whose replica has died; until then readers see nothing after it."""

_SECONDS: Final = 30.0
"""For coordinators to answer; one may be electing."""

_BATCH_BYTES: Final = 1024 * 1024

Record = tuple[str, int, contract.NewGroup]
"""Topic, partition, and what to append."""


class Transactor:
    """The transactional producer of one replica."""

    def __init__(self, where: address.Address) -> None:
        """Connects when it is used first."""
        self._prefix = where.prefix
        self._settings: dict[str, Any] = {
            **where.connection,
            "acks": "all",
            "transaction.timeout.ms": TRANSACTION_SECONDS * 1000,
            "delivery.timeout.ms": TRANSACTION_SECONDS * 1000,
            "message.max.bytes": topics.MAX_MESSAGE_BYTES,
            "batch.size": _BATCH_BYTES,
            "compression.type": "none",
        }
        self._producer: Producer | None = None
        self.ident = ""

    def prepare(self) -> str:
        """Be ready to write; the id under which that is.

        Raises:
            contract.UnavailableError: the brokers do not answer.
        """
        if self._producer is None:
            ident = f"{self._prefix}-{uuid.uuid4().hex}"
            self._producer = self._take(ident)
            self.ident = ident
        return self.ident

    def fence(self, ident: str) -> None:
        """Take an id away from whoever has it, and see its last transaction ended.

        Raises:
            contract.UnavailableError: the brokers do not answer.
        """
        self._take(ident)

    def write(self, records: Sequence[Record]) -> list[int]:
        """Append all in one transaction; their offsets.

        Raises:
            contract.StorageFullError: it may be there or not, as `fence` tells; the id is given up.
        """
        producer = self._producer
        if producer is None:
            raise contract.StorageFullError("no transaction was prepared")
        offsets = [-1] * len(records)
        try:
            producer.begin_transaction()
            for number, (topic, partition, group) in enumerate(records):
                producer.produce(
                    topic,
                    value=group.block,
                    partition=partition,
                    headers=frames.headers(group),
                    on_delivery=_Offset(offsets, number),
                )
            producer.commit_transaction(_SECONDS)
        except (KafkaException, BufferError) as fault:
            self._producer = None
            with contextlib.suppress(KafkaException):
                producer.abort_transaction(_SECONDS)
            _log.warning("a transaction was given up: %s", fault)
            raise contract.StorageFullError(f"Kafka: {fault}") from fault
        return offsets

    def _take(self, ident: str) -> Producer:
        try:
            producer = Producer({**self._settings, "transactional.id": ident})
            producer.init_transactions(_SECONDS)
        except KafkaException as fault:
            raise topics.unavailable(fault) from fault
        return producer


class _Offset:
    """Takes the offset of one record."""

    def __init__(self, offsets: list[int], number: int) -> None:
        self._offsets, self._number = offsets, number

    def __call__(self, fault: KafkaError | None, message: Message) -> None:
        """Called by the library while the transaction is committed."""
        offset = message.offset()
        if fault is None and offset is not None:
            self._offsets[self._number] = offset
