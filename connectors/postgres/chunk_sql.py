"""The SQL that reads rows of a table for a snapshot: pure, no I/O (rule N4, F168)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from connect.api.snapshots import Key
    from connect.record import RowShape
    from connectors.postgres.catalog import CatalogColumn, CatalogTable
    from connectors.postgres.visibility import DatabaseSnapshot

SENDS_GENERATED: Final = 180_000

# What a transaction that reads rows says first; F31: an error rather than fewer rows.
READ_ONLY: Final = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = '2s';"
    " SET LOCAL row_security = off"
)


class Reading(NamedTuple):
    """How a table is read: what its catalog, its publication and the file say, in one database snapshot.

    Attributes:
        table: The catalog's description.
        shape: Of the rows.
        columns: The columns read, as published.
        order: Names of the unique key by which chunks are ordered; empty for none.
        where: The file's SQL that a row of a first reading must meet, or None.
        row_filter: The publication's, or None: the log too carries only rows that meet it.
        snapshot: What the transaction sees.
        lsn: End of WAL when it began, for ``source.lsn``.
        ts_us: When it began, by the server's clock.
    """

    table: CatalogTable
    shape: RowShape
    columns: tuple[CatalogColumn, ...]
    order: tuple[str, ...]
    where: str | None
    row_filter: str | None
    snapshot: DatabaseSnapshot
    lsn: int
    ts_us: int


def sent_columns(
    table: CatalogTable, published: Collection[str] | None, server_version: int
) -> tuple[CatalogColumn, ...]:
    """The columns that the stream carries (F41).

    Args:
        table: The table.
        published: The publication's columns; None where there is no word of them: then all that can be.
        server_version: Before 18 generated columns are never sent, though a server may list them; virtual ones never.
    """
    sendable = {"", "s"} if server_version >= SENDS_GENERATED else {""}
    return tuple(
        column
        for column in table.columns
        if column.generated in sendable and (published is None or column.name in published)
    )


def chunk_order(table: CatalogTable, columns: Sequence[CatalogColumn]) -> tuple[str, ...]:
    """The unique key by which chunks are read: the primary key first; NULLs would fall between chunks."""
    read = {column.name for column in columns}
    return next((key for key in table.unique_keys if set(key) <= read), ())


def chunk_query(reading: Reading, after: Key | None, limit: int) -> sql.Composed:
    """The next rows after a key, in the order of the column's own type and collation."""
    return _copy(reading, _beyond(reading, after), _ordered(reading, sql.SQL(" LIMIT {}").format(limit)))


def range_query(reading: Reading, after: Key | None, last: Key, limit: int) -> sql.Composed:
    """The rows after a key up to another one; ``limit`` also tells the planner that they are few."""
    up_to = sql.SQL("({}) <= ({})").format(_names(reading.order), _literals(reading, reading.order, last))
    return _copy(reading, [*_beyond(reading, after), up_to], _ordered(reading, sql.SQL(" LIMIT {}").format(limit)))


def bound_query(reading: Reading, after: Key | None, rows: int) -> sql.Composed:
    """The key of the row that is so many rows after a key; no row where fewer are left."""
    tail = _ordered(reading, sql.SQL(" OFFSET {} LIMIT 1").format(rows - 1))
    return _select(reading, reading.order, _beyond(reading, after), tail)


def keys_query(reading: Reading, keys: Sequence[Key]) -> sql.Composed:
    """The rows of these keys, whatever the file's ``where`` says: the stream has them already, without a value."""
    names = reading.shape.schema.key
    listed = sql.SQL(", ").join(sql.SQL("({})").format(_literals(reading, names, key)) for key in keys)
    conditions = [sql.SQL("({}) IN ({})").format(_names(names), listed)]
    return _copy(reading._replace(where=None), conditions, sql.SQL(""))


def whole_query(reading: Reading) -> sql.Composed:
    """Every row."""
    return _copy(reading, [], sql.SQL(""))


def _beyond(reading: Reading, after: Key | None) -> list[sql.Composed]:
    if after is None:
        return []
    return [sql.SQL("({}) > ({})").format(_names(reading.order), _literals(reading, reading.order, after))]


def _ordered(reading: Reading, tail: sql.Composable) -> sql.Composed:
    return sql.SQL(" ORDER BY {}{}").format(_names(reading.order), tail)


def _copy(reading: Reading, conditions: list[sql.Composed], tail: sql.Composable) -> sql.Composed:
    names = [column.name for column in reading.columns]
    return sql.SQL("COPY ({}) TO STDOUT").format(_select(reading, names, conditions, tail))


def _select(
    reading: Reading, names: Sequence[str], conditions: list[sql.Composed], tail: sql.Composable
) -> sql.Composed:
    # Children of an inherited table have tables of their own in the stream; partitions come under their root.
    only = sql.SQL("ONLY ") if reading.table.kind == "r" else sql.SQL("")
    parts: list[sql.Composable] = [*conditions]
    own = (reading.where, reading.row_filter)
    parts += [sql.SQL("({})").format(sql.SQL(condition)) for condition in own if condition]
    where = sql.SQL(" WHERE ") + sql.SQL(" AND ").join(parts) if parts else sql.SQL("")
    return sql.SQL("SELECT {} FROM {}{}{}{}").format(
        _names(names), only, sql.Identifier(*reading.table.table), where, tail
    )


def _names(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _literals(reading: Reading, names: Sequence[str], key: Key) -> sql.Composed:
    types = {column.name: column.type_name for column in reading.table.columns}
    return sql.SQL(", ").join(
        sql.SQL("{}::{}").format(sql.Literal(part), sql.SQL(types[name])) for name, part in zip(names, key, strict=True)
    )
