"""A topic's records decoded, for people who look."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

from connect.api.sink import TopicPartition
from connect.errors import ConnectError, RecordError
from connect.kafka.client import READERS
from connect.kafka.consumer import Limits, Raw, SinkConsumer
from connect.record import UNAVAILABLE, Row, SinkRecord
from connect.schema.model import UNAVAILABLE_PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from connect.schema.formats import Reader

_WAIT_SECONDS: Final = 0.25
# A read_committed reader stops before an open transaction; how long the end is waited for.
_OPEN_TRANSACTION_SECONDS: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which records.

    Attributes:
        topic: Its name.
        start: From the first record, from the end, or from this offset of each partition.
        key: Only records with this key: its value, or a JSON object of its columns.
        follow: Go on when the end is reached.
        limit: At most so many.
    """

    topic: str
    start: Literal["beginning", "end"] | int = "beginning"
    key: str | None = None
    follow: bool = False
    limit: int | None = None


@dataclass(frozen=True)
class Undecoded:
    """A record that is none of ours: where it is and why."""

    where: str
    error: str


def read_topic(
    settings: Mapping[str, Any], reader: Reader, query: Query, stopping: Callable[[], bool] = lambda: False
) -> Iterator[SinkRecord | Undecoded]:
    """The committed records, in the order of each partition, up to the end as it is now unless ``query.follow``.

    Raises:
        ConnectError: ``topic_unknown``.
        Retriable: The brokers or the registry are not there.
        Failed: A schema that the registry does not know.
    """
    consumer = SinkConsumer(settings, READERS)  # nothing is committed, and `plan --acls` asks for this group
    try:
        ends = _assign(consumer, query)
        shown = 0
        for raw in records_up_to(consumer, ends, follow=query.follow, stopping=stopping):
            record = _decoded(reader, raw)
            if query.key is not None and not has_key(record, query.key):
                continue
            yield record
            shown += 1
            if shown == query.limit:
                return
    finally:
        consumer.close()


def _assign(consumer: SinkConsumer, query: Query) -> dict[TopicPartition, int]:
    topic = consumer.find(lambda name: name == query.topic).get(query.topic)
    if topic is None:
        hint = "connect plan FILE --all names the topics of a file"
        raise ConnectError(f"there is no topic {query.topic}", code="topic_unknown", hint=hint)
    bounds = consumer.bounds([TopicPartition(topic.name, topic.id, p) for p in range(topic.partitions)])
    starts = {}
    for place, (first, end) in bounds.items():
        wanted = first if query.start == "beginning" else end if query.start == "end" else int(query.start)
        starts[place] = min(max(first, wanted), end)
    consumer.assign(starts)
    return {place: bound.end for place, bound in bounds.items() if bound.end > starts[place]}


def records_up_to(
    consumer: SinkConsumer,
    ends: dict[TopicPartition, int],
    *,
    follow: bool = False,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[Raw]:
    """Records until every partition stands at its end, or for ever; what is left in ``ends`` was not reached."""
    moved_at = time.monotonic()
    while (ends or follow) and not stopping():
        batch = consumer.read(Limits(seconds=0.0), _WAIT_SECONDS)
        yield from (raw for raw in batch.records if follow or raw.offset < ends.get(raw.place, 0))
        for place, offset in batch.next_offsets.items():
            if offset >= ends.get(place, offset + 1):
                del ends[place]
        if batch.records:
            moved_at = time.monotonic()
        elif not follow and time.monotonic() - moved_at > _OPEN_TRANSACTION_SECONDS:
            return  # what lies behind an open transaction is not committed yet


def _decoded(reader: Reader, raw: Raw) -> SinkRecord | Undecoded:
    place = raw.place
    try:
        return reader.read(place.topic, place.partition, raw.offset, raw.timestamp_ms, raw.key, raw.value)
    except RecordError as error:
        return Undecoded(raw.where, error.message)


def has_key(record: SinkRecord | Undecoded, wanted: str) -> bool:
    """Whether a record's key is this one: its values with commas, or a JSON object of its columns."""
    if not isinstance(record, SinkRecord) or record.key is None:
        return False
    columns = plain(record.key) or {}
    if wanted.startswith("{"):
        return bool(columns == json.loads(wanted))
    return ",".join(str(value) for value in columns.values()) == wanted


def to_json(record: SinkRecord | Undecoded) -> dict[str, Any]:
    """A JSON object of a record; a value that the log did not carry is Debezium's placeholder."""
    if isinstance(record, Undecoded):
        return {"where": record.where, "error": record.error}
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "table": str(record.table),
        "op": record.op.value,
        "tombstone": record.tombstone,
        "key": plain(record.key),
        "before": plain(record.before),
        "after": plain(record.after),
    }


def plain(row: Row | None) -> dict[str, Any] | None:
    """A row as JSON's types: decimals as text, bytes in base64."""
    return None if row is None else {name: _plain(value) for name, value in row.to_dict().items()}


def _plain(value: Any) -> Any:
    if value is UNAVAILABLE:
        return UNAVAILABLE_PLACEHOLDER
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value
