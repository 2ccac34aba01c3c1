"""Logical types as SQLite columns: exact numbers and times stay texts, so that nothing is rounded (F141)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from connect.schema.model import DECIMAL, VARIABLE_SCALE_DECIMAL, Kind, Type
from connectors.sql.database import ColumnType
from connectors.sql.postgres_types import column_type as postgres_type
from connectors.sql.postgres_types import plain_json

if TYPE_CHECKING:
    from collections.abc import Callable


def _same(value: Any) -> Any:
    return value


def _float(value: float) -> float | str:
    return "NaN" if math.isnan(value) else value  # SQLite would keep NaN as NULL


_KINDS: Final[dict[Kind, ColumnType]] = {
    Kind.BOOLEAN: ColumnType("BOOLEAN", int),
    Kind.INT8: ColumnType("INTEGER", _same),
    Kind.INT16: ColumnType("INTEGER", _same),
    Kind.INT32: ColumnType("INTEGER", _same),
    Kind.INT64: ColumnType("INTEGER", _same),
    Kind.FLOAT32: ColumnType("REAL", _float),
    Kind.FLOAT64: ColumnType("REAL", _float),
    Kind.STRING: ColumnType("TEXT", _same),
    Kind.BYTES: ColumnType("BLOB", _same),
    Kind.STRUCT: ColumnType("TEXT", plain_json),
    Kind.MAP: ColumnType("TEXT", plain_json),
}
# Debezium's temporal and bit types are numbers and bytes on the wire; a reader of the table wants their texts.
_AS_TEXT: Final = frozenset(
    {
        "io.debezium.data.Bits",
        "org.apache.kafka.connect.data.Date",
        "org.apache.kafka.connect.data.Time",
        "org.apache.kafka.connect.data.Timestamp",
        *(f"io.debezium.time.{name}" for name in ("Date", "Time", "MicroTime", "NanoTime")),
        *(f"io.debezium.time.{name}" for name in ("Timestamp", "MicroTimestamp", "NanoTimestamp")),
    }
)


def column_type(type_: Type) -> ColumnType:
    """How SQLite keeps a logical type."""
    if type_.name in {DECIMAL, VARIABLE_SCALE_DECIMAL}:
        return ColumnType("TEXT", str)
    if type_.name in _AS_TEXT:
        kept = postgres_type(type_)
        return ColumnType("TEXT", kept.text or kept.write)
    if type_.kind is Kind.ARRAY:
        return ColumnType("TEXT", list_writer(type_))
    return _KINDS[type_.kind]


def list_writer(type_: Type) -> Callable[[list[Any]], str]:
    """How a list becomes one JSON text, its dates and numbers as their texts."""
    write = _list_of(type_)
    return lambda values: plain_json(write(values))


def _list_of(type_: Type) -> Callable[[Any], Any]:
    item = type_.items
    if type_.kind is not Kind.ARRAY or item is None:
        return column_type(type_).write if type_.kind not in {Kind.STRUCT, Kind.MAP} else _same
    write = _list_of(item)
    return lambda values: [None if value is None else write(value) for value in values]


def accepts(actual: str, wanted: str) -> bool:
    """Whether a column declared ``actual`` keeps values of ``wanted`` as they are: SQLite's affinity rules (§3.1)."""
    return _affinity(actual.upper()) == _affinity(wanted)


def _affinity(declared: str) -> str:
    if "INT" in declared:
        return "INTEGER"
    if any(word in declared for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if not declared or "BLOB" in declared:
        return "BLOB"
    if any(word in declared for word in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"
