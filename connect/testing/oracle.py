"""What really happened, from Postgres itself: a second slot of its own, decoded by the server's ``test_decoding``.

Nothing of ours is in it: neither our publication nor our decoder nor a trigger or column in the application's tables.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import psycopg
from psycopg import sql

from connect.demo.verdict import READ, Change, Histories, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# `table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 note[text]:'it''s'`
_LINE: Final = re.compile(r"table (.+?): (INSERT|UPDATE|DELETE|TRUNCATE): (.*)", re.DOTALL)
_CELL: Final = re.compile(r"(\"(?:[^\"]|\"\")+\"|[^ \[]+)\[([^:]*?)\]:('(?:[^']|'')*'|[^ ]+)(?: |$)")
_OPS: Final = {"INSERT": "c", "UPDATE": "u", "DELETE": "d"}
_EPOCH: Final = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - of `timestamp without time zone`


@dataclass
class TableLog:
    """What the log has of one table: ``histories`` by key or, for a table without one, every row inserted."""

    histories: Histories = field(default_factory=lambda: defaultdict(list))
    events: Counter[Row] = field(default_factory=Counter)


class LogOracle:
    """Keeps the log of a database from its making on.

    Args:
        url: Of the database, as a superuser.
        slot: A name that nobody else uses.
        keys: Table → its key columns; () for a table without a key.
    """

    def __init__(self, url: str, slot: str, keys: dict[str, tuple[str, ...]]) -> None:
        self._url = url
        self._slot = slot
        self._keys = keys
        self._columns: dict[str, list[str]] = {}
        self._start: dict[str, TableLog] = {}

    def begin(self) -> Self:
        """Make the slot and note the rows that are there; nobody may write meanwhile."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", (self._slot,))
            for table in self._keys:
                self._start[table] = self._rows_now(connection, table)
        return self

    def _rows_now(self, connection: psycopg.Connection[Any], table: str) -> TableLog:
        log = TableLog()
        for row in rows(connection, table):
            self._columns[table] = row_columns = self._columns.get(table) or columns(connection, table)
            key = tuple(row[row_columns.index(name)] for name in self._keys[table])
            if key:
                log.histories[key].append(Change(READ, row))
            else:
                log.events[row] += 1
        return log

    def read(self) -> dict[str, TableLog]:
        """Everything so far, by table. The slot keeps it; call it once, at the end, when nobody writes."""
        logs = self._start
        for table in self._keys:
            logs.setdefault(table, TableLog())
        with psycopg.connect(self._url) as connection, connection.cursor("log") as cursor:
            cursor.itersize = 20_000
            cursor.execute("SELECT data FROM pg_logical_slot_peek_changes(%s, NULL, NULL)", (self._slot,))
            for (line,) in cursor:
                self._take(logs, line)
        return logs

    def _take(self, logs: dict[str, TableLog], line: str) -> None:
        match = _LINE.match(line)
        if match is None:
            return
        tables, what, rest = match.groups()
        if what == "TRUNCATE":
            for table in tables.split(", "):
                _truncate(logs.get(table))
        elif tables in logs:
            self._change(logs[tables], self._keys[tables], _OPS[what], rest)

    def _change(self, log: TableLog, key: tuple[str, ...], op: str, rest: str) -> None:
        old, new = _sides(rest)
        cells = dict(parse_cells(new))
        row = tuple(cells.values())
        if not key:
            if op == "c":
                log.events[row] += 1
            return
        new_key = tuple(cells[name] for name in key)
        if old:
            before = dict(parse_cells(old))
            old_key = tuple(before[name] for name in key)
            if old_key != new_key:  # DESIGN §6: a key change is the old key's end and the new one's beginning
                log.histories[old_key].append(Change("d", None))
                op = "c"
        log.histories[new_key].append(Change(op, None if op == "d" else row))

    def drop(self) -> None:
        """Drop the slot, or it holds the log for ever."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("SELECT pg_drop_replication_slot(%s)", (self._slot,))


def _truncate(log: TableLog | None) -> None:
    if log is None:
        return
    for history in log.histories.values():
        if history and history[-1].row is not None:
            history.append(Change("d", None))


def _sides(rest: str) -> tuple[str, str]:
    if not rest.startswith("old-key: "):
        return "", rest
    old, _, new = rest.removeprefix("old-key: ").partition(" new-tuple: ")
    return old, new


def parse_cells(text: str) -> Iterator[tuple[str, str | None]]:
    """Column names and texts of one side of a line of ``test_decoding``; None for NULL."""
    for match in _CELL.finditer(text):
        name, type_name, value = match.groups()
        yield name.strip('"').replace('""', '"'), _cell(type_name, value)


def _cell(type_name: str, value: str) -> str | None:
    if value == "null":
        return None
    plain = value[1:-1].replace("''", "'") if value.startswith("'") else value
    return canonical(dt.datetime.fromisoformat(plain)) if type_name == "timestamp without time zone" else plain


def canonical(value: object) -> str | None:
    """A value as the comparison's text: timestamps as microseconds since 1970, as the topics have them."""
    if value is None:
        return None
    if isinstance(value, dt.datetime):
        return str((value.replace(tzinfo=None) - _EPOCH) // dt.timedelta(microseconds=1))
    return str(value)


def columns(connection: psycopg.Connection[Any], table: str) -> list[str]:
    """A table's columns, in order."""
    query = (
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " ORDER BY attnum"
    )
    return [name for (name,) in connection.execute(query, (table,))]


def rows(connection: psycopg.Connection[Any], table: str, only: Sequence[str] | None = None) -> Iterator[Row]:
    """Every row of a table as texts: of all columns, or of those in ``only``."""
    names = sql.SQL(", ").join(map(sql.Identifier, only)) if only else sql.SQL("*")
    with connection.cursor() as cursor:
        for row in cursor.execute(sql.SQL("SELECT {} FROM {}").format(names, sql.Identifier(*table.split(".")))):
            yield tuple(canonical(value) for value in row)
