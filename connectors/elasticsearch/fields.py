"""How each logical type is indexed and written: a strict mapping and a conversion to JSON.

Two rules hold for all of them. ``_source`` is exact: what a field's type cannot hold (NaN, a date beyond its range,
2**64-1) stays in ``_source`` as it is and is merely not searchable in that field (``ignore_malformed``, F187). Mappings
are as wide as their family (``long`` for every integer, ``double`` for every float), since a column may widen at the
source and a mapping cannot.
"""

from __future__ import annotations

import math
from base64 import b64encode
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connect.schema.model import DECIMAL, VARIABLE_SCALE_DECIMAL, Kind
from connectors.elasticsearch.calendar import date_text, time_text, timestamp_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

    from connect.schema.model import Type

    Convert = Callable[[Any], Any]

MAX_TERM: Final = 8_191  # characters: 4 bytes of UTF-8 each stay below Lucene's 32,766 bytes a term


class FieldType(NamedTuple):
    """A field's mapping, and what turns a Python value (never None) into a JSON one; None: as it is."""

    mapping: Mapping[str, Any]
    convert: Convert | None = None


def _float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _decimal(value: Decimal) -> str:
    return format(value, "f")


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


_KEYWORD: Final = {"type": "keyword", "ignore_above": MAX_TERM}
_TEXT: Final = {"type": "text", "fields": {"keyword": _KEYWORD}}
_LONG: Final = {"type": "long", "ignore_malformed": True}
_DOUBLE: Final = {"type": "double", "ignore_malformed": True}
_DECIMAL: Final = {**_DOUBLE, "fields": {"exact": _KEYWORD}}
_DATE: Final = {"type": "date", "ignore_malformed": True}
_OPAQUE: Final = {"type": "object", "enabled": False}
_WORDS_ONLY: Final = FieldType({"type": "text"})
_TERM: Final = FieldType(_KEYWORD)
_EXACT: Final = FieldType(_DECIMAL, _decimal)


def _time(digits: int) -> FieldType:
    return FieldType(_KEYWORD, partial(time_text, digits=digits))  # fixed width: its order is the order of time


def _timestamp(digits: int) -> FieldType:
    return FieldType(_DATE, partial(timestamp_text, digits=digits))


_BY_NAME: Final[Mapping[str, FieldType]] = {
    DECIMAL: _EXACT,
    VARIABLE_SCALE_DECIMAL: _EXACT,
    "io.debezium.time.Date": FieldType(_DATE, date_text),
    "org.apache.kafka.connect.data.Date": FieldType(_DATE, date_text),
    "io.debezium.time.Time": _time(3),
    "org.apache.kafka.connect.data.Time": _time(3),
    "io.debezium.time.MicroTime": _time(6),
    "io.debezium.time.NanoTime": _time(9),
    "io.debezium.time.Timestamp": _timestamp(3),
    "org.apache.kafka.connect.data.Timestamp": _timestamp(3),
    "io.debezium.time.MicroTimestamp": _timestamp(6),
    "io.debezium.time.NanoTimestamp": _timestamp(9),
    "io.debezium.time.ZonedTimestamp": FieldType(_DATE),
    "io.debezium.time.IsoTimestamp": FieldType(_DATE),
    "io.debezium.time.ZonedTime": _TERM,
    "io.debezium.time.IsoTime": _TERM,
    "io.debezium.time.IsoDate": _TERM,
    "io.debezium.time.Interval": _TERM,
    "io.debezium.data.Uuid": _TERM,
    "io.debezium.data.Enum": _TERM,
    "io.debezium.data.EnumSet": _TERM,
    "io.debezium.data.Ltree": _TERM,
    # The document's own text, searchable by words: keys of users cannot explode or break the mapping (F147, F148),
    # numbers beyond 2**53 and duplicate keys stay as they were (F187).
    "io.debezium.data.Json": _WORDS_ONLY,
    "io.debezium.data.Xml": _WORDS_ONLY,
    "io.debezium.data.Tsvector": _WORDS_ONLY,
}

_BY_KIND: Final[Mapping[Kind, FieldType]] = {
    Kind.BOOLEAN: FieldType({"type": "boolean"}),
    Kind.INT8: FieldType(_LONG),
    Kind.INT16: FieldType(_LONG),
    Kind.INT32: FieldType(_LONG),
    Kind.INT64: FieldType(_LONG),
    Kind.FLOAT32: FieldType(_DOUBLE, _float),
    Kind.FLOAT64: FieldType(_DOUBLE, _float),
    Kind.STRING: FieldType(_TEXT),
    Kind.BYTES: FieldType({"type": "binary"}, _base64),
}


def field_type(kind: Type) -> FieldType:
    """The mapping and conversion of a column, by its semantic name or else by its literal kind."""
    if kind.name and (known := _BY_NAME.get(kind.name)):
        return known
    if kind.kind is Kind.STRUCT:
        return _struct(kind)
    if kind.kind is Kind.ARRAY:
        return _array(kind)
    if kind.kind is Kind.MAP:
        return FieldType(_OPAQUE, _map(kind))
    return _BY_KIND[kind.kind]


def _struct(kind: Type) -> FieldType:
    fields = {field.name: field_type(field.type) for field in kind.fields}

    def convert(value: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _apply(fields[name].convert, item) for name, item in value.items()}

    return FieldType({"properties": {name: field.mapping for name, field in fields.items()}}, convert)


def _array(kind: Type) -> FieldType:
    """Elasticsearch has no array type: any field holds one value or many."""
    if kind.items is None:  # a reader always gives one; an array of nothing known is kept and not indexed
        return FieldType(_OPAQUE)
    item = field_type(kind.items)
    convert = item.convert
    return FieldType(item.mapping, None if convert is None else lambda value: [_apply(convert, each) for each in value])


def _map(kind: Type) -> Convert:
    convert = field_type(kind.items).convert if kind.items else None
    return lambda value: {str(name): _apply(convert, item) for name, item in value.items()}


def _apply(convert: Convert | None, value: Any) -> Any:
    return value if value is None or convert is None else convert(value)
