"""Names and constants as SQL text: the one place that quotes them (F168)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connect.schema.model import TableId


def name(identifier: str) -> str:
    """An identifier in backticks."""
    return "`" + identifier.replace("`", "``") + "`"


def names(identifiers: Sequence[str]) -> str:
    """Identifiers, comma-separated."""
    return ", ".join(map(name, identifiers))


def quoted(table: TableId) -> str:
    """A table's full name."""
    return f"{name(table.schema)}.{name(table.name)}"


def text(value: str) -> str:
    """A constant text, whatever the session's sql_mode says of backslashes."""
    return f"_utf8mb4 x'{value.encode().hex()}'" if value else "''"


def account(user: str, host: str = "%") -> str:
    """An account as GRANT takes it; for messages, where backslashes do not occur."""
    return "@".join("'" + part.replace("'", "''") + "'" for part in (user, host))
