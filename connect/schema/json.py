"""Debezium's JSON with schema and payload, for files without a registry (debezium-and-connect.md §2.9)."""

from __future__ import annotations

import base64
import math
import struct
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from connect.errors import Failed
from connect.record import UNAVAILABLE, Op
from connect.schema.decimals import UnrepresentableError, decimal_bytes, variable_scale
from connect.schema.envelope import (
    POSITION_FIELD,
    UNAVAILABLE_FIELD,
    VERSION,
    blank,
    key_type,
    placeholder,
    value_type,
)
from connect.schema.model import DECIMAL, NO_DEFAULT, VARIABLE_SCALE_DECIMAL, Field, Kind, Type
from connect.schema.refusals import BAD_VALUE, NULL_IN_REQUIRED, key_missing, no_key, unrepresentable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connect.record import ChangeEvent, Row, RowShape
    from connect.schema.formats import Encoder, SourceBlock

    Convert = Callable[[Any], Any]

_TYPE_WORDS: Final = {Kind.FLOAT32: "float", Kind.FLOAT64: "double"}  # the others are their own words


def json_schema(type_: Type, *, optional: bool = False, default: Any = NO_DEFAULT) -> dict[str, Any]:
    """A Connect schema as the JSON converter writes it."""
    schema: dict[str, Any] = {"type": _TYPE_WORDS.get(type_.kind, str(type_.kind))}
    if type_.kind is Kind.STRUCT:
        schema["fields"] = [_field_schema(field) for field in type_.fields]
    elif type_.items is not None:
        if type_.kind is Kind.MAP:
            schema["keys"] = {"type": "string", "optional": False}
        name = "values" if type_.kind is Kind.MAP else "items"
        schema[name] = json_schema(type_.items, optional=type_.items_optional)
    schema["optional"] = optional
    about = {"name": type_.name, "version": type_.version, "doc": type_.doc, "parameters": dict(type_.parameters)}
    schema |= {name: value for name, value in about.items() if value not in (None, {})}
    if default is not NO_DEFAULT and default is not None:
        schema["default"] = converter(type_)(default)
    return schema


def _field_schema(field: Field) -> dict[str, Any]:
    schema = json_schema(field.type, optional=field.optional, default=field.default)
    if field.doc is not None:
        schema["doc"] = field.doc
    return {**schema, "field": field.name}


class JsonFormat:
    """``formats.Format`` without a registry: every record carries its schema, so that sinks still make typed tables."""

    def encoder(
        self, topic: str, shape: RowShape, source: SourceBlock, value: Literal["envelope", "row"] = "envelope"
    ) -> Encoder:
        """An encoder for rows of this shape; the schema part of its records is made once."""
        return JsonEncoder(topic, shape, source, value)

    def notes(self) -> Mapping[str, dict[str, object]]:
        """Nothing to remember."""
        return {}


class JsonEncoder:
    """``formats.Encoder`` of both forms of a value in JSON."""

    key_schema_id: int | None = None

    def __init__(self, topic: str, shape: RowShape, source: SourceBlock, value: Literal["envelope", "row"]) -> None:
        schema = shape.schema
        self._table = schema.table
        self._key_head = _head(key_type(topic, schema))
        self._value_head = _head(value_type(topic, schema, source, value))
        self._rows = _Rows(shape)
        self._key_at = tuple(schema.index[name] for name in schema.key)
        self._source = source
        self._source_fields = tuple((field.name, _nullable(field)) for field in source.fields)
        self._flat = value == "row"

    def key(self, row: Row) -> bytes:
        """The key's bytes; see ``formats.Encoder``."""
        if not self._key_at:
            raise no_key(self._table)
        return self._key_head + orjson.dumps(self._rows.key(row.cells, self._key_at)) + b"}"

    def value(self, event: ChangeEvent, now_us: int) -> bytes:
        """The value's bytes; see ``formats.Encoder``."""
        row = event.before if event.after is None else event.after
        missing = None if row is None else list(row.unavailable) or None
        payload = self._flat_row(event, row, missing) if self._flat else self._envelope(event, now_us, missing)
        return self._value_head + orjson.dumps(payload) + b"}"

    def _envelope(self, event: ChangeEvent, now_us: int, missing: list[str] | None) -> dict[str, Any]:
        before, after = event.before, event.after
        return {
            "before": None if before is None else self._rows.values(before.cells, after=False),
            "after": None if after is None else self._rows.values(after.cells, after=True),
            "source": self._source_values(event),
            "transaction": None,
            "op": event.op,
            "ts_ms": now_us // 1000,
            "ts_us": now_us,
            "ts_ns": now_us * 1000,
            UNAVAILABLE_FIELD: missing,
        }

    def _flat_row(self, event: ChangeEvent, row: Row | None, missing: list[str] | None) -> dict[str, Any]:
        values = self._rows.nothing() if row is None else self._rows.values(row.cells, after=event.after is not None)
        values[POSITION_FIELD] = {
            "position": event.sequence,
            "transaction": None if event.transaction is None else str(event.transaction),
            "ordinal": event.ordinal,
            "ts_us": event.ts_us,
            "op": event.op,
            UNAVAILABLE_FIELD: missing,
        }
        return values

    def _source_values(self, event: ChangeEvent) -> dict[str, Any]:
        source = self._source
        values: dict[str, Any] = {
            "version": VERSION,
            "connector": source.connector,
            "name": source.name,
            "ts_ms": event.ts_us // 1000,
            "snapshot": "incremental" if event.op is Op.READ else "false",
            "db": source.database,
            "sequence": event.sequence,
            "ts_us": event.ts_us,
            "ts_ns": event.ts_us * 1000,
        }
        for (name, convert), value in zip(self._source_fields, event.source, strict=True):
            try:
                values[name] = convert(value)
            except BAD_VALUE as error:
                raise Failed("unrepresentable_value", f"{self._table}: source.{name} does not fit its type") from error
        return values


def _head(type_: Type) -> bytes:
    """All of a record before its payload."""
    return b'{"schema":' + orjson.dumps(json_schema(type_)) + b',"payload":'


class _Rows:
    """Rows of one shape as JSON objects."""

    def __init__(self, shape: RowShape) -> None:
        columns = shape.schema.columns
        self._table = shape.schema.table
        self._columns = columns
        self._convert = tuple(_cell(field, decode) for field, decode in zip(columns, shape.decode, strict=True))
        self._placeholders = tuple(_nullable(field)(placeholder(field)) for field in columns)
        self._blanks = tuple(_nullable(field)(blank(field)) for field in columns)

    def values(self, cells: Sequence[Any], *, after: bool) -> dict[str, Any]:
        """One row; absent columns get the placeholder in ``after``, else null, default or zero."""
        absent = self._placeholders if after else self._blanks
        values = {}
        for field, convert, nothing, cell in zip(self._columns, self._convert, absent, cells, strict=True):
            try:
                values[field.name] = nothing if cell is UNAVAILABLE else convert(cell)
            except BAD_VALUE as error:
                raise unrepresentable(self._table, field, error) from error
        return values

    def nothing(self) -> dict[str, Any]:
        """The row of a TRUNCATE."""
        return {field.name: value for field, value in zip(self._columns, self._blanks, strict=True)}

    def key(self, cells: Sequence[Any], at: Sequence[int]) -> dict[str, Any]:
        """The key columns of one row; they are always there."""
        values = {}
        for i in at:
            field, cell = self._columns[i], cells[i]
            if cell is None or cell is UNAVAILABLE:
                raise key_missing(self._table, field, cell)
            try:
                value = self._convert[i](cell)
            except BAD_VALUE as error:
                raise unrepresentable(self._table, field, error) from error
            values[field.name] = 0.0 if value == 0 and isinstance(value, float) else value  # -0.0 is the same key
        return values


def _cell(field: Field, decode: Convert) -> Convert:
    convert = _nullable(field)
    return lambda cell: convert(None if cell is None else decode(cell))


def _nullable(field: Field) -> Convert:
    return _item(field.type, optional=field.optional)


def _item(type_: Type, *, optional: bool) -> Convert:
    convert = converter(type_)

    def convert_or_null(value: Any) -> Any:
        if value is not None:
            return convert(value)
        if not optional:
            raise UnrepresentableError(NULL_IN_REQUIRED)
        return None

    return convert_or_null


def converter(type_: Type) -> Convert:
    """From a value of the type to what JSON says of it: bytes and decimals as base64, words for NaN and infinities.

    It raises one of ``BAD_VALUE`` for a value that is none of the type.
    """
    if type_.name == DECIMAL:
        scale = int(type_.parameter("scale") or 0)
        return lambda value: _base64(decimal_bytes(value, scale))
    if type_.name == VARIABLE_SCALE_DECIMAL:
        return _variable_scale
    if type_.kind is Kind.STRUCT:
        fields = [(field.name, _nullable(field)) for field in type_.fields]
        return lambda value: {name: convert(value.get(name)) for name, convert in fields}
    if type_.items is not None:
        item = _item(type_.items, optional=type_.items_optional)
        if type_.kind is Kind.ARRAY:
            return lambda value: [item(part) for part in value]
        return lambda value: {key: item(part) for key, part in value.items()}
    return _SCALARS[type_.kind]


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _variable_scale(value: Any) -> dict[str, Any]:
    scale, data = variable_scale(value)
    return {"scale": scale, "value": _base64(data)}


def _float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _float32(value: float) -> float | str:
    struct.pack("<f", value)  # OverflowError for what the column cannot hold
    return _float(value)


def _integer(bits: int) -> Convert:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1

    def convert(value: int) -> int:
        if not low <= value <= high:
            message = f"out of the range of {bits} bits"
            raise OverflowError(message)
        return value

    return convert


def _exactly(kind: type) -> Convert:
    def convert(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError
        return value

    return convert


_SCALARS: Final[dict[Kind, Convert]] = {
    Kind.BOOLEAN: _exactly(bool),
    Kind.INT8: _integer(8),
    Kind.INT16: _integer(16),
    Kind.INT32: _integer(32),
    Kind.INT64: _integer(64),
    Kind.FLOAT32: _float32,
    Kind.FLOAT64: _float,
    Kind.STRING: _exactly(str),
    Kind.BYTES: _base64,
}
