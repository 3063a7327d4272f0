"""Reads records: consumers without a group, each used by one thread at a time.

The service keeps no position: a read names its offset. A consumer that has just read a partition
goes on there without asking again, since who pulls mostly pulls on. Bounded in consumers, and in
what each has read ahead. Blocks for the brokers: to be called in threads.
"""

import collections
import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from loghub_ingest.kafka import address, topics
from loghub_ingest.storage import contract

MOST_IDLE: Final = 8
"""Consumers that wait to be used again; each has some threads and its read-ahead."""

READ_AHEAD_KILOBYTES: Final = 4096

SECONDS: Final = 10.0
"""For one read; brokers that take longer are told of as not answering."""

_EMPTY_MILLISECONDS: Final = 50
"""How long a broker keeps a fetch that finds nothing: how soon a gap at the end is known as one."""
_LOOK_SECONDS: Final = 0.1

_T = TypeVar("_T")


@dataclasses.dataclass(slots=True, eq=False)
class _Reader:
    consumer: Consumer
    at: tuple[str, int, int] = ("", -1, -1)
    """Topic, partition and offset of what it reads next."""


class Fetcher:
    """The consumers of one replica."""

    def __init__(self, where: address.Address, *, isolation: str = "read_committed") -> None:
        """Connects when it is used first."""
        self._settings: dict[str, Any] = {
            **where.connection,
            "group.id": f"{where.prefix}-none",  # the library wants one; nothing is committed
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": isolation,
            "fetch.wait.max.ms": _EMPTY_MILLISECONDS,
            "fetch.message.max.bytes": topics.MAX_MESSAGE_BYTES,
            "queued.min.messages": 100,
            "queued.max.messages.kbytes": READ_AHEAD_KILOBYTES,
        }
        self._idle: collections.deque[_Reader] = collections.deque()
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Close every consumer."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, collections.deque()
        for reader in idle:
            reader.consumer.close()

    def span(self, topic: str, partition: int) -> tuple[int, int]:
        """The offsets [first, next) that can be read.

        Raises:
            contract.UnavailableError: the brokers do not answer.
        """
        with self._reader() as reader:
            place = TopicPartition(topic, partition)
            ask = reader.consumer.get_watermark_offsets
            low, high = _known(reader, topic, lambda: ask(place, timeout=SECONDS))
            return max(low, 0), max(high, 0)

    def at(self, topic: str, partition: int, milliseconds: int) -> int | None:
        """The first offset received at or after a time, None where there is none.

        Raises:
            contract.UnavailableError: the brokers do not answer.
        """
        with self._reader() as reader:
            asked = TopicPartition(topic, partition, milliseconds)
            [found] = _known(reader, topic, lambda: _times(reader, asked))
            return found.offset if found.offset >= 0 else None

    def read(
        self, topic: str, partition: int, span: tuple[int, int], *, most_bytes: int
    ) -> list[Message]:
        """Records of the offsets [first, end), in order; those that are there.

        Ends early after `most_bytes`, but not before the first record.

        Raises:
            contract.UnavailableError: the brokers do not answer.
        """
        first, end = span
        with self._reader((topic, partition, first)) as reader:
            if reader.at != (topic, partition, first):
                reader.consumer.assign([TopicPartition(topic, partition, first)])
            found: list[Message] = []
            size, after, deadline = 0, first, time.monotonic() + SECONDS
            while after < end and size < most_bytes:
                if time.monotonic() > deadline:
                    raise contract.UnavailableError(
                        f"Kafka gave nothing of {topic} for {SECONDS} s"
                    )
                message = reader.consumer.poll(1.0)
                if message is None:
                    continue
                if message.error() is not None:
                    after = self._end(reader, message, after)
                    continue
                after = _next(message)
                if after <= end:
                    found.append(message)
                    size += len(message.value() or b"")
            reader.at = (topic, partition, after)
            return found

    def _end(self, reader: _Reader, message: Message, after: int) -> int:
        error, offset = message.error(), message.offset()
        if error is not None and error.code() in topics.UNKNOWN:  # it was made just now
            time.sleep(_LOOK_SECONDS)
            reader.consumer.list_topics(message.topic() or "", timeout=SECONDS)
            return after
        if error is None or error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        # What is left of the partition are markers of transactions, or was never committed.
        return after if offset is None else max(after, offset)

    @contextlib.contextmanager
    def _reader(self, at: tuple[str, int, int] | None = None) -> Iterator[_Reader]:
        reader = self._take(at)
        try:
            yield reader
        except KafkaException as fault:
            reader.consumer.close()
            raise topics.unavailable(fault) from fault
        except BaseException:
            reader.consumer.close()
            raise
        self._give_back(reader)

    def _take(self, at: tuple[str, int, int] | None) -> _Reader:
        with self._lock:
            if self._closed:
                raise contract.UnavailableError("the service ends")
            for reader in self._idle:
                if reader.at == at:
                    self._idle.remove(reader)
                    return reader
            if self._idle and (at is None or len(self._idle) >= MOST_IDLE):
                return self._idle.popleft()
        return _Reader(Consumer(self._settings))

    def _give_back(self, reader: _Reader) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < MOST_IDLE:
                self._idle.append(reader)
                return
        reader.consumer.close()


def _known(reader: _Reader, topic: str, ask: Callable[[], _T]) -> _T:
    """What `ask` answers; a partition that the client does not know yet is looked for meanwhile."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return ask()
        except KafkaException as fault:
            if fault.args[0].code() not in topics.UNKNOWN or time.monotonic() > deadline:
                raise
        time.sleep(_LOOK_SECONDS)
        reader.consumer.list_topics(topic, timeout=SECONDS)


def _times(reader: _Reader, asked: TopicPartition) -> list[TopicPartition]:
    found = reader.consumer.offsets_for_times([asked], timeout=SECONDS)
    for each in found:
        if each.error is not None:
            raise KafkaException(each.error)
    return found


def _next(message: Message) -> int:
    offset = message.offset()
    return 0 if offset is None else offset + 1
