"""Records of a topic as a task hands them to its sink, without a Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connect.api import TopicPartition
from connect.kafka.consumer import Raw
from connect.record import ChangeEvent, Op, plain_row, plain_shape
from connect.schema.avro import AvroFormat
from connect.schema.formats import SourceBlock
from connect.schema.model import TableId, TableSchema
from connect.schema.reader import RecordReader
from connectors.postgres.source import PostgresSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from connect.api import Sink, WriteResult
    from connect.schema.model import Field

_TABLE = TableId("public", "orders")
_BLOCK = SourceBlock(connector="postgresql", name="shop", database="shop", fields=PostgresSource.source_fields)
_SOURCE = ("public", "orders", 7, 7, None, None, None)


class Registry:
    """Keeps schemas by the ids that it gives."""

    is_down = False

    def __init__(self) -> None:
        self.texts: list[str] = []

    def schema_id(self, _name: str, text: str) -> int:
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text)

    def schema_text(self, schema_id: int) -> str:
        return self.texts[schema_id]


class AvroTopic:
    """The topic of a table whose first column is its key: batches of Avro records, which sinks fold where they can."""

    place = TopicPartition("shop.public.orders", "id", 0)

    def __init__(self, *columns: Field) -> None:
        registry: Any = Registry()
        self.shape = plain_shape(TableSchema(_TABLE, columns, (columns[0].name,)))
        encoder: Any = AvroFormat(registry).encoder(self.place.topic, self.shape, _BLOCK)
        self._encoder = getattr(encoder, "twin", encoder)
        self._reader = RecordReader(registry)
        self._offset = 0

    def write(self, sink: Sink, changes: Iterable[tuple[Any, ...]]) -> WriteResult:
        """A batch; each change is (op, a value for each column), and op "t" is a tombstone."""
        raws = [self._raw(*change) for change in changes]
        batch: Any = self._reader.batch()
        number = 0
        while (number := batch.extend(raws, number)) < len(raws):
            batch.append(raws[number], self._reader.read(self.place.topic, 0, *raws[number][1:]), passes=True)
            number += 1
        return sink.write(batch, {self.place: self._offset}, frozenset())

    def _raw(self, op: str, *values: Any) -> Raw:
        row = plain_row(self.shape.schema, values)
        before, after = (row, None) if op in "dt" else (None, row)
        event = ChangeEvent(Op("d" if op == "t" else op), self.shape, before, after, _SOURCE, 7, 7)
        value = None if op == "t" else self._encoder.value(event, 7)
        self._offset += 1
        return Raw(self.place, self._offset - 1, 7, self._encoder.key(row), value)


@pytest.fixture
def avro_topic() -> Callable[..., AvroTopic]:
    """Makes a topic of these columns."""
    return AvroTopic
