"""What Postgres and SQLite say alike: staged rows into a table by its key, and constants of DDL."""

# ruff: noqa: S608 - names are quoted by `quote`

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.sql.database import quote, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.sql.database import ColumnType


def merge(table: str, key: Sequence[str], conflict: str, columns: Sequence[str], stage: str) -> str:
    """Rows of a stage over those of their key; ``table`` and ``stage`` are quoted, ``conflict`` is what may clash."""
    names = quoted(columns)
    assignments = ", ".join(f"{quote(c)} = excluded.{quote(c)}" for c in columns if c not in key)
    return (
        f"INSERT INTO {table} ({names}) SELECT {names} FROM {stage} WHERE true"
        f" ON CONFLICT {conflict} DO {'UPDATE SET ' + assignments if assignments else 'NOTHING'}"
    )


def delete(table: str, key: Sequence[str], stage: str) -> str:
    """Delete the rows whose keys are staged."""
    names = quoted(key)
    return f"DELETE FROM {table} WHERE ({names}) IN (SELECT {names} FROM {stage})"


def create(table: str, columns: str, key: Sequence[str], mark: str) -> str:
    """A table whose key constraint's name is the mark."""
    return f"CREATE TABLE {table} ({columns}, CONSTRAINT {quote(mark)} PRIMARY KEY ({quoted(key)}))"


def constant(type_: ColumnType, default: Any) -> str:
    """A column's default as it stands in DDL."""
    value = type_.write(default)
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)
