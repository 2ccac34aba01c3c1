"""What the sink needs of a database: a connection with transactions, table descriptions, and a way to load rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from connect.errors import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from connect.record import RowShape
    from connect.schema.avro_reader_c import RowLayout
    from connect.schema.model import Type
    from connectors.sql.lines_c import LineWriter


class BadRowsError(Exception):
    """The database refuses at least one of the rows since the savepoint; its text holds no values (rule K5)."""


class TakenKeyError(BadRowsError):
    """It has a row with a key, or another value that is to be unique, of one of them."""


class UnstorableError(ValueError):
    """A value that no column of its type can hold in this database; the text says why and shows no value."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Rows as text for one database, by ``lines_c``; how many they are is its length.

    Attributes:
        ends: Where each row ends; what stands between two rows is no part of either.
    """

    text: bytes = b""
    ends: Sequence[int] = ()

    def __len__(self) -> int:
        """Rows."""
        return len(self.ends)


class ColumnType(NamedTuple):
    """How a dialect keeps a logical type.

    Attributes:
        sql: The type in DDL, as the database prints it back.
        write: A decoded value, never None → what ``Database.load`` takes; ``UnstorableError`` where nothing does.
        text: The same for a column that its owner made a text, or an interval, so that it holds what the type cannot.
    """

    sql: str
    write: Callable[[Any], Any]
    text: Callable[[Any], Any] | None = None

    def into(self, actual: str) -> Callable[[Any], Any]:
        """The way into a column of type ``actual`` that was accepted for this one."""
        return self.text if self.text is not None and ("text" in actual or actual == "interval") else self.write


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a target has. ``filled`` is true where the database gives a value of its own."""

    name: str
    sql: str
    not_null: bool = False
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A target as the database describes it now.

    Attributes:
        name: Without its schema.
        columns: By name, in table order.
        keys: The column sets of its primary key and unique constraints.
        identity: Names this very table: dropped and made again it is another (invariant 4).
        mark: What a sink that made the table wrote into it, "" where somebody else made it.
        uniques: How many unique indexes there are, those among them that are no key of whole columns.
    """

    name: str
    columns: Mapping[str, Column]
    keys: Sequence[frozenset[str]]
    identity: str
    mark: str = ""
    uniques: int = 1


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a database spells things; pure.

    Attributes:
        mark: The placeholder of a parameter, from 1.
        locking: What makes a SELECT lock its rows, with a leading blank.
        or_leave: What makes an INSERT leave a row of its key as it is, with a leading blank.
        key_text: The type of the bookkeeping's texts that are part of a key, up to 255 characters.
        long_text: And of its other texts.
        name_fault: (name, of a table) → why the database does not take it as it is, "" where it does (F137).
        fold: Names of columns that are equal after it are one name to the database.
        column_type: How values of a logical type are kept.
        key_types: The same for the columns of a key, all of them together.
        accepts: (a column's type, the wanted type) → whether the column holds every value (F136).
        constant: (type, value) → a column's default as a constant of DDL.
        spell: A name as an operator types it.
        retype: The statement that gives {column} of {table} the {type}.
        nullable: The one that takes NOT NULL from it.
        same_table: How {table} gets a lost {identity} back; "" where it cannot be lost.
    """

    mark: Callable[[int], str]
    locking: str
    or_leave: str
    key_text: str
    long_text: str
    name_fault: Callable[[str, bool], str]
    fold: Callable[[str], str]
    column_type: Callable[[Type], ColumnType]
    key_types: Callable[[Sequence[Type]], list[ColumnType]]
    accepts: Callable[[str, str], bool]
    constant: Callable[[ColumnType, Any], str]
    spell: Callable[[str], str]
    retype: str
    nullable: str
    same_table: str = ""


class Database(Protocol):
    """One connection. Errors leave it as ``BadRowsError`` or as errors of ``connect.errors``, nothing else."""

    dialect: Dialect

    def close(self) -> None:
        """Let go of the connection. Idempotent."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Commit on the way out, roll back on an error."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """Inside a transaction: an error undoes what came since."""
        ...

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a query whose parameters stand as ``$1``, ``$2``, … (see ``mark``)."""
        ...

    def run(self, sql: str, *parameters: Any) -> int:
        """Run a statement; how many rows it met."""
        ...

    def ddl(self, sql: str) -> None:
        """Make, alter or drop a table inside a transaction.

        Where that commits, another transaction is begun after it: locks of rows are gone, ``lock_tables`` still holds.
        """
        ...

    def run_each(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run a statement once for each row of parameters; how many rows they touched together."""
        ...

    def load(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to a quoted table the fastest way that there is; columns are not quoted yet."""
        ...

    def clear(self, table: str) -> None:
        """Delete every row of a quoted table, however long it takes; inside a transaction."""
        ...

    def place(self, table: str) -> str:
        """A table's quoted name, with its schema."""
        ...

    def describe(self, table: str) -> Table | None:
        """A table; None where there is none of that name."""
        ...

    def create(self, table: str, columns: str, key: Sequence[str], mark: str) -> None:
        """Make a table of these definitions, with its primary key and a mark that ``describe`` gives as identity."""
        ...

    def adopt(self, table: Table) -> Table:
        """A table that somebody else made becomes a target: the table with an identity that can be remembered."""
        ...

    def stage(self, name: str, table: Table) -> str:
        """A temporary table: the columns of a table and ``__connect_row``, none of its constraints. Quoted."""
        ...

    def upsert(self, table: Table, key: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bool:
        """Rows into the table, over those of their key; False, and nothing is done, where that needs a stage."""
        ...

    def merge(self, table: Table, key: Sequence[str], columns: Sequence[str], stage: str) -> None:
        """Staged rows into the table, over those of their key; columns that are not named stay as they are (F138)."""
        ...

    def delete(self, table: Table, key: Sequence[str], stage: str) -> None:
        """Delete the rows whose keys are staged."""
        ...

    def confirm(self, tables: Sequence[Table]) -> None:
        """Before the commit that changed rows of these tables: they are still the ones that were described (one look).

        Raises:
            Failed: ``target_changed``: somebody put another one in its place meanwhile (invariant 4).
        """
        ...

    def lock_tables(self) -> None:
        """Inside a transaction: be the only sink that makes or alters tables (F135)."""
        ...


class LineDatabase(Database, Protocol):
    """One that takes rows as text which compiled code has made."""

    def line_writer(self, layout: RowLayout, shape: RowShape, writers: Sequence[Callable[[Any], Any]]) -> LineWriter:
        """A writer of such rows: the same bytes that ``load`` makes of what the ``writers`` give."""
        ...

    def load_lines(self, table: str, columns: Sequence[str], *parts: Lines) -> None:
        """See ``load``."""
        ...

    def upsert_lines(self, table: Table, key: Sequence[str], columns: Sequence[str], *parts: Lines) -> bool:
        """See ``upsert``."""
        ...


def swapped(table: str) -> Failed:
    """What ``Database.confirm`` raises."""
    message = f"table {table} was swapped for another one while the sink wrote to it"
    return Failed("target_changed", message, hint="Put the old one back, or run connect rebuild SINK FILE.")


def quote(name: str) -> str:
    """An identifier exactly as it is, whatever its characters (F137)."""
    return '"' + name.replace('"', '""') + '"'


def quoted(names: Iterable[str]) -> str:
    """Identifiers as a list."""
    return ", ".join(quote(name) for name in names)
