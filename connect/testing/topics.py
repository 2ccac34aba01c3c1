"""What a ``read_committed`` reader finds in a source's topics, from their start to their end."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connect.demo.verdict import Change, Histories, Key, Row
from connect.kafka.positions import read_to
from connect.kafka.topics import Topics
from connect.record import Op
from connect.schema.reader import RecordReader
from connect.schema.registry import RegistryClient
from connect.testing.oracle import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connect.record import SinkRecord

_STABLE_SECONDS = 90.0  # longer than a killed producer's transaction can stay open


@dataclass
class TopicContent:
    """Of one topic: ``histories`` by key, or ``events`` of rows without one; ``moved`` keys are in two partitions."""

    histories: Histories = field(default_factory=lambda: defaultdict(list))
    events: Counter[Row] = field(default_factory=Counter)
    moved: int = 0
    truncates: int = 0
    records: int = 0


def read_topic(bootstrap: str, registry: str | None, topic: str) -> TopicContent:
    """Everything committed in a topic.

    Raises:
        Retriable: A transaction stays open in it.
    """
    content, homes = TopicContent(), dict[Key, int]()
    for record in _records(bootstrap, registry, topic):
        content.records += 1
        if record.op is Op.TRUNCATE and record.key is None:
            content.truncates += 1
        elif record.key is None:
            content.events[_row(record)] += 1
        elif not record.tombstone:
            key = tuple(canonical(part) for part in record.key.key)
            content.moved += homes.setdefault(key, record.partition) != record.partition
            content.histories[key].append(Change(record.op.value, None if record.after is None else _row(record)))
    return content


def _row(record: SinkRecord) -> Row:
    return () if record.after is None else tuple(canonical(value) for value in record.after.values())


def _records(bootstrap: str, registry: str | None, name: str) -> Iterator[SinkRecord]:
    settings = {"bootstrap.servers": bootstrap}
    topics = Topics(settings)
    reader = RecordReader(RegistryClient(registry, timeout=_STABLE_SECONDS) if registry else None)
    topic = topics.describe([name])[name]
    for partition, end in enumerate(topics.ends(name, topic.partitions)):
        for message in read_to(settings, name, partition, end, _STABLE_SECONDS):
            _, stamp = message.timestamp()
            yield reader.read(name, partition, message.offset() or 0, stamp, message.key(), message.value())
