"""What the sink needs of a database: a connection with transactions, table descriptions, and a way to load rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from connect.schema.model import Type


class BadRowsError(Exception):
    """The database refuses at least one of the rows since the savepoint; its text holds no values (rule K5)."""


class ColumnType(NamedTuple):
    """How a dialect keeps a logical type.

    Attributes:
        sql: The type in DDL, as the database prints it back.
        write: A decoded value, never None → what ``Database.load`` takes.
    """

    sql: str
    write: Callable[[Any], Any]


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
        constraint: Name of the key constraint that this sink made, "" where somebody else made the table.
    """

    name: str
    columns: Mapping[str, Column]
    keys: Sequence[frozenset[str]]
    identity: str
    constraint: str = ""


class Database(Protocol):
    """One connection. Errors leave it as ``BadRowsError`` or as errors of ``connect.errors``, nothing else."""

    longest_name: int  # bytes that an identifier may have
    locking: str  # what makes a SELECT lock its rows, with a leading blank

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
        """Run a statement; how many rows it touched."""
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

    def mark(self, number: int) -> str:
        """The placeholder of a parameter, from 1."""
        ...

    def place(self, table: str) -> str:
        """A table's quoted name, with its schema."""
        ...

    def column_type(self, type_: Type) -> ColumnType:
        """How values of a logical type are kept."""
        ...

    def accepts(self, actual: str, wanted: str) -> bool:
        """Whether a column of type ``actual`` holds every value of type ``wanted``."""
        ...

    def describe(self, table: str) -> Table | None:
        """A table; None where there is none of that name."""
        ...

    def stage(self, name: str, like: str) -> str:
        """A temporary table with the columns of the quoted table ``like`` and none of its constraints; quoted."""
        ...

    def conflict(self, table: Table, key: Sequence[str]) -> str:
        """What stands after ON CONFLICT for this key."""
        ...

    def lock_tables(self) -> None:
        """Inside a transaction: be the only sink that makes or alters tables (F135)."""
        ...


def quote(name: str) -> str:
    """An identifier exactly as it is, whatever its characters (F137)."""
    return '"' + name.replace('"', '""') + '"'


def quoted(names: Iterable[str]) -> str:
    """Identifiers as a list."""
    return ", ".join(quote(name) for name in names)
