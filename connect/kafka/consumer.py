"""The only place that consumes for sinks: all partitions of their topics, assigned by hand, ``read_committed``."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, Message
from confluent_kafka import TopicPartition as KafkaTopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from connect.compiled import COMPILED
from connect.errors import Failed
from connect.kafka.client import LOGGER, kafka_errors, translate
from connect.kafka.heard import hears
from connect.kafka.offsets import offsets
from connect.kafka.topics import Topics

if COMPILED:
    from connect.kafka import consumer_c

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from connect.api import TopicPartition
    from connect.kafka.topics import Topic

_SECONDS: Final = 5.0  # a stop waits for the request that runs, and ends within 10 s (F114)
# Invariant 7: what librdkafka holds besides the batch in hand; one record may be 20 MB.
_QUEUE_KBYTES: Final = 32_768
_FETCH_BYTES: Final = 16_777_216
_PARTITION_BYTES: Final = 4_194_304
_FULL_MS: Final = 10  # a queue that was full is looked at again so soon; librdkafka's second is five batches' time
_SLICE: Final = 1000
_UNKNOWN: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - librdkafka's local codes have public names that begin so
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - as above
    }
)


class Raw(NamedTuple):
    """A record as it came, for the reader and for dead letters."""

    place: TopicPartition
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None

    @property
    def where(self) -> str:
        """``topic[partition]@offset``, for messages."""
        return f"{self.place.topic}[{self.place.partition}]@{self.offset}"


class Limits(NamedTuple):
    """What ends a batch."""

    rows: int = 50_000  # a batch ends with fewer requests under way and its position: the larger, the less that counts
    bytes: int = 16_000_000
    seconds: float = 0.005  # how long a batch waits for more once it has something


@dataclass(slots=True)
class Batch:
    """Records in each partition's order, and the offsets after them, control records included.

    Attributes:
        records: What was read.
        next_offsets: For every partition that moved.
    """

    records: list[Raw] = field(default_factory=list)
    next_offsets: dict[TopicPartition, int] = field(default_factory=dict)


class Bounds(NamedTuple):
    """A partition's first offset and its end, listed READ_UNCOMMITTED (invariant 2)."""

    first: int
    end: int


class SinkConsumer:
    """One sink's reader. Not thread-safe: the task's loop owns it."""

    def __init__(self, settings: Mapping[str, Any], group: str) -> None:
        """Connect.

        Args:
            settings: librdkafka settings of the connection.
            group: Under which offsets are hinted to lag tools.
        """
        self.topics = Topics(settings)
        self._group = group
        self._admin = AdminClient({**settings, "error_cb": hears(settings)}, logger=LOGGER)
        self._consumer = Consumer(
            {
                **settings,
                "group.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "isolation.level": "read_committed",  # F96
                "auto.offset.reset": "error",  # an offset that is gone is never replaced silently
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": _QUEUE_KBYTES,
                "fetch.max.bytes": _FETCH_BYTES,
                "max.partition.fetch.bytes": _PARTITION_BYTES,
                "fetch.queue.backoff.ms": _FULL_MS,
                "fetch.wait.max.ms": 100,
                "fetch.error.backoff.ms": 100,
                "socket.nagle.disable": True,
                "on_commit": _hinted,
                "error_cb": hears(settings),
            },
            logger=LOGGER,
        )
        self._assigned: dict[tuple[str, int], TopicPartition] = {}

    def find(self, wanted: Callable[[str], bool]) -> dict[str, Topic]:
        """The topics that exist and that the sink wants."""
        return self.topics.describe([name for name in self.topics.names() if wanted(name)])

    def settings(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """The settings in force of topics."""
        return self.topics.settings(names)

    def bounds(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Bounds]:
        """First and end offsets as they are now; the end lies behind open transactions too."""
        first, end = self._list(partitions, OffsetSpec.earliest()), self.ends(partitions)
        return {partition: Bounds(first[partition], end[partition]) for partition in partitions}

    def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """End offsets READ_UNCOMMITTED: behind open transactions too."""
        return self._list(partitions, OffsetSpec.latest())

    def _list(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> dict[TopicPartition, int]:
        found = offsets(self._admin, [(tp.topic, tp.partition) for tp in partitions], spec)
        return {tp: found[tp.topic, tp.partition] for tp in partitions}

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets, besides those that are read already."""
        self._assigned |= {(tp.topic, tp.partition): tp for tp in offsets}
        with kafka_errors("assigning partitions"):
            self._consumer.incremental_assign(
                [KafkaTopicPartition(tp.topic, tp.partition, offset) for tp, offset in offsets.items()]
            )

    def read(self, limits: Limits, timeout: float) -> Batch:
        """Wait up to ``timeout`` seconds for a record, then take what comes until a limit is reached.

        Raises:
            Failed: ``offset_out_of_range``: records before the position's next offset were removed.
            Retriable: The brokers are not there.
        """
        batch = Batch()
        size, deadline = 0, time.monotonic() + timeout
        while True:
            wait = max(0.0, deadline - time.monotonic())
            with kafka_errors("reading"):
                # The first wait is for one message: `consume` would wait its whole time for a full slice.
                room = min(_SLICE, limits.rows - len(batch.records)) if batch.next_offsets else 1
                messages = self._consumer.consume(room, 0.0 if room > 1 else wait)
            if not batch.next_offsets and messages:
                deadline = time.monotonic() + limits.seconds
            size += self._take_all(messages, batch)
            full = len(batch.records) >= limits.rows or size >= limits.bytes
            if full or (not messages and time.monotonic() >= deadline):
                return batch
            if not messages and batch.next_offsets:
                time.sleep(0.001)

    def _take_all(self, messages: list[Message], batch: Batch) -> int:
        """Add messages to the batch; their size in bytes."""
        size = taken = 0
        while taken < len(messages):
            if COMPILED:
                run, run_size = consumer_c.take(
                    messages[taken:], self._assigned, Raw, batch.records, batch.next_offsets
                )
                taken, size = taken + run, size + run_size
            if taken < len(messages):
                size += self._take(messages[taken], batch)
                taken += 1
        return size

    def _take(self, message: Message, batch: Batch) -> int:
        """Add a message to the batch; its size in bytes."""
        error, at = message.error(), (message.topic() or "", message.partition() or 0)
        if error is not None and at not in self._assigned:  # of the group or the connection, not of a partition
            raise translate(error, f"reading as group {self._group}")
        place, offset = self._assigned[at], message.offset() or 0
        if error is not None:
            if error.code() in _UNKNOWN:
                return 0  # the next look at the topics says whether it is gone (F98) or only not known here yet
            if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's name for it
                raise _reading(error, place)
            # Where the next record would be, control records included (F85).
            batch.next_offsets[place] = offset
            return 0
        batch.next_offsets[place] = offset + 1
        key, value = message.key(), message.value()
        batch.records.append(Raw(place, offset, message.timestamp()[1], key, value))
        return len(key or b"") + len(value or b"") + 64

    def known_ends(self) -> dict[TopicPartition, int]:
        """The ends that the last fetches told of, without a round trip; unknown before a partition's first fetch."""
        found = {}
        for (topic, partition), place in self._assigned.items():
            _, end = self._consumer.get_watermark_offsets(KafkaTopicPartition(topic, partition), cached=True)
            if end >= 0:
                found[place] = end
        return found

    def hint(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit group offsets for lag tools, without waiting; nothing ever starts from them (rule K1, F129)."""
        if not offsets:
            return
        with kafka_errors("committing offsets"):
            self._consumer.commit(
                offsets=[KafkaTopicPartition(tp.topic, tp.partition, offset) for tp, offset in offsets.items()],
                asynchronous=True,
            )

    def close(self) -> None:
        """Let go of the connections."""
        self._consumer.close()


def _reading(error: KafkaError, place: TopicPartition) -> Exception:
    where = f"{place.topic}[{place.partition}]"
    if error.code() in {KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET}:  # noqa: SLF001 - as above
        message = f"the next record of {where} that the sink needs is gone from Kafka"
        hint = "Records were removed by retention or by hand. Run connect rebuild SINK FILE."
        return Failed("offset_out_of_range", message, hint=hint)
    return translate(error, f"reading {where}")


def _hinted(error: KafkaError | None, _: list[KafkaTopicPartition]) -> None:
    if error is not None:  # a hint for lag tools only; the position is with the data
        LOGGER.debug("group offsets were not committed: %s", error)
