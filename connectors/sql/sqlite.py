"""SQLite as a target: one connection to one file, transactions that take the write lock at once."""

# ruff: noqa: S608 - names are quoted by `quote`, values are parameters

from __future__ import annotations

import re
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from connect.errors import ConnectError, Failed, Retriable
from connectors.sql import staged
from connectors.sql.database import BadRowsError, Column, Dialect, Table, quote, quoted, swapped
from connectors.sql.sqlite_types import accepts, column_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from connectors.sql.config import SqlConfig

_BUSY_SECONDS: Final = 15.0
_OURS: Final = re.compile(r"connect_[0-9a-f]{16}")
_BAD_ROWS: Final = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    UnicodeEncodeError,
)


DIALECT: Final = Dialect(
    mark=lambda number: f"?{number}",
    locking="",
    or_leave=" ON CONFLICT DO NOTHING",
    key_text="TEXT",
    long_text="TEXT",
    name_fault=lambda _, __: "",
    fold=lambda name: name.encode().lower().decode(),  # of ASCII letters alone (NOCASE)
    column_type=column_type,
    key_types=lambda types: [column_type(type_) for type_ in types],
    accepts=accepts,
    constant=staged.constant,
    spell=quote,
    retype="ALTER TABLE {table} ALTER COLUMN {column} TYPE {type}",
    nullable="ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL",
)


class SqliteDatabase:
    """A connection to a SQLite file; see ``Database``."""

    dialect = DIALECT

    def __init__(self, config: SqlConfig) -> None:
        """Open the file, or make it.

        Raises:
            Retriable: It is locked or its folder is missing right now.
        """
        path = config.url.reveal().partition("///")[2]
        with _errors():
            self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            self.run("PRAGMA journal_mode = WAL")
            self.run("PRAGMA synchronous = FULL")  # durable on return
        except (ConnectError, BadRowsError):
            self._connection.close()
            raise

    def close(self) -> None:
        """See ``Database``."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See ``Database``; the write lock comes first, so nobody writes between our reads and writes (rule K2)."""
        self.run("BEGIN IMMEDIATE")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """See ``Database``."""
        self.run("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self.run("ROLLBACK TO part")
            self.run("RELEASE part")
            raise
        self.run("RELEASE part")

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """See ``Database``."""
        with _errors():
            return self._connection.execute(sql, parameters).fetchall()

    def run(self, sql: str, *parameters: Any) -> int:
        """See ``Database``."""
        with _errors():
            return self._connection.execute(sql, parameters).rowcount

    def ddl(self, sql: str) -> None:
        """See ``Database``; it is part of the transaction."""
        self.run(sql)

    def run_each(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """See ``Database``."""
        with _errors():
            return self._connection.executemany(sql, rows).rowcount

    def load(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """INSERT, many rows a call."""
        marks = ", ".join("?" * len(columns))
        with _errors():
            self._connection.executemany(f"INSERT INTO {table} ({quoted(columns)}) VALUES ({marks})", rows)

    def clear(self, table: str) -> None:
        """See ``Database``."""
        self.run(f"DELETE FROM {table}")

    def place(self, table: str) -> str:
        """See ``Database``."""
        return f"main.{quote(table)}"

    def describe(self, table: str) -> Table | None:
        """See ``Database``; the identity is our constraint's name in the table's own SQL."""
        found = self.rows(
            "SELECT name, type, sql FROM main.sqlite_schema"
            " WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')",
            table,
        )
        if not found:
            return None
        [(name, kind, sql)] = found
        if kind != "table" or name != table:
            hint = "Write another table: for it."
            raise Failed("target_kind", f"{table} is a view, or differs from table {name} by case only", hint=hint)
        info = self.rows("SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info(?1, 'main')", table)
        columns = {row[0]: Column(row[0], row[1], bool(row[2]), row[3] is not None) for row in info}
        keys = [frozenset(row[0] for row in info if row[4]), *self._unique(table)]
        constraint = _mark(sql)
        return Table(table, columns, keys, constraint or "made by somebody else", constraint)

    def _unique(self, table: str) -> list[frozenset[str]]:
        indexes = self.rows("SELECT name FROM pragma_index_list(?1, 'main') WHERE \"unique\" AND NOT partial", table)
        return [
            frozenset(row[0] for row in self.rows("SELECT name FROM pragma_index_info(?1, 'main')", index))
            for (index,) in indexes
        ]

    def create(self, table: str, columns: str, key: Sequence[str], mark: str) -> None:
        """See ``Database``."""
        self.ddl(staged.create(self.place(table), columns, key, mark))

    def adopt(self, table: Table) -> Table:
        """See ``Database``."""
        return table

    def stage(self, name: str, table: Table) -> str:
        """See ``Database``."""
        self.run(f"DROP TABLE IF EXISTS temp.{quote(name)}")
        rows = f"SELECT *, 0 AS __connect_row FROM {self.place(table.name)} WHERE false"
        self.run(f"CREATE TEMP TABLE {quote(name)} AS {rows}")
        return f"temp.{quote(name)}"

    def upsert(self, table: Table, key: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bool:
        """See ``Database``; rows come faster by a stage."""
        del table, key, columns, rows
        return False

    def merge(self, table: Table, key: Sequence[str], columns: Sequence[str], stage: str) -> None:
        """See ``Database``."""
        self.run(staged.merge(self.place(table.name), key, f"({quoted(key)})", columns, stage))

    def delete(self, table: Table, key: Sequence[str], stage: str) -> None:
        """See ``Database``."""
        self.run(staged.delete(self.place(table.name), key, stage))

    def confirm(self, tables: Sequence[Table]) -> None:
        """See ``Database``; the transaction has the only write lock, so this look counts."""
        marks = ", ".join("?" * len(tables))
        sql = f"SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND name IN ({marks})"
        found = dict(self.rows(sql, *(table.name for table in tables)))
        for table in tables:
            if table.name not in found or _mark(found[table.name]) != table.mark:
                raise swapped(table.name)

    def lock_tables(self) -> None:
        """See ``Database``; a transaction has the only write lock already."""


def _mark(sql: str) -> str:
    """The mark in a table's own SQL; "" where somebody else made it."""
    found = _OURS.search(sql)
    return found[0] if found else ""


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except _BAD_ROWS as error:
        raise BadRowsError(_name(error)) from None
    except sqlite3.DatabaseError as error:
        raise _translate(error) from None


def _name(error: BaseException) -> str:
    return str(getattr(error, "sqlite_errorname", type(error).__name__))


def _translate(error: sqlite3.DatabaseError) -> ConnectError | BadRowsError:
    name = _name(error)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Retriable(f"the SQLite file is locked ({name})", code="target_conflict", hint="Who else writes to it?")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR")):
        hint = "Check that its folder exists and has room."
        return Retriable(f"the SQLite file cannot be used now ({name})", code="target_unreachable", hint=hint)
    if name.startswith("SQLITE_READONLY"):
        return Failed("target_permission", "the SQLite file cannot be written", hint="chmod u+w it and its folder.")
    if name in {"SQLITE_TOOBIG", "SQLITE_MISMATCH"}:
        return BadRowsError(name)
    return Failed("target_refused", f"SQLite refuses a statement ({name})", hint="Was a table of the sink altered?")
