"""Logical types as Postgres columns, and their values as the text that COPY takes (types.md A3, F141)."""

from __future__ import annotations

import base64
import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from connect.schema.model import DECIMAL, VARIABLE_SCALE_DECIMAL, Kind, Type
from connectors.sql.database import ColumnType, UnstorableError
from connectors.sql.temporal import (
    date_text,
    iso_text,
    time_text,
    time_text_ms,
    time_text_ns,
    timestamp_text,
    timestamp_text_ms,
    timestamp_text_ns,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_PRECISION: Final = 1000
_DAY_US: Final = 86_400_000_000
_UNBOUNDED_BITS: Final = 2_147_483_647


def _boolean(value: bool) -> str:  # noqa: FBT001 - a column's value
    return "t" if value else "f"


def _bytes(value: bytes) -> str:
    return "\\x" + value.hex()


def _interval(micros: int) -> str:
    return f"{micros} microseconds"


def _day_time(us: int) -> str:
    """MySQL's TIME goes from -838:59:59 to 838:59:59 (F194)."""
    if not 0 <= us <= _DAY_US:
        raise UnstorableError("a time below 00:00 or above 24:00; an interval column would keep it")
    return time_text(us)


def _point(value: dict[str, Any]) -> str:
    return f"({value['x']!r},{value['y']!r})"


def plain_json(value: Any) -> str:
    """A struct, map or list as JSON; bytes as base64, exact numbers as they are written, NaN and infinities as text."""
    try:
        return json.dumps(value, default=_json_value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:  # JSON has no such numbers
        return plain_json(_named(value))


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _named(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_named(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _json_value(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return str(value)
    message = f"{type(value).__name__} is no value of a schema"
    raise TypeError(message)


_KINDS: Final[dict[Kind, ColumnType]] = {
    Kind.BOOLEAN: ColumnType("boolean", _boolean),
    Kind.INT8: ColumnType("smallint", str),
    Kind.INT16: ColumnType("smallint", str),
    Kind.INT32: ColumnType("integer", str),
    Kind.INT64: ColumnType("bigint", str),
    Kind.FLOAT32: ColumnType("real", repr),
    Kind.FLOAT64: ColumnType("double precision", repr),
    Kind.STRING: ColumnType("text", str),
    Kind.BYTES: ColumnType("bytea", _bytes),
    Kind.STRUCT: ColumnType("json", plain_json),
    Kind.MAP: ColumnType("json", plain_json),
}

_TIMESTAMP: Final = "timestamp without time zone"
_TIME: Final = "time without time zone"

_SEMANTIC: Final[dict[str, ColumnType]] = {
    VARIABLE_SCALE_DECIMAL: ColumnType("numeric", str),
    "org.apache.kafka.connect.data.Date": ColumnType("date", date_text),
    "org.apache.kafka.connect.data.Time": ColumnType(_TIME, lambda ms: _day_time(ms * 1000), time_text_ms),
    "org.apache.kafka.connect.data.Timestamp": ColumnType(_TIMESTAMP, timestamp_text_ms),
    "io.debezium.time.Date": ColumnType("date", date_text),
    "io.debezium.time.Time": ColumnType(_TIME, lambda ms: _day_time(ms * 1000), time_text_ms),
    "io.debezium.time.MicroTime": ColumnType(_TIME, _day_time, time_text),
    "io.debezium.time.NanoTime": ColumnType(_TIME, lambda ns: _day_time(ns // 1000), time_text_ns),
    "io.debezium.time.Timestamp": ColumnType(_TIMESTAMP, timestamp_text_ms),
    "io.debezium.time.MicroTimestamp": ColumnType(_TIMESTAMP, timestamp_text),
    "io.debezium.time.NanoTimestamp": ColumnType(_TIMESTAMP, timestamp_text_ns),
    "io.debezium.time.ZonedTimestamp": ColumnType("timestamp with time zone", iso_text),
    "io.debezium.time.ZonedTime": ColumnType("time with time zone", str),
    "io.debezium.time.IsoDate": ColumnType("date", lambda text: iso_text(text.removesuffix("Z"))),
    "io.debezium.time.IsoTime": ColumnType(_TIME, lambda text: text.removesuffix("Z")),
    "io.debezium.time.IsoTimestamp": ColumnType(_TIMESTAMP, lambda text: iso_text(text.removesuffix("Z"))),
    "io.debezium.time.MicroDuration": ColumnType("interval", _interval),
    "io.debezium.time.Interval": ColumnType("interval", str),
    "io.debezium.data.Uuid": ColumnType("uuid", str),
    # `json` keeps the very text of both json and jsonb and refuses none (F141); jsonb where the schema says so.
    "io.debezium.data.Json": ColumnType("json", str),
    "io.debezium.data.Tsvector": ColumnType("tsvector", str),
    "io.debezium.data.geometry.Point": ColumnType("point", _point),
}

# Debezium's parameter under column.propagate.source.type.
_SOURCE_TYPE: Final = "__debezium.source.column.type"


def column_type(type_: Type) -> ColumnType:
    """How Postgres keeps a logical type; an unknown semantic name is kept by its literal kind."""
    if type_.kind is Kind.ARRAY:
        return _array(type_)
    if type_.name == DECIMAL:
        return _decimal(type_)
    if type_.name == "io.debezium.data.Bits":
        return _bits(type_)
    if type_.name == "io.debezium.data.Json" and (type_.parameter(_SOURCE_TYPE) or "").upper() == "JSONB":
        return ColumnType("jsonb", str)
    return _SEMANTIC.get(type_.name or "") or _KINDS[type_.kind]


def _decimal(type_: Type) -> ColumnType:
    precision, scale = type_.parameter("connect.decimal.precision"), int(type_.parameter("scale") or 0)
    if precision is None or not 0 <= scale <= int(precision) <= _MAX_PRECISION:
        return ColumnType("numeric", str)
    return ColumnType(f"numeric({precision},{scale})", str)


def _bits(type_: Type) -> ColumnType:
    """Little-endian bytes → the leftmost bit first."""
    length = int(type_.parameter("length") or _UNBOUNDED_BITS)
    if length == _UNBOUNDED_BITS:
        return ColumnType("bit varying", _any_bits)
    return ColumnType(f"bit({length})", lambda data: f"{int.from_bytes(data, 'little'):0{length}b}")


def _any_bits(data: bytes) -> str:
    return f"{int.from_bytes(data, 'little'):0{len(data) * 8}b}" if data else ""


def _array(type_: Type) -> ColumnType:
    if type_.items is None or type_.items.kind is Kind.ARRAY:
        return ColumnType(
            "json", plain_json
        )  # an array's dimensions are never NULL and of one length; these may not be
    of = column_type(type_.items)
    return ColumnType(f"{of.sql}[]", lambda values: _array_text(values, of.write))


def _array_text(values: list[Any], write: Callable[[Any], str]) -> str:
    """Postgres's array literal."""
    items = []
    for value in values:
        if value is None:
            items.append("NULL")
        else:
            items.append('"' + write(value).replace("\\", "\\\\").replace('"', '\\"') + '"')
    return "{" + ",".join(items) + "}"


# What holds every value of the left type besides the type itself (F136).
_WIDER: Final[dict[str, frozenset[str]]] = {
    "boolean": frozenset(),
    "smallint": frozenset({"integer", "bigint", "numeric"}),
    "integer": frozenset({"bigint", "numeric"}),
    "bigint": frozenset({"numeric"}),
    "real": frozenset({"double precision"}),
    "double precision": frozenset(),
    "numeric": frozenset(),
    "bytea": frozenset(),
    "date": frozenset(),
    _TIME: frozenset({"interval"}),  # which holds MySQL's TIME as well, beyond a day and below zero
    "time with time zone": frozenset(),
    _TIMESTAMP: frozenset(),
    "timestamp with time zone": frozenset(),
    "interval": frozenset(),
    "uuid": frozenset(),
    "json": frozenset({"jsonb"}),
    "jsonb": frozenset({"json"}),
}


def accepts(actual: str, wanted: str) -> bool:
    """Whether a column of type ``actual`` holds every value of ``wanted``; both as ``format_type`` prints them."""
    if actual == wanted:
        return True
    if actual == "text":
        return wanted in {"uuid", "json", "jsonb", "tsvector"}
    if wanted.endswith("[]"):
        return actual.endswith("[]") and accepts(actual[:-2], wanted[:-2])
    if wanted == "text":  # our text may be an enum, inet, range … of theirs, which read their own text
        bounded = actual.startswith(("character", "bit")) and actual != "character varying"
        return not bounded and actual.partition("(")[0] not in _WIDER and not actual.endswith("[]")
    if wanted.startswith("numeric("):
        return actual == "numeric" or (actual.startswith("numeric(") and _holds(actual, wanted))
    return actual in _WIDER.get(wanted, ())


def _holds(actual: str, wanted: str) -> bool:
    have_precision, have_scale = (int(n) for n in actual[8:-1].split(","))
    precision, scale = (int(n) for n in wanted[8:-1].split(","))
    return have_scale >= scale and have_precision - have_scale >= precision - scale
