"""What a wire format offers: encoders for a table's topic, and a reader for records of any topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connect.record import ChangeEvent, Row, RowShape, SinkRecord
    from connect.schema.avro_reader_c import SinkRecords
    from connect.schema.model import Field


@dataclass(frozen=True, kw_only=True)
class SourceBlock:
    """What is constant in the envelope's ``source`` block of one connector.

    Attributes:
        connector: ``postgresql``, ``mysql``, ``mariadb``.
        name: The topic prefix.
        database: The ``db`` field.
        fields: The plugin's own fields, after the common prefix (debezium-and-connect.md §2.3).
    """

    connector: str
    name: str
    database: str
    fields: Sequence[Field]


class Encoder(Protocol):
    """Turns events of one shape into the bytes of one topic. Pure after construction."""

    def key(self, row: Row) -> bytes:
        """The record key: the key columns as a struct, in key order. The same bytes for the same key, always (S14)."""
        ...

    def value(self, event: ChangeEvent, now_us: int) -> bytes:
        """The record value. ``now_us`` becomes ``ts_us`` of the envelope: when we processed it, microseconds."""
        ...

    @property
    def key_schema_id(self) -> int | None:
        """The registry's id of the key schema, stored per topic (DESIGN §6); None for formats without a registry."""
        ...


class Format(Protocol):
    """Avro with a registry, or Debezium's JSON with schema and payload."""

    def encoder(
        self, topic: str, shape: RowShape, source: SourceBlock, value: Literal["envelope", "row"] = "envelope"
    ) -> Encoder:
        """An encoder; registers schemas first (rule V5).

        Raises:
            Retriable: The registry is not there right now and the schema is new.
            Failed: ``schema_incompatible`` with the registry's words; the position does not move (F101).
        """
        ...

    def notes(self) -> Mapping[str, dict[str, object]]:
        """Schema ids learnt since the last call; they ride with the position, so no known table needs the registry."""
        ...


class Reader(Protocol):
    """Turns Kafka records into ``SinkRecord``: envelopes and flat rows, ours and Debezium's, Avro and JSON."""

    def batch(self) -> SinkRecords | None:
        """An empty batch that takes records undecoded where it can; None where nothing is compiled."""
        ...

    def read(
        self, topic: str, partition: int, offset: int, timestamp_ms: int, key: bytes | None, value: bytes | None
    ) -> SinkRecord:
        """One record.

        Raises:
            Retriable: The registry is not there right now and the schema id is new.
            RecordError: The bytes are no record of a known format (F110).
            Failed: ``schema_unknown``: the registry does not know the id (F103, F104).
        """
        ...
