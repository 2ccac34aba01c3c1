"""The two ways in which a value is refused: its schema cannot hold it, or its text is not of its type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connect.errors import Failed

if TYPE_CHECKING:
    from connectors.postgres.types.options import TypeOptions


def unrepresentable(options: TypeOptions, what: str, mend: str) -> None:
    """Refuse a value that is right in Postgres but has no place in the column's schema; or give None for null.

    Args:
        options: Its ``unrepresentable`` decides.
        what: The kind of value, for example ``NaN in a numeric column``; never the value itself.
        mend: The option that gives the column a schema with a place for it.

    Raises:
        Failed: ``unrepresentable_value``.
    """
    if options.unrepresentable == "fail":
        hint = f"Use {mend}, or `types: {{unrepresentable: 'null'}}` to publish such values as null."
        raise Failed("unrepresentable_value", f"a value that its column's schema cannot hold: {what}", hint=hint)


def undecodable(type_name: str) -> Failed:
    """The error for text that is not of its type (rule S13); the value itself stays out of it."""
    return Failed(
        "undecodable_value",
        f"a value of type {type_name} does not have the text form of its type",
        hint="Does a setting of the role, the database or a pooler override DateStyle, IntervalStyle, TimeZone, "
        "bytea_output or client_encoding of our sessions? ALTER ROLE … RESET ALL, and connect without the pooler.",
    )
