"""Which logical type a column gets: the mapping table of types.md A9.

One rule for stream and snapshot, whatever way the table was met (A15, 26): BOOLEAN is a TINYINT, REAL a DOUBLE, FLOAT
with or without digits a 32-bit number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from connect.schema.model import Field, Kind, Type, decimal_type
from connectors.mysql import temporal

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.mysql.columns import Column
    from connectors.mysql.type_options import TypeOptions

TEXT_TYPES: Final = frozenset(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"))
BLOB_TYPES: Final = frozenset(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"))
GEOMETRY_TYPES: Final = (  # in the order of their numbers in a table map
    "geometry",
    "point",
    "linestring",
    "polygon",
    "multipoint",
    "multilinestring",
    "multipolygon",
    "geometrycollection",
)
LONG_MAX: Final = 2**63 - 1

_SHAPE_FIELDS = (Field("wkb", Type(Kind.BYTES), optional=False), Field("srid", Type(Kind.INT32)))
_POINT: Final = Type(
    Kind.STRUCT,
    "io.debezium.data.geometry.Point",
    1,
    fields=(
        Field("x", Type(Kind.FLOAT64), optional=False),
        Field("y", Type(Kind.FLOAT64), optional=False),
        Field("wkb", Type(Kind.BYTES)),
        Field("srid", Type(Kind.INT32)),
    ),
    doc="Geometry (POINT)",
)
_GEOMETRY: Final = Type(Kind.STRUCT, "io.debezium.data.geometry.Geometry", 1, fields=_SHAPE_FIELDS, doc="Geometry")
_VECTOR: Final = Type(Kind.ARRAY, "io.debezium.data.FloatVector", 1, items=Type(Kind.FLOAT32), items_optional=False)
_TEXT: Final = Type(Kind.STRING)
_FIXED: Final[dict[str, Type]] = {
    "float": Type(Kind.FLOAT32),
    "double": Type(Kind.FLOAT64),
    "year": temporal.YEAR,
    "json": Type(Kind.STRING, "io.debezium.data.Json", 1),
    "vector": _VECTOR,
    "uuid": Type(Kind.STRING, "io.debezium.data.Uuid", 1),
    "inet4": _TEXT,
    "inet6": _TEXT,
    "point": _POINT,
    **dict.fromkeys(TEXT_TYPES, _TEXT),
    **{name: _GEOMETRY for name in GEOMETRY_TYPES if name != "point"},
}
_INTEGERS: Final[dict[str, tuple[Kind, Kind]]] = {  # signed, unsigned
    "tinyint": (Kind.INT16, Kind.INT16),
    "smallint": (Kind.INT16, Kind.INT32),
    "mediumint": (Kind.INT32, Kind.INT32),
    "int": (Kind.INT32, Kind.INT64),
    "bigint": (Kind.INT64, Kind.INT64),
}


def logical(column: Column, options: TypeOptions) -> Type | None:
    """The type of a column; None for a type that this version does not know."""
    name = column.data_type
    if name in _FIXED:
        return _FIXED[name]
    if name in _INTEGERS:
        if column.unsigned and name == "bigint" and options.bigint_unsigned == "precise":
            return decimal_type(20, 0)
        return Type(_INTEGERS[name][column.unsigned])
    if name in BLOB_TYPES:
        return Type(Kind.BYTES if options.binary == "bytes" else Kind.STRING)
    return _BY_COLUMN[name](column, options) if name in _BY_COLUMN else None


def may_be_null(column: Column, options: TypeOptions) -> bool:
    """Whether values of the column can become null because its type has no place for them, even if it is NOT NULL."""
    if options.unrepresentable != "null":
        return False
    wraps = column.data_type == "bigint" and column.unsigned and options.bigint_unsigned == "long"
    return wraps or temporal.selective(column, options)


def _decimal(column: Column, options: TypeOptions) -> Type:
    if options.decimal == "string":
        return _TEXT
    if options.decimal == "double":
        return Type(Kind.FLOAT64)
    return decimal_type(column.length, column.scale or 0)


def _bits(column: Column, _: TypeOptions) -> Type:
    if column.length == 1:
        return Type(Kind.BOOLEAN)
    return Type(Kind.BYTES, "io.debezium.data.Bits", 1, (("length", str(column.length)),))


def _labels(name: str) -> Callable[[Column, TypeOptions], Type]:
    def labels(column: Column, _: TypeOptions) -> Type:
        allowed = ",".join(member.replace(",", "\\,") for member in column.members)
        return Type(Kind.STRING, name, 1, (("allowed", allowed),))

    return labels


_BY_COLUMN: Final[dict[str, Callable[[Column, TypeOptions], Type]]] = {
    "bit": _bits,
    "date": lambda _, options: temporal.date_type(options),
    "datetime": temporal.datetime_type,
    "decimal": _decimal,
    "enum": _labels("io.debezium.data.Enum"),
    "set": _labels("io.debezium.data.EnumSet"),
    "time": lambda _, options: temporal.time_type(options),
    "timestamp": lambda _, options: temporal.timestamp_type(options),
}
