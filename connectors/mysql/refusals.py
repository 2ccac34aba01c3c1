"""How a column or a value is refused: no decoder for it, no place for it in its schema, or not of its type's form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connect.errors import Failed

if TYPE_CHECKING:
    from connectors.mysql.type_options import TypeOptions


def unrepresentable(options: TypeOptions, what: str, mend: str) -> None:
    """Refuse a value that is right in MySQL but has no place in the column's schema; or give None for null.

    Args:
        options: Its ``unrepresentable`` decides.
        what: The kind of value, for example ``a zero date in a NOT NULL column``; never the value itself.
        mend: The option that gives the column a schema with a place for it.

    Raises:
        Failed: ``unrepresentable_value``.
    """
    if options.unrepresentable == "fail":
        raise refused(what, f"{mend}, or `types: {{unrepresentable: 'null'}}` to publish such values as null")


def refused(what: str, mend: str) -> Failed:
    """The error for a value whose column's schema cannot hold it."""
    return Failed("unrepresentable_value", f"a value that its column's schema cannot hold: {what}", hint=f"Use {mend}.")


def undecodable(type_name: str) -> Failed:
    """The error for bytes that are not of their type's form (rule S13); the value itself stays out of it."""
    return Failed(
        "undecodable_value",
        f"a value of type {type_name} does not have the form of its type",
        hint="The position does not move. Report it with the server's version and the column's definition; leaving "
        "the column out with `columns:` lets the connector go on.",
    )


def unsupported_charset(column: str, charset: str) -> Failed:
    """The error for text in a character set that cannot be decoded (F78)."""
    return Failed(
        "charset_unsupported",
        f"column {column}: its character set {charset} cannot be decoded",
        hint=f"ALTER TABLE … MODIFY {column} … CHARACTER SET utf8mb4; or leave the column out with `columns:`.",
    )
