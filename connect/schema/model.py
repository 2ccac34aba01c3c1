"""The logical schema: what a column holds, independent of the wire format.

Kinds and semantic names are Kafka Connect's and Debezium's, so that foreign clients of our topics feel at home.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(StrEnum):
    """The literal type of a value (Connect's ``Schema.Type``)."""

    BOOLEAN = "boolean"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    STRING = "string"
    BYTES = "bytes"
    STRUCT = "struct"
    ARRAY = "array"
    MAP = "map"  # keys are always strings


class Absent:
    """The type of ``NO_DEFAULT``."""

    def __repr__(self) -> str:
        return "NO_DEFAULT"


NO_DEFAULT: Final = Absent()
AS_DEFAULT: Final = object()


@dataclass(frozen=True)
class Type:
    """The type of a value: a literal kind, and for most columns a semantic name with parameters.

    The Python value of each kind, everywhere in this project: ``bool``, ``int``, ``float``, ``str``, ``bytes``,
    a ``dict`` by field name for STRUCT, ``list`` for ARRAY, ``dict`` for MAP; and ``decimal.Decimal`` for the BYTES of
    ``org.apache.kafka.connect.data.Decimal`` and for the STRUCT ``io.debezium.data.VariableScaleDecimal``. Temporal
    values are the integers or strings of their semantic name (types.md A4).
    """

    kind: Kind
    name: str | None = None
    version: int | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    fields: tuple[Field, ...] = ()  # STRUCT
    items: Type | None = None  # ARRAY elements, MAP values
    items_optional: bool = True
    doc: str | None = None

    def parameter(self, name: str) -> str | None:
        """The value of one parameter, or None."""
        return dict(self.parameters).get(name)


@dataclass(frozen=True)
class Field:
    """A column or a struct's field.

    Attributes:
        name: Its name.
        type: Of its values.
        optional: Whether it may be null.
        default: What a new row has: a constant Python value of ``type``, or ``NO_DEFAULT``.
        doc: Its comment.
        fill: What rows from before the column have, where the database says so: a value, or ``NO_DEFAULT`` for null.
            ``AS_DEFAULT`` where it does not say. No part of the schema.
    """

    name: str
    type: Type
    optional: bool = True
    default: object = NO_DEFAULT
    doc: str | None = None
    fill: object = field(default=AS_DEFAULT, compare=False, repr=False)


class TableId(NamedTuple):
    """A table's name. ``schema`` is the namespace: the schema of Postgres, the database of MySQL."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class TableSchema:
    """A table's shape at one position of the log (invariant 8): columns in table order, key columns in key order."""

    table: TableId
    columns: tuple[Field, ...]
    key: tuple[str, ...] = ()  # empty: the table has no key
    index: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", {column.name: i for i, column in enumerate(self.columns)})

    def column(self, name: str) -> Field:
        """The column of that name; KeyError where there is none."""
        return self.columns[self.index[name]]

    @property
    def key_columns(self) -> tuple[Field, ...]:
        """The key's columns in key order."""
        return tuple(self.column(name) for name in self.key)

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits that name this shape: equal shapes, equal fingerprints, in every process and version."""
        return hashlib.sha256(repr((self.table, self.columns, self.key)).encode()).hexdigest()[:16]

    def with_key(self, key: tuple[str, ...]) -> TableSchema:
        """The same columns under another key."""
        return replace(self, key=key)


DECIMAL: Final = "org.apache.kafka.connect.data.Decimal"
VARIABLE_SCALE_DECIMAL: Final = "io.debezium.data.VariableScaleDecimal"
UNAVAILABLE_PLACEHOLDER: Final = "__debezium_unavailable_value"


def decimal_type(precision: int | None, scale: int) -> Type:
    """Connect's Decimal; ``precision`` None leaves its parameter out, as for money (types.md A3)."""
    parameters = [("scale", str(scale))]
    if precision is not None:
        parameters.append(("connect.decimal.precision", str(precision)))
    return Type(Kind.BYTES, DECIMAL, 1, tuple(parameters))


def variable_scale_decimal_type() -> Type:
    """A decimal whose scale differs by row: a struct of ``scale`` and ``value`` (types.md A3)."""
    fields = (
        Field("scale", Type(Kind.INT32), optional=False),
        Field("value", Type(Kind.BYTES), optional=False),
    )
    return Type(Kind.STRUCT, VARIABLE_SCALE_DECIMAL, 1, fields=fields, doc="Variable scaled decimal")
