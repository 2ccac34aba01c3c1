"""Errors for rows that no format can write: which column, why, never the value."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from connect.errors import Failed
from connect.schema.decimals import UnrepresentableError

if TYPE_CHECKING:
    from connect.schema.model import Field, TableId

NULL_IN_REQUIRED: Final = "NULL where the schema has none"

# What a writer or a decoder raises for a value that its type cannot hold.
BAD_VALUE: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, struct.error)


def unrepresentable(table: TableId, field: Field, error: Exception) -> Failed:
    """``unrepresentable_value``: a value that its column's schema cannot hold."""
    ours = isinstance(error, UnrepresentableError | OverflowError)
    kind = field.type.name or field.type.kind
    return Failed(
        "unrepresentable_value",
        f"{table}.{field.name}: a value does not fit {kind}: {error if ours else type(error).__name__}",
        hint="leave the column out with `columns:`, mask it, or mend the value at the source",
    )


def key_missing(table: TableId, field: Field, cell: Any) -> Failed:
    """``key_missing``: a key column that is NULL or that the log did not carry (S13, F196)."""
    return Failed(
        "key_missing",
        f"{table}: key column {field.name} is {'NULL' if cell is None else 'not in the log'}",
        hint="a topic's key columns must be NOT NULL and part of the table's replica identity",
    )


def no_key(table: TableId) -> Failed:
    """``key_missing``: a key is asked of a table that has none."""
    return Failed("key_missing", f"{table} has no key", hint="records of a table without a key have a null key")
