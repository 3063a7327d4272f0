"""Appends records: an idempotent producer, each record on all in-sync replicas before it counts.

librdkafka batches by partition, repeats what a broker did not take and keeps the order; a thread
takes its reports and wakes who waits. Bounded in bytes and records; beyond, senders are told to
come back. A producer that met a fault that it cannot mend is replaced.
"""

import asyncio
import logging
import threading
import time
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from loghub_ingest.kafka import address, frames, topics
from loghub_ingest.storage import contract

_log = logging.getLogger(__name__)

MAX_WAITING_KILOBYTES: Final = 128 * 1024
"""Of all records that wait for brokers: a dozen of the largest bodies."""

MAX_WAITING: Final = 10_000

LINGER_MILLISECONDS: Final = 1
"""What came within it goes to a partition in one batch; a lone record is late by it."""

DELIVERY_SECONDS: Final = 30
"""After which a record is given up and its sender told so: clients wait for a minute."""

UNKNOWN_SECONDS: Final = 10
"""How long a partition may be unknown that the catalogue has: brokers learn it within a second."""

_POLL_SECONDS: Final = 0.5
_BATCH_BYTES: Final = 1024 * 1024


class Sending:
    """One record on its way, and who waits for its offset."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[int] = self._loop.create_future()

    def report(self, fault: KafkaError | None, message: Message) -> None:
        """Called by the library on the polling thread."""
        if self._loop.is_closed():
            return
        offset = message.offset()
        self._loop.call_soon_threadsafe(self._resolve, fault, -1 if offset is None else offset)

    def _resolve(self, fault: KafkaError | None, offset: int) -> None:
        if self.done.done():  # its request was cancelled; what is durable stays
            return
        if fault is None:
            self.done.set_result(offset)
        else:
            self.done.set_exception(KafkaException(fault))


class Appender:
    """The producer of one replica."""

    def __init__(self, where: address.Address) -> None:
        """Start the thread; connects when it is used first."""
        self._settings: dict[str, Any] = {
            **where.connection,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": LINGER_MILLISECONDS,
            "delivery.timeout.ms": DELIVERY_SECONDS * 1000,
            "message.max.bytes": topics.MAX_MESSAGE_BYTES,
            "batch.size": _BATCH_BYTES,
            "queue.buffering.max.kbytes": MAX_WAITING_KILOBYTES,
            "queue.buffering.max.messages": MAX_WAITING,
            "compression.type": "none",  # blocks are compressed as they come
        }
        self._producer = Producer(self._settings)
        self._replaced: list[Producer] = []
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="producer", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether reports are taken."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Records that wait for brokers."""
        return len(self._producer)

    async def send(self, topic: str, partition: int, group: contract.NewGroup) -> int:
        """Append a group; its offset, once it is on all in-sync replicas.

        Raises:
            contract.StorageFullError: it may be there or not; its sender should come back.
        """
        deadline = time.monotonic() + UNKNOWN_SECONDS
        while True:
            producer = self._producer
            try:
                return await self._send(producer, topic, partition, group)
            except BufferError as fault:
                raise contract.StorageFullError("too many writes wait for the brokers") from fault
            except KafkaException as fault:
                error = fault.args[0]
                self._mend(error, producer)
                # Of a partition that is not known nothing was sent.
                if error.code() not in topics.UNKNOWN or time.monotonic() > deadline:
                    raise contract.StorageFullError(f"Kafka: {error.str()}") from fault
            await asyncio.to_thread(self._learn, topic)

    async def _send(
        self, producer: Producer, topic: str, partition: int, group: contract.NewGroup
    ) -> int:
        sending = Sending()
        producer.produce(
            topic,
            value=group.block,
            partition=partition,
            headers=frames.headers(group),
            on_delivery=sending.report,
        )
        return await sending.done

    def close(self) -> None:
        """Send what waits, then end the thread."""
        self._producer.flush(DELIVERY_SECONDS)
        self._closing = True
        self._thread.join()

    def _learn(self, topic: str) -> None:
        time.sleep(0.1)
        try:
            self._producer.list_topics(topic, timeout=UNKNOWN_SECONDS)
        except KafkaException as fault:
            _log.warning("Kafka does not tell of %s: %s", topic, fault.args[0].str())

    def _mend(self, error: KafkaError, producer: Producer) -> None:
        # Of all that waited for it, the first one has it replaced.
        if error.fatal() and producer is self._producer:
            _log.error("the producer cannot go on and is replaced: %s", error.str())
            self._producer = Producer(self._settings)
            self._replaced.append(producer)

    def _run(self) -> None:
        while not self._closing:
            self._producer.poll(_POLL_SECONDS)
            # What was sent by one that was replaced is told of as failed.
            for each in list(self._replaced):
                each.poll(0)
                if not len(each):
                    self._replaced.remove(each)
