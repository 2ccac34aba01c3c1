"""Kafka records as sinks see them: envelopes and flat rows, ours and Debezium's, Avro and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from connect.compiled import COMPILED
from connect.errors import Failed, RecordError
from connect.record import UNAVAILABLE, Op, Row, SinkRecord
from connect.schema.avro_reader import AvroForm
from connect.schema.envelope import POSITION_FIELD, UNAVAILABLE_FIELD
from connect.schema.json_reader import JsonForms
from connect.schema.model import TableId

if COMPILED:
    from connect.schema.avro_reader_c import KeyLayout, Lanes, RowLayout, SinkRecords

if TYPE_CHECKING:
    from connect.schema.form import Form
    from connect.schema.registry import RegistryClient

_Layout = TypeVar("_Layout", "KeyLayout", "RowLayout")
_OPS: Final = {str(op): op for op in Op}
_HEADER: Final = 5  # the magic byte and a schema id


class RecordReader:
    """``formats.Reader`` for every topic of a sink. The format is read off each payload, not off configuration.

    A row's shape is the same object for the same writer's schema, table and key columns, so that what a sink compiled
    for a shape is found again.

    Args:
        registry: Where schema ids are looked up, once each; None where the file names no registry.
    """

    def __init__(self, registry: RegistryClient | None) -> None:
        self._registry = registry
        self._forms: dict[int, AvroForm] = {}
        self._json = JsonForms()
        self._tables: dict[tuple[Any, Any], TableId] = {}
        self._topics: dict[str, TableId] = {}
        self._lanes = Lanes(self) if COMPILED else None

    def batch(self) -> SinkRecords | None:
        """An empty batch that takes records undecoded where it can; None where nothing is compiled."""
        return None if self._lanes is None else SinkRecords(self._lanes)

    def key_layout(self, schema_id: int) -> KeyLayout | None:
        """The compiled layout of keys of a schema that was read before; None where it has to be read by ``read``."""
        return self._layout(KeyLayout, schema_id)

    def row_layout(self, schema_id: int) -> RowLayout | None:
        """The same for envelopes and flat rows."""
        return self._layout(RowLayout, schema_id)

    def _layout(self, make: type[_Layout], schema_id: int) -> _Layout | None:
        form = self._forms.get(schema_id)
        try:
            return make(form.avro, form) if form else None
        except LookupError:  # rare forms have no compiled reader
            return None

    def read(
        self, topic: str, partition: int, offset: int, timestamp_ms: int, key: bytes | None, value: bytes | None
    ) -> SinkRecord:
        """One record; see ``formats.Reader``.

        Raises:
            Retriable: The registry is not there right now and the schema id is new.
            RecordError: The bytes are no record of a known format (F110).
            Failed: ``schema_unknown``, ``schema_unsupported``, ``registry_needed``; naming topic and offset.
        """
        record = SinkRecord(topic, partition, offset, timestamp_ms, Op.DELETE, None, None, None, _NOWHERE)
        try:
            self._fill(record, key, value)
        except RecordError as error:
            raise RecordError(f"{record.where}: {error.message}", hint=error.hint) from error
        except Failed as error:
            raise Failed(error.code, f"{record.where}: {error.message}", hint=error.hint) from error
        return record

    def _fill(self, record: SinkRecord, key: bytes | None, value: bytes | None) -> None:
        key_form = key_data = None
        if key is not None:
            key_form, key_data = self._parse(f"{record.topic}/key", key)
        names = key_form.names if key_form else ()
        if value is None:
            record.tombstone = True
            record.table = self._topics.get(record.topic) or self._table_of_topic(record.topic)
        else:
            form, data = self._parse(record.topic, value)
            if form.bare:
                raise RecordError("the value is neither an envelope nor a row")
            fill = self._fill_from_envelope if form.envelope else self._fill_from_row
            fill(record, form, data, names)
        if key_form is not None:
            record.key = Row(key_form.shape(record.table, names), key_data)

    def _parse(self, place: str, payload: bytes) -> tuple[Form, dict[str, Any]]:
        if payload[:1] == b"\x00":
            if len(payload) < _HEADER:
                raise RecordError("a schema id is cut short")
            form = self._form(int.from_bytes(payload[1:_HEADER], "big"))
            return form, form.parse(payload)
        return self._json.parse(place, payload)

    def _form(self, schema_id: int) -> AvroForm:
        form = self._forms.get(schema_id)
        if form is None:
            if self._registry is None:
                raise Failed(
                    "registry_needed",
                    f"the record is Avro with schema id {schema_id}, and the file names no registry",
                    hint="add `schema_registry: {url: ...}` to the file",
                )
            form = self._forms[schema_id] = AvroForm(self._registry.schema_text(schema_id))
        return form

    def _fill_from_envelope(self, record: SinkRecord, form: Form, data: dict[str, Any], key: tuple[str, ...]) -> None:
        op = _OPS.get(data["op"])
        if op is None:
            raise RecordError("an envelope whose op is none of c, u, d, r, t")
        record.op = op
        record.table = self._table(record.topic, data.get("source"))
        before, after = data["before"], data["after"]
        if (after is None) != (op in {Op.DELETE, Op.TRUNCATE}):
            raise RecordError(f"an envelope with op {op} and {'no ' if after is None else ''}after")
        shape = form.shape(record.table, key)
        missing = data.get(UNAVAILABLE_FIELD)
        if missing:
            _take_out(missing, before if op is Op.DELETE else after)
        record.before = None if before is None else Row(shape, before)
        record.after = None if after is None else Row(shape, after)

    def _fill_from_row(self, record: SinkRecord, form: Form, data: dict[str, Any], key: tuple[str, ...]) -> None:
        position = data.get(POSITION_FIELD) if form.has_position else None
        record.op = _OPS.get(position["op"], Op.UPDATE) if position else Op.UPDATE
        record.table = form.table or self._table_of_topic(record.topic)
        self._topics[record.topic] = record.table
        if record.op is Op.TRUNCATE:
            return
        if position and position[UNAVAILABLE_FIELD]:
            _take_out(position[UNAVAILABLE_FIELD], data)
        row = Row(form.shape(record.table, key), data)
        if record.op is Op.DELETE:
            record.before = row
        else:
            record.after = row

    def _table(self, topic: str, source: Any) -> TableId:
        if not isinstance(source, dict) or not isinstance(source.get("table"), str):
            return self._table_of_topic(topic)
        names = (source.get("schema") or source.get("db") or "", source["table"])
        table = self._tables.get(names)
        if table is None:
            table = self._tables[names] = TableId(str(names[0]), names[1])
        self._topics[topic] = table
        return table

    def _table_of_topic(self, topic: str) -> TableId:
        """The topic's last two parts, for records that name no table."""
        table = self._topics.get(topic)
        if table is None:
            parts = topic.rsplit(".", 2)
            table = TableId(parts[-2] if len(parts) > 1 else "", parts[-1])
        return table


_NOWHERE: Final = TableId("", "")


def _take_out(names: list[str], row: dict[str, Any] | None) -> None:
    """Put UNAVAILABLE where the record says that the log carried nothing (invariant 5)."""
    if row is not None:
        for name in names:
            if name in row:
                row[name] = UNAVAILABLE
