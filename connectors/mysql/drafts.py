"""A definition while a statement changes it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.mysql.charsets import BINARY, max_bytes
from connectors.mysql.columns import Column, TableDefinition
from connectors.mysql.ddl_columns import ColumnClause, NotUnderstoodError, bytes_type, converted, sized
from connectors.mysql.types import TEXT_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connect.schema.model import TableId


class Draft:
    """A table under change: columns in order, keys by the names of their columns.

    Args:
        definition: The table before.
        filled: Whether it may have rows, which get something in a column that is added.

    Every method raises ``NotUnderstoodError`` where the table is not of the form that the statement takes for granted.
    """

    def __init__(self, definition: TableDefinition, *, filled: bool = True) -> None:
        self._filled = filled
        self._table = definition.table
        self._engine = definition.engine
        self.charset = definition.charset
        self._columns = list(definition.columns)
        self._primary = definition.primary_key
        self._unique = [key for key in definition.unique_keys if key != definition.primary_key]

    def definition(self, table: TableId | None = None) -> TableDefinition:
        """The table after, under another name if one is given."""
        unique = sorted(self._unique, key=lambda key: (len(key), key))
        keys = ((self._primary,) if self._primary else (), tuple(unique))
        return TableDefinition(
            table or self._table, tuple(self._columns), self._primary, keys[0] + keys[1], self.charset, self._engine
        )

    # Columns.

    def _index(self, name: str) -> int:
        wanted = name.lower()
        found = next((i for i, column in enumerate(self._columns) if column.name.lower() == wanted), None)
        if found is None:
            raise NotUnderstoodError(f"there is no column {name}")
        return found

    def has(self, name: str) -> bool:
        """Whether there is such a column."""
        return any(column.name.lower() == name.lower() for column in self._columns)

    def add(self, clause: ColumnClause, *, if_missing: bool = False) -> None:
        """ADD COLUMN."""
        if self.has(clause.column.name):
            if if_missing:
                return
            raise NotUnderstoodError(f"there is a column {clause.column.name} already")
        column = replace(clause.column, added=True, fill=clause.fill) if self._filled else clause.column
        self._place(self._finished(column), clause.place, len(self._columns))
        self._keys_of(clause)

    def change(self, old: str, clause: ColumnClause, *, if_there: bool = False) -> None:
        """CHANGE and MODIFY COLUMN: what older rows got in it stays theirs."""
        if if_there and not self.has(old):
            return
        at = self._index(old)
        was = self._columns.pop(at)
        self._place(self._finished(replace(clause.column, added=was.added, fill=was.fill)), clause.place, at)
        self._rename_in_keys(old, clause.column.name)
        if clause.column.name in self._primary:
            self._not_null(self._primary)
        self._keys_of(clause)

    def rename(self, old: str, new: str) -> None:
        """RENAME COLUMN."""
        at = self._index(old)
        self._columns[at] = replace(self._columns[at], name=new)
        self._rename_in_keys(old, new)

    def drop(self, name: str, *, if_there: bool = False) -> None:
        """DROP COLUMN: it leaves its indexes too."""
        if if_there and not self.has(name):
            return
        column = self._columns.pop(self._index(name)).name
        self._primary = tuple(part for part in self._primary if part != column)
        shrunk = [tuple(part for part in key if part != column) for key in self._unique]
        self._unique = [key for key in dict.fromkeys(shrunk) if key]

    def set(self, name: str, *, default: str | None = None, invisible: bool | None = None) -> None:
        """ALTER COLUMN: another default, or another visibility."""
        at = self._index(name)
        if invisible is None:
            self._columns[at] = replace(self._columns[at], default=default)
        else:
            self._columns[at] = replace(self._columns[at], invisible=invisible)

    def convert(self, charset: str) -> None:
        """CONVERT TO CHARACTER SET: a TEXT goes on holding as many characters."""
        self.charset = charset
        for i, column in enumerate(self._columns):
            if column.charset and column.data_type != "json":
                self._columns[i] = self._finished(converted(column, charset))

    def _place(self, column: Column, place: str, otherwise: int) -> None:
        at = 0 if place == "FIRST" else self._index(place[1:]) + 1 if place else otherwise
        self._columns.insert(at, column)

    def _finished(self, column: Column) -> Column:
        """The column with what it takes from the table's default."""
        name = column.data_type
        if name not in TEXT_TYPES and name not in {"enum", "set"}:
            return sized(column, 1) if name == "blob" else column
        charset = column.charset or self.charset
        if charset == BINARY and name in TEXT_TYPES:
            return self._finished(replace(column, data_type=bytes_type(name), charset=None))
        return sized(replace(column, charset=charset), max_bytes(charset or "utf8mb4") or 4)

    # Keys.

    def set_primary(self, names: Sequence[str]) -> None:
        """ADD PRIMARY KEY."""
        self._primary = self._spelled(names)
        self._not_null(self._primary)

    def drop_primary(self) -> None:
        """DROP PRIMARY KEY."""
        self._primary = ()

    def add_unique(self, names: Sequence[str] | None) -> None:
        """A unique index over whole columns; None for one over prefixes or expressions, which is no key."""
        if names is None:
            return
        key = self._spelled(names)
        if key not in self._unique and not any(self._columns[self._index(name)].nullable for name in key):
            self._unique.append(key)

    def drop_index(self) -> None:
        """Some index goes: which one does not matter to a table with a primary key, or without other keys."""
        if not self._primary and self._unique:
            raise NotUnderstoodError("an index goes, and it may be the one that the rows' key is made of")
        self._unique = []

    def _keys_of(self, clause: ColumnClause) -> None:
        if clause.primary:
            self.set_primary([clause.column.name])
        if clause.unique:
            self.add_unique([clause.column.name])

    def _spelled(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(self._columns[self._index(name)].name for name in names)

    def _not_null(self, names: Sequence[str]) -> None:
        for name in names:
            at = self._index(name)
            self._columns[at] = replace(self._columns[at], nullable=False)

    def _rename_in_keys(self, old: str, new: str) -> None:
        def renamed(key: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(new if part.lower() == old.lower() else part for part in key)

        self._primary = renamed(self._primary)
        self._unique = [renamed(key) for key in self._unique]
