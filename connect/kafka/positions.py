"""A connector's own compacted topic: its position, and the notes that ride with it (invariants 1 and 2)."""

from __future__ import annotations

import time
import zlib
from typing import TYPE_CHECKING, Any, Final

import orjson
from confluent_kafka import Consumer, KafkaError
from confluent_kafka import TopicPartition as KafkaTopicPartition

from connect.api.versions import readable
from connect.errors import Failed, Retriable
from connect.failpoints import failpoint
from connect.kafka.client import LOGGER, READERS, kafka_errors, translate
from connect.kafka.heard import hears
from connect.kafka.topics import POSITIONS, Topics, TopicSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from confluent_kafka import Message

    from connect.kafka.outbox import Outbox
    from connect.kafka.producer import TransactionalProducer

VERSION: Final = 1  # of what is noted beside a position; the position has one of its own
VERSION_NOTE: Final = "version"
RENAMED: Final = "renamed"  # the note of a connector whose name was given up
_POSITION: Final = b"position"
_NOTE: Final = b"note:"
_KEYS_AT_ONCE: Final = 200_000
_PAUSE_EVERY: Final = 1_000


class PositionStore:
    """Reads and writes one connector's positions topic.

    Records: ``position`` → the position as JSON; ``note:<name>`` → a JSON object, or a tombstone for a note that ended.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        topics: Topics,
        group: str,
        connector: str,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """``settings``: librdkafka settings of the connection; ``stopping`` ends a wait for its end."""
        self.topic = f"{group}.{connector}.positions"
        self._stopping = stopping
        self._settings = settings
        self._topics = topics

    def ensure(self) -> None:
        """Make the topic, or check that it is compacted with one partition (F92)."""
        self._topics.ensure([TopicSpec(self.topic, 1, POSITIONS)])

    def read(self, seconds: float = 60.0) -> tuple[dict[str, Any] | None, dict[str, dict[str, Any]]]:
        """The stored position, or None, and the notes. Call it after fencing only (invariant 2, second step).

        Raises:
            Retriable: The stable offset did not reach the end: somebody else's transaction is open in this topic.
            Failed: ``offset_format``: a record is no JSON of ours (F124); ``state_is_newer``.
        """
        [end] = self._topics.ends(self.topic, 1)
        return self._read_to(end, seconds)

    def look(self, seconds: float = 10.0) -> tuple[dict[str, Any] | None, dict[str, dict[str, Any]]]:
        """The same as committed by now, for whoever only shows it: the connector may run. Nothing where none ever did.

        Raises:
            Retriable, Failed: As ``read``.
        """
        if not self._topics.describe([self.topic]):
            return None, {}
        [end] = self._topics.ends(self.topic, 1, stable=True)
        return self._read_to(end, seconds)

    def _read_to(self, end: int, seconds: float) -> tuple[dict[str, Any] | None, dict[str, dict[str, Any]]]:
        position: dict[str, Any] | None = None
        notes: dict[str, dict[str, Any]] = {}
        for message in read_to(self._settings, self.topic, 0, end, seconds, self._stopping):
            key, value = message.key(), message.value()
            if key == _POSITION:
                position = None if value is None else self._decode(value, message)
            elif key is not None and key.startswith(_NOTE):
                name = key[len(_NOTE) :].decode()
                if value is None:
                    notes.pop(name, None)
                else:
                    notes[name] = self._decode(value, message)
            else:
                raise self._foreign(message)
        readable(f"topic {self.topic}", notes.get(VERSION_NOTE, {}).get("version"), VERSION)
        return position, notes

    def forget(self, producer: TransactionalProducer) -> bool:
        """Forget the position and how far snapshots are, for a source that starts anew; False if there was none.

        Topics' ids and schemas stay noted: the source will write to the same topics. That its name was given up
        (``move``) is forgotten too.
        """
        position, notes = self.read()
        if position is None and RENAMED not in notes:
            return False
        producer.begin()
        for name in notes:
            if name == RENAMED or name.startswith(("snapshot:", "table:", "lacking:")):
                producer.send(self.topic, _NOTE + name.encode(), None, 0)
        producer.send(self.topic, _POSITION, None, 0)
        producer.commit()
        return True

    def move(
        self, producer: TransactionalProducer, into: PositionStore, name: str, changed: Mapping[str, dict[str, Any]]
    ) -> None:
        """Everything that is stored here goes into the store of connector ``name``, in one transaction: whole or not.

        Notes that are ``changed`` arrive so.
        What stays is a note ``RENAMED`` with that name, so that a worker that still has the old one stops.
        """
        position, notes = self.read()
        assert position is not None  # noqa: S101 - the caller looked
        producer.begin()
        into.send(producer, position, {**notes, **changed, RENAMED: None})
        for note in notes:
            producer.send(self.topic, _NOTE + note.encode(), None, 0)
        producer.send(self.topic, _NOTE + RENAMED.encode(), orjson.dumps({"to": name}), 0)
        producer.send(self.topic, _POSITION, None, 0)
        failpoint("rename.before_commit")
        producer.commit()

    def _decode(self, value: bytes | None, message: Message) -> dict[str, Any]:
        try:
            decoded = orjson.loads(value or b"")
        except orjson.JSONDecodeError:
            raise self._foreign(message) from None
        if not isinstance(decoded, dict):
            raise self._foreign(message)
        return decoded

    def _foreign(self, message: Message) -> Failed:
        text = f"topic {self.topic} holds a record at offset {message.offset()} that is no position of ours"
        hint = "Something else wrote into it. Restore the topic, or start the connector under a new name."
        return Failed("offset_format", text, hint=hint)

    def send(
        self,
        producer: TransactionalProducer | Outbox,
        position: dict[str, Any],
        notes: Mapping[str, dict[str, Any] | None],
    ) -> None:
        """Add the position and notes to the rows' transaction, as its last records (rule S2)."""
        for name, note in notes.items():
            producer.send(self.topic, _NOTE + name.encode(), None if note is None else orjson.dumps(note), 0)
        producer.send(self.topic, _POSITION, orjson.dumps(position), 0)


def read_to(
    settings: Mapping[str, Any],
    topic: str,
    partition: int,
    end: int,
    seconds: float,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[Message]:
    """The committed records of a partition from its start up to offset ``end``, which must be listed READ_UNCOMMITTED.

    A ``read_committed`` consumer's end is the stable offset, so this waits until that has reached ``end``.

    Raises:
        Retriable: It did not within ``seconds`` without progress, or ``stopping``.
    """
    if end == 0:
        return
    consumer = Consumer(
        {
            **settings,
            "group.id": READERS,  # librdkafka wants one, and asks for its coordinator
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "queued.max.messages.kbytes": 16_384,
            "error_cb": hears(settings),
        },
        logger=LOGGER,
    )
    try:
        consumer.assign([KafkaTopicPartition(topic, partition, 0)])
        yield from _consume(consumer, topic, end, seconds, stopping)
    finally:
        consumer.close()


def _consume(
    consumer: Consumer, topic: str, end: int, seconds: float, stopping: Callable[[], bool]
) -> Iterator[Message]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not stopping():
        with kafka_errors(f"reading topic {topic}"):
            first = consumer.poll(0.1)  # consume would wait for a thousand
            messages = [] if first is None else [first, *consumer.consume(1000, 0.0)]
        for message in messages:
            error = message.error()
            if error is None:
                deadline = time.monotonic() + seconds
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's name for it
                # The offset of this event is where the next record would be, control records included (F85).
                if message.offset() >= end:
                    return
            else:
                raise translate(error, f"reading topic {topic}")
    text = f"reading topic {topic}: its stable offset did not reach {end}"
    hint = "A transaction is open in this topic: kafka-transactions.sh find-hanging names its producer."
    raise Retriable(text, code="hanging_transaction", hint=hint)


def holds_records(settings: Mapping[str, Any], topic: str, ends: Sequence[int]) -> bool:
    """Whether a topic has a committed record; offsets alone do not say so, aborted ones and markers have some too."""
    for partition, end in enumerate(ends):
        for _ in read_to(settings, topic, partition, end, 60.0):
            return True
    return False


def live_keys(
    settings: Mapping[str, Any],
    topic: str,
    ends: Sequence[int],
    before: Sequence[int] | None = None,
    pause: Callable[[], None] = lambda: None,
) -> Iterator[bytes]:
    """Keys of a state topic whose last value is no tombstone, read back from the topic itself (DESIGN §6).

    A big topic is read several times, each time for a part of the keys, so that memory is bounded (invariant 7).

    Args:
        settings: librdkafka settings of the connection.
        topic: The topic.
        ends: The end of each partition, listed READ_UNCOMMITTED; everything before must be committed.
        before: Only keys whose last record lies before this offset of each partition.
        pause: Called once in a thousand records read, and in a thousand keys given: a big topic takes long.
    """
    for partition, end in enumerate(ends):
        parts = end // _KEYS_AT_ONCE + 1
        for part in range(parts):
            live: dict[bytes, None] = {}
            for number, message in enumerate(read_to(settings, topic, partition, end, 60.0)):
                if number % _PAUSE_EVERY == 0:
                    pause()
                key = message.key()
                if key is None or zlib.crc32(key) % parts != part:
                    continue
                newer = before is not None and message.offset() >= before[partition]
                if newer or message.value() is None:
                    live.pop(key, None)
                else:
                    live[key] = None
            for number, key in enumerate(live):
                if number % _PAUSE_EVERY == 0:
                    pause()
                yield key
