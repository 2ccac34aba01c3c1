"""Logical types as columns of MySQL and MariaDB, and their values as texts and numbers (types.md A9, A10)."""

from __future__ import annotations

import math
import re
import struct
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connect.schema.model import DECIMAL, VARIABLE_SCALE_DECIMAL, Kind, Type
from connectors.sql.database import ColumnType, UnstorableError
from connectors.sql.postgres_types import column_type as postgres_type
from connectors.sql.postgres_types import plain_json
from connectors.sql.sqlite_types import list_writer
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
    from collections.abc import Callable, Sequence
    from decimal import Decimal

_PRECISION: Final = 65
_SCALE: Final = 30
_BITS: Final = 64
_KEY_BYTES: Final = 3072  # of an index entry, InnoDB's DYNAMIC row format
_FIXED_KEY_BYTES: Final = 40  # no column of a fixed size takes more in a key
_FOUR_BYTES: Final = struct.Struct("<f")
_LONG_TEXT: Final = "longtext"
_LONG_BYTES: Final = "longblob"


class Flavour(NamedTuple):
    """What the two servers call by different names.

    Attributes:
        collation: Of texts: byte by byte, and blanks at the end count, so that keys which differ stay different.
        uuid: The type of a UUID.
    """

    collation: str
    uuid: str


MYSQL: Final = Flavour("utf8mb4_0900_bin", "char(36) COLLATE ascii_bin")
MARIADB: Final = Flavour("utf8mb4_nopad_bin", "uuid")
OLD_MARIADB: Final = MARIADB._replace(uuid=MYSQL.uuid)  # before 10.7


def _same(value: Any) -> Any:
    return value


@cache  # so that compiled code knows what it gives
def _within(write: Callable[[Any], str]) -> Callable[[Any], str]:
    """``write`` for a DATE or DATETIME, which end with the years 1 and 9999 and know no infinity (F182, F183)."""

    def written(value: Any) -> str:
        text = write(value)
        if text[4:5] != "-" or text.endswith("BC"):
            raise UnstorableError("infinity, or a year before 1 or after 9999; a longtext column would keep it")
        return text

    return written


def _clock(text: str) -> str:
    if not text.endswith("Z"):
        raise UnstorableError("a time with a zone other than UTC; a longtext column would keep it")
    return _micros(text.removesuffix("Z"))


def _utc(text: str) -> str:
    """An ISO timestamp as the server reads it, in UTC."""
    if re.search(r"[+-]\d\d:\d\d$", text):
        text = datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")
    return _micros(iso_text(text).replace("T", " ").replace("Z", ""))


def _micros(text: str) -> str:
    """Digits beyond microseconds are cut, as everywhere here; the server would round them up."""
    return re.sub(r"(\.\d{6})\d+", r"\1", text)


def _float(value: float) -> float:
    if not math.isfinite(value):
        raise UnstorableError("NaN or an infinity, which the server does not have; a longtext column would keep it")
    return value


def _float32(value: float) -> float:
    """The number that four bytes hold: its shortest text, as in JSON, may lie beyond their largest."""
    return float(_FOUR_BYTES.unpack(_FOUR_BYTES.pack(_float(value)))[0])


def _float_text(value: float) -> str:
    return repr(value) if math.isfinite(value) else "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise UnstorableError("NaN or an infinity, which the server does not have; a longtext column would keep it")
    return _digits(value)


def _digits(value: Decimal) -> str:
    return format(value, "f")


def _year(value: int) -> int:
    if value and not 1901 <= value <= 2155:  # the range of YEAR, which would take 5 for 2005
        raise UnstorableError("a year that is neither 0 nor between 1901 and 2155; a longtext column would keep it")
    return value


def _point(value: dict[str, Any]) -> bytes:
    return (value.get("srid") or 0).to_bytes(4, "little") + struct.pack("<BIdd", 1, 1, value["x"], value["y"])


def _geometry(value: dict[str, Any]) -> bytes:
    """The server's own form: the SRID, then little-endian WKB of a plane geometry. MariaDB does not look closely."""
    wkb = value["wkb"]
    if wkb[:1] != b"\x01" or not 1 <= int.from_bytes(wkb[1:5], "little") <= 7:  # POINT to COLLECTION
        raise UnstorableError("a geometry with Z or M, or not in little-endian WKB; a longtext column would keep it")
    return bytes((value.get("srid") or 0).to_bytes(4, "little") + wkb)


_KINDS: Final[dict[Kind, ColumnType]] = {
    Kind.BOOLEAN: ColumnType("tinyint(1)", int),
    Kind.INT8: ColumnType("tinyint", _same),
    Kind.INT16: ColumnType("smallint", _same),
    Kind.INT32: ColumnType("int", _same),
    Kind.INT64: ColumnType("bigint", _same),
    Kind.FLOAT32: ColumnType("float", _float32, _float_text),
    Kind.FLOAT64: ColumnType("double", _float, _float_text),
    Kind.STRING: ColumnType(_LONG_TEXT, _same),
    Kind.BYTES: ColumnType(_LONG_BYTES, _same),
    Kind.STRUCT: ColumnType(_LONG_TEXT, plain_json),
    Kind.MAP: ColumnType(_LONG_TEXT, plain_json),
}


def _stamp(sql: str, write: Callable[[Any], str]) -> ColumnType:
    return ColumnType(sql, _within(write), write)


def _iso_day(text: str) -> str:
    return iso_text(text.removesuffix("Z"))


# A timestamp with a zone is a DATETIME in UTC: TIMESTAMP ends in 2038. JSON stays the text that it is: MySQL's own
# type would reorder it and make doubles of its numbers; an operator's JSON column is taken as it is (`accepts`).
_SEMANTIC: Final[dict[str, ColumnType]] = {
    "org.apache.kafka.connect.data.Date": _stamp("date", date_text),
    "org.apache.kafka.connect.data.Time": ColumnType("time(3)", time_text_ms),
    "org.apache.kafka.connect.data.Timestamp": _stamp("datetime(3)", timestamp_text_ms),
    "io.debezium.time.Date": _stamp("date", date_text),
    "io.debezium.time.Time": ColumnType("time(3)", time_text_ms),
    "io.debezium.time.MicroTime": ColumnType("time(6)", time_text),
    "io.debezium.time.NanoTime": ColumnType("time(6)", time_text_ns),
    "io.debezium.time.Timestamp": _stamp("datetime(3)", timestamp_text_ms),
    "io.debezium.time.MicroTimestamp": _stamp("datetime(6)", timestamp_text),
    "io.debezium.time.NanoTimestamp": _stamp("datetime(6)", timestamp_text_ns),
    "io.debezium.time.ZonedTimestamp": _stamp("datetime(6)", _utc),
    "io.debezium.time.ZonedTime": ColumnType("time(6)", _clock, _same),
    "io.debezium.time.IsoDate": _stamp("date", _iso_day),
    "io.debezium.time.IsoTime": ColumnType("time(6)", _clock, _same),
    "io.debezium.time.IsoTimestamp": _stamp("datetime(6)", _utc),
    "io.debezium.time.Year": ColumnType("year", _year, str),
    "io.debezium.data.geometry.Point": ColumnType("point", _point, plain_json),
    "io.debezium.data.geometry.Geometry": ColumnType("geometry", _geometry, plain_json),
    "io.debezium.data.geometry.Geography": ColumnType("geometry", _geometry, plain_json),
}


def column_type(type_: Type, flavour: Flavour) -> ColumnType:
    """How a logical type is kept; an unknown semantic name by its literal kind."""
    found = _column_type(type_, flavour)
    return found._replace(sql=f"{_LONG_TEXT} COLLATE {flavour.collation}") if found.sql == _LONG_TEXT else found


def _column_type(type_: Type, flavour: Flavour) -> ColumnType:
    if type_.kind is Kind.ARRAY:
        return ColumnType(_LONG_TEXT, list_writer(type_))
    if type_.name == VARIABLE_SCALE_DECIMAL:  # more digits than a DECIMAL has, and each row its own scale
        return ColumnType(_LONG_TEXT, _digits)
    if type_.name == DECIMAL:
        return _decimal_type(type_)
    if type_.name == "io.debezium.data.Bits":
        return _bits(type_)
    if type_.name == "io.debezium.data.Uuid":
        return ColumnType(flavour.uuid, _same)
    return _SEMANTIC.get(type_.name or "") or _KINDS[type_.kind]


def _decimal_type(type_: Type) -> ColumnType:
    scale = int(type_.parameter("scale") or 0)
    precision = int(type_.parameter("connect.decimal.precision") or _PRECISION)
    if scale < 0:  # numeric(3,-2) of Postgres holds five digits
        precision, scale = precision - scale, 0
    precision = max(precision, scale)
    if precision > _PRECISION or scale > _SCALE:
        return ColumnType(_LONG_TEXT, _digits)
    return ColumnType(f"decimal({precision},{scale})", _decimal, _digits)


def _bits(type_: Type) -> ColumnType:
    """Little-endian bytes; more than 64 bits, or how many nobody knows, are a text of 0 and 1."""
    length = int(type_.parameter("length") or _BITS + 1)
    if length > _BITS:
        return ColumnType(_LONG_TEXT, postgres_type(type_).write)
    return ColumnType(f"bit({length})", lambda data: int.from_bytes(data, "little"))


def key_types(types: Sequence[Type], flavour: Flavour) -> list[ColumnType]:
    """The columns of a key together: texts and bytes share what an index entry may hold.

    A value that is longer is refused by name when it comes: nothing is cut (strict mode).
    """
    found = [column_type(type_, flavour) for type_ in types]
    sizes = [_size(kept.sql) for kept in found]
    share = (_KEY_BYTES - sum(sizes)) // max(sizes.count(0), 1)
    return [
        kept if size else kept._replace(sql=_bounded(kept.sql, share, flavour))
        for kept, size in zip(found, sizes, strict=True)
    ]


def _size(sql: str) -> int:
    """Bytes of a fixed key column; 0 for a text or bytes."""
    return 0 if sql.startswith((_LONG_TEXT, _LONG_BYTES)) else _FIXED_KEY_BYTES


def _bounded(sql: str, share: int, flavour: Flavour) -> str:
    return f"varbinary({share})" if sql == _LONG_BYTES else f"varchar({share // 4}) COLLATE {flavour.collation}"


_INTEGERS: Final = {"tinyint(1)": 3, "tinyint": 3, "smallint": 5, "mediumint": 7, "int": 10, "bigint": 19}  # digits
_SIZED: Final = re.compile(r"(varchar|varbinary|datetime|time)\((\d+)\)")
_DECIMALS: Final = re.compile(r"decimal\((\d+),(\d+)\)")
_TEXTS: Final = ("enum(", "set(", "json", "inet4", "inet6", "uuid")  # of theirs; they read their own text, or refuse it
_NOT_AS_TEXT: Final = (*_INTEGERS, _LONG_BYTES, "varchar(", "varbinary(", "bit(")


def accepts(actual: str, wanted: str) -> bool:
    """Whether a column of type ``actual`` holds every value of ``wanted``; both as ``describe`` prints them (F136)."""
    have, _, collation = actual.partition(" COLLATE ")
    want, _, wanted_collation = wanted.partition(" COLLATE ")
    if have == want:
        return _same_texts(want, collation, wanted_collation)
    if have == _LONG_TEXT:  # the way out for what the server's own types cannot hold
        return collation.startswith("utf8mb4") and not want.startswith(_NOT_AS_TEXT)
    if want == _LONG_TEXT:
        return have.startswith(_TEXTS)
    sized, least = _SIZED.fullmatch(have), _SIZED.fullmatch(want)
    if sized and least:
        fits = sized[1] == least[1] and int(sized[2]) >= int(least[2])
        return fits and _same_texts(want, collation, wanted_collation)
    return _holds_number(have, want) or (have, want) in {("double", "float"), ("geometry", "point")}


def _same_texts(want: str, collation: str, wanted: str) -> bool:
    """A key's text needs the very collation; of other texts none compares, so the character set is enough."""
    return collation.startswith("utf8mb4") if want == _LONG_TEXT else collation == wanted


def _holds_number(have: str, want: str) -> bool:
    if want in _INTEGERS and have in _INTEGERS:
        return _INTEGERS[have] >= _INTEGERS[want]
    actual, least = _DECIMALS.fullmatch(have), _DECIMALS.fullmatch(want)
    if not actual or not (least or want in _INTEGERS):
        return False
    precision, scale = int(actual[1]), int(actual[2])
    digits, fraction = (int(least[1]) - int(least[2]), int(least[2])) if least else (_INTEGERS[want], 0)
    return scale >= fraction and precision - scale >= digits
