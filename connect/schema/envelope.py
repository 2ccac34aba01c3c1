"""The Connect schemas of a table's topic: key, row and Debezium's envelope (debezium-and-connect.md §2.1-2.4)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

from connect import __version__
from connect.schema.model import (
    DECIMAL,
    NO_DEFAULT,
    UNAVAILABLE_PLACEHOLDER,
    VARIABLE_SCALE_DECIMAL,
    Field,
    Kind,
    Type,
)

if TYPE_CHECKING:
    from connect.schema.formats import SourceBlock
    from connect.schema.model import TableSchema

VERSION: Final = __version__  # the `source.version` field

STRING: Final = Type(Kind.STRING)
INT32: Final = Type(Kind.INT32)
INT64: Final = Type(Kind.INT64)
NAMES: Final = Type(Kind.ARRAY, items=STRING, items_optional=False)

ENUM: Final = "io.debezium.data.Enum"
_SNAPSHOT_WORDS: Final = "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"
SNAPSHOT: Final = Type(Kind.STRING, ENUM, 1, (("allowed", _SNAPSHOT_WORDS),))

TRANSACTION: Final = Type(
    Kind.STRUCT,
    "event.block",
    1,
    fields=(
        Field("id", STRING, optional=False),
        Field("total_order", INT64, optional=False),
        Field("data_collection_order", INT64, optional=False),
    ),
)

# The common prefix of `source`; the plugin's own fields follow.
SOURCE_PREFIX: Final = (
    Field("version", STRING, optional=False),
    Field("connector", STRING, optional=False),
    Field("name", STRING, optional=False),
    Field("ts_ms", INT64, optional=False),
    Field("snapshot", SNAPSHOT, default="false"),
    Field("db", STRING, optional=False),
    Field("sequence", STRING),
    Field("ts_us", INT64),
    Field("ts_ns", INT64),
)

POSITION_FIELD: Final = "__pos"
UNAVAILABLE_FIELD: Final = "unavailable"


def key_type(topic: str, schema: TableSchema) -> Type:
    """``<topic>.Key``: the key columns as a struct, in key order."""
    return Type(Kind.STRUCT, f"{topic}.Key", fields=schema.key_columns)


def row_type(topic: str, schema: TableSchema) -> Type:
    """``<topic>.Value``: every column, in table order."""
    return Type(Kind.STRUCT, f"{topic}.Value", fields=schema.columns)


def source_type(source: SourceBlock) -> Type:
    """The envelope's ``source`` block: the common prefix and then the plugin's own fields."""
    name = f"io.debezium.connector.{source.connector}.Source"
    return Type(Kind.STRUCT, name, 1, fields=(*SOURCE_PREFIX, *source.fields))


def envelope_type(topic: str, schema: TableSchema, source: SourceBlock) -> Type:
    """``<topic>.Envelope``, version 2, in the field order of Debezium 2.7 and later.

    One field of ours stands at the end: ``unavailable``, the columns of ``after`` (for ``d`` of ``before``) that the
    log did not carry (invariant 5).
    """
    row = row_type(topic, schema)
    fields = (
        Field("before", row),
        Field("after", row),
        Field("source", source_type(source), optional=False),
        Field("transaction", TRANSACTION),
        Field("op", STRING, optional=False),
        Field("ts_ms", INT64),
        Field("ts_us", INT64),
        Field("ts_ns", INT64),
        Field(UNAVAILABLE_FIELD, NAMES),
    )
    return Type(Kind.STRUCT, f"{topic}.Envelope", 2, fields=fields)


def flat_type(topic: str, schema: TableSchema) -> Type:
    """``<topic>.Value`` with ``__pos`` as its last field: where the row stands in the log (``value: row``).

    The parameters of ``__pos`` name the table, since a flat row has no ``source`` block.
    """
    fields = (
        Field("position", STRING),
        Field("transaction", STRING),
        Field("ordinal", INT32, optional=False),
        Field("ts_us", INT64, optional=False),
        Field("op", STRING, optional=False),
        Field(UNAVAILABLE_FIELD, NAMES),
    )
    table = (("schema", schema.table.schema), ("table", schema.table.name))
    position = Type(Kind.STRUCT, f"{topic}.Position", 1, table, fields=fields)
    return Type(Kind.STRUCT, f"{topic}.Value", fields=(*schema.columns, Field(POSITION_FIELD, position)))


def value_type(topic: str, schema: TableSchema, source: SourceBlock, value: Literal["envelope", "row"]) -> Type:
    """The schema of a topic's values."""
    return envelope_type(topic, schema, source) if value == "envelope" else flat_type(topic, schema)


_ZEROS: Final[dict[Kind, object]] = {
    Kind.BOOLEAN: False,
    Kind.FLOAT32: 0.0,
    Kind.FLOAT64: 0.0,
    Kind.STRING: "",
    Kind.BYTES: b"",
    Kind.ARRAY: [],
    Kind.MAP: {},
}


def zero(type_: Type) -> object:
    """What stands for a value that is not there in a required field: false, 0, "", empty (never a null)."""
    if type_.name in {DECIMAL, VARIABLE_SCALE_DECIMAL}:
        return Decimal(0)
    if type_.kind is Kind.STRUCT:
        return {field.name: blank(field) for field in type_.fields}
    return _ZEROS.get(type_.kind, 0)


def blank(field: Field) -> object:
    """What stands in a key-only ``before`` for a column that the log did not carry: null, else default, else zero."""
    if field.optional:
        return None
    return zero(field.type) if field.default in (NO_DEFAULT, None) else field.default


def placeholder(field: Field) -> object:
    """What stands in ``after`` for a column that the log did not carry: Debezium's placeholder where one exists."""
    if field.type.kind is Kind.STRING:
        return UNAVAILABLE_PLACEHOLDER
    if field.type.kind is Kind.BYTES and field.type.name is None:
        return UNAVAILABLE_PLACEHOLDER.encode()
    return blank(field)
