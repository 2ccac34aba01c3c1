"""Definitions as JSON-ready notes that ride with the position (V2)."""

from __future__ import annotations

from dataclasses import MISSING, asdict, fields
from typing import Any, Final
from urllib.parse import quote, unquote

from connect.errors import Failed
from connect.schema.model import TableId
from connectors.mysql.columns import Column, TableDefinition

_DEFAULTS: Final = {field.name: field.default for field in fields(Column) if field.default is not MISSING}
_PREFIX: Final = "definition:"


def note_name(table: TableId) -> str:
    """The note's key."""
    return _PREFIX + "/".join(quote(part, safe="") for part in table)


def table_of(name: str) -> TableId | None:
    """The table that a note is of; None for a note of another kind."""
    if not name.startswith(_PREFIX):
        return None
    schema, _, table = name.removeprefix(_PREFIX).partition("/")
    return TableId(unquote(schema), unquote(table))


def to_note(definition: TableDefinition) -> dict[str, Any]:
    """A definition as a note; what is as by default is left out."""
    columns = [{k: v for k, v in asdict(c).items() if _DEFAULTS.get(k, MISSING) != v} for c in definition.columns]
    note = {
        "columns": columns,
        "primary_key": list(definition.primary_key),
        "unique_keys": [list(key) for key in definition.unique_keys],
        "charset": definition.charset,
        "engine": definition.engine,
    }
    return {**note, "versioned": True} if definition.versioned else note


def from_note(table: TableId, note: dict[str, Any]) -> TableDefinition:
    """The definition of a note.

    Raises:
        Failed: ``history_note``: it is not one that this version wrote (F51).
    """
    try:
        return TableDefinition(
            table,
            tuple(Column(**{**one, "members": tuple(one.get("members", ()))}) for one in note["columns"]),
            tuple(note["primary_key"]),
            tuple(tuple(key) for key in note["unique_keys"]),
            note["charset"],
            note["engine"],
            note.get("versioned", False),
        )
    except (KeyError, TypeError):
        raise Failed(
            "history_note",
            f"{table}: the stored definition is not one that this version of the MySQL source understands",
            hint="Run the version that wrote it.",
        ) from None
