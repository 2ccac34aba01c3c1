"""What statements of the log do to tables, as ``ddl`` understands them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from connectors.mysql.columns import TableDefinition
from connectors.mysql.drafts import Draft

if TYPE_CHECKING:
    from connect.schema.model import TableId

Change = Callable[[Draft], None]


@dataclass(frozen=True, slots=True)
class CreateTable:
    """CREATE TABLE. ``like`` names the table that it copies; else ``changes`` build it from nothing."""

    table: TableId
    changes: tuple[Change, ...] = ()
    like: TableId | None = None
    charset: str | None = None
    engine: str | None = None
    replaces: bool = False
    if_missing: bool = False

    def build(self, database_charset: str | None) -> TableDefinition:
        """The table; NotUnderstoodError where it cannot be made."""
        draft = Draft(
            TableDefinition(self.table, (), charset=self.charset or database_charset, engine=self.engine), filled=False
        )
        for change in self.changes:
            change(draft)
        return draft.definition()


@dataclass(frozen=True, slots=True)
class AlterTable:
    """ALTER TABLE, CREATE INDEX and DROP INDEX.

    Attributes:
        changes: In the statement's order.
        renamed: The new name, if it gets one.
        unlogged: Whether rows come or go that the log does not carry: partitions and tablespaces that are exchanged.
        exchanged: The other table that they come from or go to.
    """

    table: TableId
    changes: tuple[Change, ...] = ()
    renamed: TableId | None = None
    unlogged: bool = False
    exchanged: TableId | None = None

    def apply(self, definition: TableDefinition) -> TableDefinition:
        """The table after, still under its old name; NotUnderstoodError where the statement does not fit it."""
        draft = Draft(definition)
        for change in self.changes:
            change(draft)
        return draft.definition()


class DropTables(NamedTuple):
    """DROP TABLE."""

    tables: tuple[TableId, ...]


class RenameTables(NamedTuple):
    """RENAME TABLE: pairs of old and new name, done one after another."""

    pairs: tuple[tuple[TableId, TableId], ...]


class TruncateTable(NamedTuple):
    """TRUNCATE TABLE."""

    table: TableId


class DropDatabase(NamedTuple):
    """DROP DATABASE."""

    database: str


class TemporaryTable(NamedTuple):
    """CREATE TEMPORARY TABLE, which a session without binlog_format=ROW alone logs (F46)."""

    table: TableId


class DatabaseCharset(NamedTuple):
    """CREATE and ALTER DATABASE; None where the statement names no character set."""

    database: str
    charset: str | None


class Data(NamedTuple):
    """INSERT, UPDATE, DELETE and the like, with every name in it that may be a table's (F46)."""

    names: frozenset[str]
    database: str


class NotUnderstood(NamedTuple):
    """A statement that may change tables and is not understood.

    Attributes:
        table: The table that it changes; None if not even that is known.
        names: Every name in it.
        why: For people.
    """

    table: TableId | None
    names: frozenset[str]
    why: str


Statement = (
    CreateTable
    | AlterTable
    | DropTables
    | RenameTables
    | TruncateTable
    | TemporaryTable
    | DropDatabase
    | DatabaseCharset
    | Data
    | NotUnderstood
    | None
)


def tables_of(statement: Statement) -> tuple[TableId, ...]:
    """The tables that a statement names as such."""
    match statement:
        case CreateTable(table, _, like):
            return (table, like) if like is not None else (table,)
        case AlterTable(table, _, renamed, _, exchanged):
            return tuple(one for one in (table, renamed, exchanged) if one is not None)
        case DropTables(tables):
            return tables
        case RenameTables(pairs):
            return tuple(table for pair in pairs for table in pair)
        case TruncateTable(table) | TemporaryTable(table):
            return (table,)
        case _:
            return ()
