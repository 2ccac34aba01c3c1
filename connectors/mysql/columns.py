"""What a table is made of, as the catalogue or a statement of the log describes it: names, types, keys.

Names of types are those of information_schema's DATA_TYPE in lower case: ``int``, ``varchar``, ``datetime``, ``point``;
MariaDB's JSON is ``json`` where the column has the JSON_VALID check that the alias makes, else ``longtext``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from connect.schema.model import TableId


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: As the server spells it.
        data_type: The base type's name.
        unsigned: Of numbers.
        length: CHAR and VARCHAR: characters; BINARY and VARBINARY: bytes; BIT: bits; DECIMAL: precision; VECTOR:
            dimensions.
        scale: DECIMAL, FLOAT(M,D), DOUBLE(M,D): digits after the point.
        fraction: TIME, DATETIME, TIMESTAMP: digits of the seconds' fraction.
        charset: Of text, ENUM and SET; None for others.
        members: Labels of ENUM and SET, in order.
        nullable: False for NOT NULL.
        default: The text of a constant default; None without one, for NULL and for an expression.
        generated: How it is computed, "" for a plain column.
        invisible: Left out of ``SELECT *``; in the log it is like any other.
        comment: As written.
        added: Whether a statement of the log added it, to a table that may have had rows. No part of what it is.
        fill: What those rows got in it, as ``default`` has it; None for NULL, for what is computed and where not added.
    """

    name: str
    data_type: str
    unsigned: bool = False
    length: int | None = None
    scale: int | None = None
    fraction: int = 0
    charset: str | None = None
    members: tuple[str, ...] = ()
    nullable: bool = True
    default: str | None = None
    generated: Literal["", "stored", "virtual"] = ""
    invisible: bool = False
    comment: str = ""
    added: bool = field(default=False, compare=False)
    fill: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """One table.

    Attributes:
        table: Its database and name.
        columns: In table order, invisible and generated ones among them: as a full row of the log has them.
        primary_key: Names in key order; empty without one. A key over prefixes counts with its whole columns.
        unique_keys: Every unique index over whole NOT NULL columns, the primary key first (rule N4).
        charset: The default of text columns that are added later.
        engine: ``InnoDB``, ``MyISAM``, …; None where it is not known.
        versioned: Whether MariaDB keeps its old rows in it (WITH SYSTEM VERSIONING).
    """

    table: TableId
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    charset: str | None = None
    engine: str | None = None
    versioned: bool = False

    def column(self, name: str) -> Column | None:
        """The column of that name, however its letters' case is written; None where there is none."""
        wanted = name.lower()
        return next((column for column in self.columns if column.name.lower() == wanted), None)
