"""Definitions and table maps → row shapes: one schema for the rows of the log and of a snapshot (invariant 8, V1)."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Any, Final

from connect.errors import Failed
from connect.record import RowShape
from connect.schema.model import AS_DEFAULT, NO_DEFAULT, Field, Kind, TableSchema
from connectors.mysql.agreement import OLD_TEMPORAL, resolve
from connectors.mysql.compiled import compiled_log_decoder, compiled_text_decoder, image_split, text_split
from connectors.mysql.row_image import LogTable, RowForm, width
from connectors.mysql.table_map import Code
from connectors.mysql.text_values import text_decoder
from connectors.mysql.types import BLOB_TYPES, TEXT_TYPES, logical, may_be_null
from connectors.mysql.values import hires_width, log_decoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connect.schema.model import TableId, Type
    from connectors.mysql.columns import Column, TableDefinition
    from connectors.mysql.table_map import LogColumn, TableMap
    from connectors.mysql.type_options import TypeOptions


def snapshot_shape(definition: TableDefinition, options: TypeOptions, key: tuple[str, ...] | None = None) -> RowShape:
    """The shape of row packets of the text protocol, selected by ``text_values.select_list``.

    Args:
        definition: The table as it is now.
        options: The modes.
        key: ``key:`` of the table's options.

    Raises:
        Failed: ``unknown_column_type``, ``column_missing``.
    """
    names = _key(definition, definition.primary_key, key)
    schema = _schema(definition.table, definition.columns, names, options)
    decode = (
        compiled_text_decoder(column, field.type, options, text_decoder(column, options))
        for column, field in zip(definition.columns, schema.columns, strict=True)
    )
    return RowShape(schema, text_split(), tuple(decode))


def log_table(
    definition: TableDefinition | None, table_map: TableMap, options: TypeOptions, key: tuple[str, ...] | None = None
) -> LogTable:
    """What decodes the rows events that name a map.

    Args:
        definition: The table at this position; None only for a map with names.
        table_map: The map.
        options: The modes.
        key: ``key:`` of the table's options.

    Raises:
        Failed: ``schema_mismatch``: the map has no names, and the definition is of other columns (F49);
            ``old_temporal_format``, ``system_versioned``, ``column_missing``.
    """
    if definition is not None and definition.versioned:
        raise system_versioned(definition.table)
    columns = resolve(definition, table_map)
    pairs = list(zip(columns, table_map.columns, strict=True))
    primary = table_map.primary_key
    named = definition.primary_key if primary is None and definition else [columns[i].name for i in primary or ()]
    schema = _schema(table_map.table, columns, _key(definition, tuple(named), key, columns), options)
    form = RowForm(
        [_width(column, log) for column, log in pairs],
        [i for i, log in enumerate(table_map.columns) if log.code == Code.JSON],
    )
    decode = (
        compiled_log_decoder(column, log, field.type, options, log_decoder(column, log, options))
        for (column, log), field in zip(pairs, schema.columns, strict=True)
    )
    return LogTable(RowShape(schema, image_split(form), tuple(decode)), form)


def system_versioned(table: TableId) -> Failed:
    """The error for a table whose old rows stand in it, and in the log, beside the current ones."""
    return Failed(
        "system_versioned",
        f"{table}: the log has its old rows too, which would be taken for current ones",
        hint="ALTER TABLE … DROP SYSTEM VERSIONING; or take the table out of `tables:`.",
    )


def log_shape(
    definition: TableDefinition | None, table_map: TableMap, options: TypeOptions, key: tuple[str, ...] | None = None
) -> RowShape:
    """The shape of whole and partial row images of a map; as ``log_table``."""
    return log_table(definition, table_map, options, key).shape


def _width(column: Column, log: LogColumn) -> int:
    if log.code in OLD_TEMPORAL and column.fraction:
        return hires_width(log.code, column.fraction)
    return width(log)


def _key(
    definition: TableDefinition | None,
    primary: tuple[str, ...],
    wanted: tuple[str, ...] | None,
    columns: Sequence[Column] | None = None,
) -> tuple[str, ...]:
    """The key's columns: as the file says, else the primary key, else the first unique index over NOT NULL columns."""
    names = {c.name: c for c in (columns if columns is not None else definition.columns if definition else ())}
    if wanted is not None:
        for name in wanted:
            if name not in names:
                table = definition.table if definition else "the table"
                message = f"{table}: no column {name!r} for the topic key"
                raise Failed("column_missing", message, hint="Mend `key:`.")
        return wanted
    if primary or definition is None:
        return primary
    unique = definition.unique_keys
    return next((key for key in unique if all(n in names and not names[n].nullable for n in key)), ())


def _schema(table: TableId, columns: Sequence[Column], key: tuple[str, ...], options: TypeOptions) -> TableSchema:
    return TableSchema(table, tuple(_field(table, column, key, options) for column in columns), key)


def _field(table: TableId, column: Column, key: tuple[str, ...], options: TypeOptions) -> Field:
    type_ = logical(column, options)
    if type_ is None:
        raise Failed(
            "unknown_column_type",
            f"{table}: column {column.name} is a {column.data_type}, which this version does not know",
            hint="Run a newer version of Connect, or take the table out of `tables:`.",
        )
    optional = column.nullable or (may_be_null(column, options) and column.name not in key)
    default = constant_default(column, type_, options)
    fill = constant_default(replace(column, default=column.fill), type_, options) if column.added else AS_DEFAULT
    return Field(column.name, type_, optional, default, column.comment or None, fill)


# Their text in the catalogue depends on the session's time zone, or is not the bytes themselves.
_NO_CONSTANT: Final = frozenset(("timestamp", "json")) | BLOB_TYPES


_EXACT: Final = Context(prec=100, rounding=ROUND_HALF_UP)


def constant_default(column: Column, type_: Type, options: TypeOptions) -> object:
    """The decoded value of a constant default, else ``NO_DEFAULT`` (F107)."""
    if column.default is None or column.generated or column.data_type in _NO_CONSTANT:
        return NO_DEFAULT
    if column.data_type in TEXT_TYPES | {"enum", "set"}:
        return column.default
    try:
        value = text_decoder(column, options)(_default_cell(column))
    except (Failed, ValueError, LookupError, ArithmeticError):
        return NO_DEFAULT
    return NO_DEFAULT if value is None or type_.kind in {Kind.ARRAY, Kind.STRUCT} else value


def _default_cell(column: Column) -> Any:
    default = column.default or ""
    if column.data_type == "bit":
        digits = default[2:-1] if default[:2].lower() == "b'" else f"{int(default):b}"
        return int(digits or "0", 2).to_bytes(((column.length or 1) + 7) // 8, "big")
    if column.data_type == "decimal":
        scale = Decimal(1).scaleb(-(column.scale or 0))
        return f"{Decimal(default).quantize(scale, context=_EXACT):f}".encode()
    if column.data_type == "datetime" and len(default) == len("2000-01-01"):
        return f"{default} 00:00:00".encode()
    return default.encode()
