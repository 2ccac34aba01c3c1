"""A definition while a statement changes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from connectors.mysql.charsets import BINARY, max_bytes
from connectors.mysql.columns import Column, TableDefinition
from connectors.mysql.ddl_columns import ColumnClause, NotUnderstoodError, bytes_type, converted, sized
from connectors.mysql.types import TEXT_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connect.schema.model import TableId


@dataclass(eq=False, slots=True)
class _Entry:
    """A column under change.

    Attributes:
        column: What becomes of it.
        before: Its name before the statement, in small letters; "" for a new one.
        fresh: The statement defines it: what it leaves out comes from the table's options, which may follow.
    """

    column: Column
    before: str = ""
    fresh: bool = False


class Draft:
    """A table under change: columns in order, keys of columns.

    A statement does all at once, as the server does: columns that it changes bear the names from before, so that two
    can swap theirs; AFTER and new keys name columns as they are in the end; the table's character set comes first.

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
        self._converts = False
        self._columns = [_Entry(column, column.name.lower()) for column in definition.columns]
        self._before = {entry.before: entry for entry in self._columns}
        self._primary = self._entries(definition.primary_key)
        self._whole = not self._primary or definition.primary_key in definition.unique_keys
        self._unique = [self._entries(key) for key in definition.unique_keys if key != definition.primary_key]
        self._waiting: list[tuple[_Entry, ColumnClause]] = []  # to be placed, in the statement's order
        self._with_keys: list[tuple[_Entry, ColumnClause]] = []

    def _entries(self, names: Iterable[str]) -> tuple[_Entry, ...]:
        return tuple(self._before[name.lower()] for name in names)

    def definition(self, table: TableId | None = None) -> TableDefinition:
        """The table after, under another name if one is given."""
        self._settle()
        primary = _names(self._primary)
        whole = [_names(key) for key in self._unique if not any(entry.column.nullable for entry in key)]
        unique = sorted({key for key in whole if key != primary}, key=lambda key: (len(key), key))
        if primary and self._whole:
            unique = [primary, *unique]
        columns = tuple(entry.column for entry in self._columns)
        return TableDefinition(table or self._table, columns, primary, tuple(unique), self.charset, self._engine)

    # Columns.

    def _named_before(self, name: str) -> _Entry:
        entry = self._before.get(name.lower())
        if entry is None or entry not in self._columns:
            raise NotUnderstoodError(f"there is no column {name}")
        return entry

    def _index(self, name: str) -> int:
        """The place of a column by the name that it has in the end."""
        wanted = name.lower()
        found = next((i for i, entry in enumerate(self._columns) if entry.column.name.lower() == wanted), None)
        if found is None:
            raise NotUnderstoodError(f"there is no column {name}")
        return found

    def add(self, clause: ColumnClause, *, if_missing: bool = False) -> None:
        """ADD COLUMN."""
        name = clause.column.name.lower()
        if if_missing and (name in self._before or any(one.column.name.lower() == name for one, _ in self._waiting)):
            return
        column = replace(clause.column, added=True, fill=clause.fill) if self._filled else clause.column
        self._defined(_Entry(column), clause, waits=True)

    def change(self, old: str, clause: ColumnClause, *, if_there: bool = False) -> None:
        """CHANGE and MODIFY COLUMN: what older rows got in it stays theirs."""
        if if_there and old.lower() not in self._before:
            return
        entry = self._named_before(old)
        entry.column = replace(clause.column, added=entry.column.added, fill=entry.column.fill)
        self._defined(entry, clause, waits=bool(clause.place))

    def _defined(self, entry: _Entry, clause: ColumnClause, *, waits: bool) -> None:
        entry.fresh = True
        if waits:
            self._waiting.append((entry, clause))
        if clause.primary or clause.unique:
            self._with_keys.append((entry, clause))

    def rename(self, old: str, new: str, *, if_there: bool = False) -> None:
        """RENAME COLUMN."""
        if if_there and old.lower() not in self._before:
            return
        entry = self._named_before(old)
        entry.column = replace(entry.column, name=new)

    def drop(self, name: str, *, if_there: bool = False) -> None:
        """DROP COLUMN: it leaves its indexes too."""
        if if_there and name.lower() not in self._before:
            return
        entry = self._named_before(name)
        self._columns.remove(entry)
        self._primary = tuple(part for part in self._primary if part is not entry)
        shrunk = [tuple(part for part in key if part is not entry) for key in self._unique]
        self._unique = [key for key in dict.fromkeys(shrunk) if key]

    def set(self, name: str, *, default: str | None = None, invisible: bool | None = None) -> None:
        """ALTER COLUMN: another default, or another visibility."""
        entry = self._named_before(name)
        if invisible is None:
            entry.column = replace(entry.column, default=default)
        else:
            entry.column = replace(entry.column, invisible=invisible)

    def convert(self, charset: str) -> None:
        """CONVERT TO CHARACTER SET: a TEXT goes on holding as many characters."""
        self.charset = charset
        self._converts = True

    def _settle(self) -> None:
        """What the statement does in the end, whatever its order: places, character sets, keys of its columns."""
        for entry, clause in self._waiting:
            if entry in self._columns:
                self._columns.remove(entry)
            end = len(self._columns)
            at = 0 if clause.place == "FIRST" else self._index(clause.place[1:]) + 1 if clause.place else end
            self._columns.insert(at, entry)
        self._waiting = []
        names = [entry.column.name.lower() for entry in self._columns]
        if len(set(names)) < len(names):
            raise NotUnderstoodError("two columns would have one name")
        for entry in self._columns:
            self._finish(entry)
        self._converts = False
        for entry, clause in self._with_keys:
            if clause.primary:
                self._set_primary((entry,))
            if clause.unique:
                self._unique.append((entry,))
        self._with_keys = []
        for part in self._primary:
            part.column = replace(part.column, nullable=False)

    def _finish(self, entry: _Entry) -> None:
        column, to = entry.column, self.charset
        if self._converts and to and column.data_type != "json":
            if entry.fresh and (column.data_type in TEXT_TYPES or column.data_type in {"enum", "set"}):
                column = replace(column, charset=to)
            elif column.charset and not entry.fresh:
                column = converted(column, to)
        elif not entry.fresh:
            return
        entry.column, entry.fresh = self._finished(column), False

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

    def set_primary(self, names: Sequence[str], *, whole: bool = True) -> None:
        """ADD PRIMARY KEY; not ``whole`` over prefixes of columns."""
        self._settle()
        self._set_primary(tuple(self._columns[self._index(name)] for name in names))
        self._whole = whole

    def _set_primary(self, key: tuple[_Entry, ...]) -> None:
        self._primary, self._whole = key, True
        for entry in key:
            entry.column = replace(entry.column, nullable=False)

    def drop_primary(self) -> None:
        """DROP PRIMARY KEY."""
        self._primary, self._whole = (), True

    def add_unique(self, names: Sequence[str] | None) -> None:
        """A unique index over whole columns; None for one over prefixes or expressions, which is no key."""
        if names is None:
            return
        self._settle()
        self._unique.append(tuple(self._columns[self._index(name)] for name in names))

    def drop_index(self) -> None:
        """Some index goes: which one does not matter to a table with a primary key, or without other keys."""
        if not self._primary and self._unique:
            raise NotUnderstoodError("an index goes, and it may be the one that the rows' key is made of")
        self._unique = []


def _names(key: Iterable[_Entry]) -> tuple[str, ...]:
    return tuple(entry.column.name for entry in key)
