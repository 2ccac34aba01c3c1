"""A table's shape as JSON, so that it can ride with a position as a note."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connect.errors import Failed
from connect.schema.json import json_schema
from connect.schema.json_reader import schema_fields
from connect.schema.model import Kind, TableId, TableSchema, Type

if TYPE_CHECKING:
    from collections.abc import Mapping


def schema_to_json(schema: TableSchema) -> dict[str, Any]:
    """A JSON object that ``schema_from_json`` reads back; its columns as in Debezium's JSON."""
    fields = json_schema(Type(Kind.STRUCT, fields=schema.columns))["fields"]
    return {"schema": schema.table.schema, "table": schema.table.name, "key": list(schema.key), "columns": fields}


def schema_from_json(data: Mapping[str, Any]) -> TableSchema:
    """The shape of ``schema_to_json``.

    Raises:
        Failed: ``offset_format``: written by a version that this one does not understand (F124).
    """
    try:
        table = TableId(data["schema"], data["table"])
        return TableSchema(table, schema_fields(data["columns"]), tuple(data["key"]))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        message = f"a stored table schema cannot be read: {type(error).__name__}: {error}"
        raise Failed("offset_format", message) from error
