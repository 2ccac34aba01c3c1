"""What a ``read_committed`` consumer can read of a topic, asked so that the asking costs next to nothing.

While a measure runs only the stable end offset is asked for. It counts transaction markers too, so when it has reached
the number of records the last one is read and its key compared; all are counted once the clock has stopped.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from connect.kafka.client import LOGGER

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

_TAIL: Final = 50  # offsets: more than the markers that can stand behind the last record of one partition
_HEADER: Final = 5  # Confluent's wire format: a zero, the schema's id


class Readable:
    """Looks at topics of one partition."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """``settings``: librdkafka settings of the connection."""
        self._settings = dict(settings)
        self._admin = AdminClient(self._settings, logger=LOGGER)
        self._known: set[str] = set()

    def end(self, topic: str) -> int:
        """The stable end: where a ``read_committed`` consumer would stop; 0 while there is no such topic."""
        return sum(self.ends([topic]).values())

    def ends(self, topics: Collection[str]) -> dict[str, int]:
        """The stable end of each of the topics that exist."""
        if not self._known.issuperset(topics):
            self._look()
        asked = {TopicPartition(topic, 0): OffsetSpec.latest() for topic in topics if topic in self._known}
        if not asked:
            return {}
        answers = self._admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=10)
        return {partition.topic: future.result().offset for partition, future in answers.items()}

    def _look(self) -> None:
        """A client that has asked for the offsets of a topic before there was one says for ever that there is none."""
        listed = self._admin.list_topics(timeout=10).topics
        led = {name for name, topic in listed.items() if all(part.leader >= 0 for part in topic.partitions.values())}
        if led - self._known:
            self._admin = AdminClient(self._settings, logger=LOGGER)
            self._known = led

    def wait(
        self, topic: str, last_id: int, records: int, alive: Callable[[], None], *, every: float = 0.02
    ) -> tuple[float, float]:
        """Until the record with key ``last_id`` is readable behind ``records - 1`` others.

        Args:
            topic: Whose key is a struct of one long.
            last_id: Of the last record.
            records: How many there are in all.
            alive: Raises when nothing more will come.
            every: Seconds between looks.

        Returns:
            When the first and when the last record were seen to be readable, on the monotonic clock.
        """
        first, looked, checked = 0.0, 0, time.monotonic()
        deadline = checked + 900
        while time.monotonic() < deadline:
            end = self.end(topic)
            now = time.monotonic()
            if end and not first:
                first = now
            if end >= records and end != looked:
                looked = end
                if self.last_id(topic, end) == last_id:
                    return first, now
            if now - checked > 1:
                alive()
                checked = now
            time.sleep(every)
        raise TimeoutError(f"{topic}: {looked} of {records} records within 900 s")

    def last_id(self, topic: str, end: int) -> int | None:
        """The key of the last committed record before a stable end."""
        last = None
        for message in self._read({topic: end}, {topic: max(0, end - _TAIL)}):
            last = message
        key = last.key() if last is not None else None
        return zigzag(key, _HEADER)[0] if key else None

    def count(self, *topics: str) -> int:
        """Committed records up to the stable ends."""
        return sum(1 for _ in self._read(self.ends(topics), {}))

    def _read(self, ends: Mapping[str, int], starts: Mapping[str, int]) -> Iterator[Message]:
        """Committed records up to stable ends."""
        waiting = {topic: end for topic, end in ends.items() if end}
        consumer = Consumer(
            {
                **self._settings,
                "group.id": "bench.reader",  # librdkafka wants one; nothing is ever committed under it
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
            },
            logger=LOGGER,
        )
        try:
            consumer.assign([TopicPartition(topic, 0, starts.get(topic, 0)) for topic in waiting])
            while waiting:
                for message in consumer.consume(5000, 1.0):
                    error = message.error()
                    if error is None:
                        yield message
                    elif error.code() != KafkaError._PARTITION_EOF:  # librdkafka's name for it
                        raise KafkaException(error)
                    elif message.offset() >= waiting.get(message.topic(), 0):
                        waiting.pop(message.topic(), None)
        finally:
            consumer.close()


def zigzag(data: bytes, at: int) -> tuple[int, int]:
    """An Avro long at an offset, and the offset behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
