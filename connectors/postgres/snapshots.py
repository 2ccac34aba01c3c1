"""Chunks of tables read beside the stream, each in one REPEATABLE READ transaction (DESIGN §5, rules N1-N5)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import psycopg

from connect.api.snapshots import Chunk
from connect.errors import Failed, Retriable
from connect.record import Row
from connectors.postgres.catalog import read_types, tables_by_name
from connectors.postgres.chunk_sql import READ_ONLY, Reading, chunk_order, keys_query, sent_columns, whole_query
from connectors.postgres.connection import connect, role_name
from connectors.postgres.copying import copied
from connectors.postgres.errors import translate
from connectors.postgres.keyless import KeylessRows, copy_lines
from connectors.postgres.libpq import NATIVE
from connectors.postgres.position import PostgresPosition, parse_lsn
from connectors.postgres.publication import published_tables
from connectors.postgres.readers import Readers
from connectors.postgres.relations import ShapeColumn, build_shape, catalog_key, quoted
from connectors.postgres.rows import COPY_ROW
from connectors.postgres.server import pause, whose, writers
from connectors.postgres.server import row as one_row
from connectors.postgres.visibility import DatabaseSnapshot

if NATIVE:
    from connect.changes_c import ChunkRows
    from connectors.postgres import stream_c

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence

    from connect.api.position import Position
    from connect.api.snapshots import Key
    from connect.api.tables import TableOptions
    from connect.record import RowShape
    from connect.schema.model import TableId
    from connectors.postgres.catalog import CatalogColumn, CatalogTable
    from connectors.postgres.config import PostgresConfig
    from connectors.postgres.types import TypeCatalog

_WRITERS_PAUSE: Final = 0.05
# A transaction gives this lock back after it has become visible; every role may see it.
_RUNNING: Final = """
SELECT virtualtransaction, transactionid::text::int8 FROM pg_catalog.pg_locks
 WHERE locktype = 'transactionid' AND granted AND mode = 'ExclusiveLock'
"""
_WAITING: Final = """
SELECT backend_xid::text::int8 FROM pg_catalog.pg_stat_activity
 WHERE backend_xid IS NOT NULL
   AND (state LIKE 'idle in transaction%' OR wait_event_type IN ('Client', 'Lock'))
"""
# Prepared ones that nobody commits now. While somebody may (a state hidden from us counts), none is left out: COMMIT
# PREPARED is in the log before it is visible, and a prepared transaction does not say who is at it.
_PREPARED: Final = """
SELECT transaction::text::int8 FROM pg_catalog.pg_prepared_xacts
 WHERE NOT EXISTS (
   SELECT FROM pg_catalog.pg_stat_activity
    WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
      AND (state IS NULL OR state = 'disabled' OR (state NOT LIKE 'idle%' AND query ILIKE '%prepared%')))
"""


@dataclass(frozen=True, slots=True)
class PostgresMark:
    """The end of a logical message that was flushed; every commit before it lies before it in the log."""

    lsn: int

    def reached(self, position: Position) -> bool:
        """True when every transaction committed before the mark was delivered."""
        return isinstance(position, PostgresPosition) and position.lsn >= self.lsn


class PostgresSnapshots:
    """``connect.api.Snapshots`` over a connection of its own; a read that stays open, and each further reader, has one.

    Which reader reads what of a chunk is the matter of ``readers``.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a snapshot reader depends on
        self,
        config: PostgresConfig,
        connector: str,
        prefix: str,
        tables: Mapping[TableId, TableOptions],
        publications: Sequence[str],
        say: Callable[[str], None],
        stopping: Callable[[], bool],
    ) -> None:
        """``prefix`` names our logical messages; ``publications`` say which columns and rows the stream has."""
        self._config = config
        self._connector = connector
        self._prefix = prefix
        self._tables = tables
        self._publications = publications
        self._say = say
        self._stopping = stopping
        self._own: psycopg.Connection[Any] | None = None
        self._readers = Readers(config, connector)
        self._whole_reads: list[KeylessRows] = []
        self._shapes: dict[tuple[Any, ...], RowShape] = {}
        self._types: TypeCatalog | None = None
        self._labels: str | None = None

    def mark(self) -> PostgresMark:
        """A mark at the end of the log: a transactional message, so that it is flushed and the stream passes it."""
        with self._errors("marking the log"):
            query = "SELECT pg_catalog.pg_logical_emit_message(true, %s, '')::text"
            return PostgresMark(parse_lsn(one_row(self._connection(), query, (self._prefix,))[0]))

    def in_doubt(self) -> Collection[Hashable]:
        """32-bit xids that may be between their commit record and their visibility.

        Those that run, without the ones whose backend, looked at afterwards, is surely not committing: it waits for its
        client or for a lock; and without the prepared ones, which may stay for days. Sub-transactions go as their
        transaction does. A database snapshot does not list them: a running xid from ``xmax`` on is not in it.
        """
        with self._errors("asking for transactions in doubt"):
            ask = self._connection().execute
            running = ask(_RUNNING).fetchall()
            surely_not = {xid for query in (_WAITING, _PREPARED) for (xid,) in ask(query).fetchall()}
            innocent = {virtual for virtual, xid in running if xid in surely_not}
            return {xid for virtual, xid in running if virtual not in innocent}

    def whose(self, transactions: Collection[Hashable]) -> str:
        """Whom transactions that are waited for belong to: pid, role, age; "" where they are over."""
        with self._errors("asking whose transactions these are"):
            return whose(self._connection(), [xid for xid in transactions if isinstance(xid, int)])

    def read_chunk(self, table: TableId, after_key: Key | None, max_rows: int, max_bytes: int) -> Chunk:
        """The next rows in the order of the table's unique key; see ``connect.api.Snapshots``.

        Raises:
            Retriable: ``query_budget`` when the query ran longer than ``snapshot.max_query``.
            Failed: ``table_missing``, ``permission``, ``no_unique_key``.
        """
        with self._errors(f"reading {table}", table):
            if after_key is None:
                self._wait_for_writers(table)
            with self._reading(self._connection(), table) as reading:
                if not reading.order:
                    raise _no_unique_key(self._connector, table)
                parts, done = self._readers.read(self._connection(), reading, after_key, max_rows, max_bytes)
                return self._chunk(reading, parts, done=done)

    def read_keys(self, table: TableId, keys: Sequence[Key], max_bytes: int | None = None) -> Chunk:
        """The rows of these keys that exist; see ``connect.api.Snapshots``."""
        with self._errors(f"reading {table} by key", table), self._reading(self._connection(), table) as reading:
            limit = max_bytes if len(keys) > 1 else None
            rows = copied(self._connection(), self._connector, keys_query(reading, keys), limit)
            if rows.cut:
                message = f"{self._connector}: {len(keys)} rows of {table} have more than {max_bytes} bytes"
                raise Retriable(message, code="query_budget")
            return self._chunk(reading, [rows.lines], done=True)

    def read_keyless(self, table: TableId) -> Chunk:
        """A whole table, its rows read while they are iterated, once, over a connection that then closes."""
        with self._errors(f"reading {table}", table), contextlib.ExitStack() as stack:
            self._wait_for_writers(table)
            connection = stack.enter_context(contextlib.closing(connect(self._config, self._connector)))
            connection.execute("BEGIN")  # it ends with the connection: left amid a COPY, it could not be ended before
            reading = self._begun(connection, table, 0)
            lines = copy_lines(connection, whole_query(reading), self._errors(f"reading {table}", table))
            rows = KeylessRows(reading.shape, lines, stack.pop_all())
        self._whole_reads.append(rows)
        return self._chunk_of(reading, rows, None, done=True)

    def sees(self, snapshot_note: dict[str, Any]) -> Callable[[Hashable], bool]:
        """``Chunk.sees`` again from its stored note."""
        return DatabaseSnapshot.parse(str(snapshot_note["snapshot"])).sees

    def key_text(self, row: Row) -> Key:
        """A row's key as the server prints it."""
        index = row.shape.schema.index
        cells = [row.cells[index[name]] for name in row.shape.schema.key]
        return tuple(cell.decode() if isinstance(cell, bytes) else str(cell) for cell in cells)

    def estimate(self, table: TableId) -> tuple[int, int]:
        """Rows and bytes by the server's statistics; no rows are counted for a table never analysed."""
        with self._errors(f"asking for the size of {table}"):
            found = self._describe(self._connection(), table)
            return max(found.rows, 0), found.bytes

    def close(self) -> None:
        """Let go of the connections. Idempotent."""
        for rows in self._whole_reads:
            rows.close()
        self._whole_reads = []
        self._readers.close()
        if self._own is not None:
            self._own.close()
            self._own = None

    # Connections and transactions.

    def _connection(self) -> psycopg.Connection[Any]:
        if self._own is None or self._own.closed:
            self._own = connect(self._config, self._connector)
        return self._own

    @contextlib.contextmanager
    def _errors(self, doing: str, table: TableId | None = None) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            role = role_name(self._config)
            raise translate(error, f"{self._connector}: {doing}", role=role, table=table) from None

    @contextlib.contextmanager
    def _reading(self, connection: psycopg.Connection[Any], table: TableId) -> Iterator[Reading]:
        with connection.transaction():
            yield self._begun(connection, table, self._config.snapshot.max_query)

    def _begun(self, connection: psycopg.Connection[Any], table: TableId, budget_ms: int) -> Reading:
        """Make the transaction just begun REPEATABLE READ and describe what it reads.

        The table is locked before the database snapshot is taken, so that description and rows are of one moment (N5).
        """
        connection.execute(READ_ONLY)
        try:
            connection.execute(f"LOCK TABLE {quoted(table)} IN ACCESS SHARE MODE".encode())
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            raise _missing(self._connector, table) from None
        text, lsn, ts_us = one_row(
            connection,
            "SELECT pg_catalog.pg_current_snapshot()::text, pg_catalog.pg_current_wal_lsn()::text,"
            " (extract(epoch FROM now()) * 1000000)::int8",
        )
        described = self._describe(connection, table)
        published = published_tables(connection, self._publications).get(table)
        self._refresh_types(connection)
        connection.execute(f"SET LOCAL statement_timeout = {budget_ms:d}")
        names = published.columns if published is not None else None
        columns = sent_columns(described, names, connection.info.server_version)
        return Reading(
            described,
            self._shape(described, columns),
            columns,
            chunk_order(described, columns),
            self._tables[table].where,
            published.row_filter if published else None,
            DatabaseSnapshot.parse(text),
            parse_lsn(lsn),
            ts_us,
        )

    def _describe(self, connection: psycopg.Connection[Any], table: TableId) -> CatalogTable:
        found = tables_by_name(connection, [table]).get(table)
        if found is None:
            raise _missing(self._connector, table)
        return found

    def _refresh_types(self, connection: psycopg.Connection[Any]) -> None:
        """Types are read again when an enum changed (F28) or a type came or went."""
        (labels,) = one_row(
            connection,
            "SELECT md5(coalesce((SELECT string_agg(oid::text || enumlabel, ',' ORDER BY oid) FROM pg_catalog.pg_enum),"
            " '') || (SELECT max(oid::int8)::text || count(*)::text FROM pg_catalog.pg_type))",
        )
        if labels != self._labels or self._types is None:
            self._types, self._labels = read_types(connection), labels
            self._shapes.clear()

    def _shape(self, table: CatalogTable, columns: tuple[CatalogColumn, ...]) -> RowShape:
        identity = (table.table, columns, table.identity, table.primary_key, table.identity_index)
        shape = self._shapes.get(identity)
        if shape is None:
            if self._types is None:
                raise Failed("source_error", "types were not read before a shape")
            key = catalog_key(table, [c.name for c in columns], self._tables[table.table].key)
            named = [ShapeColumn(c.name, c.type_oid, c.typmod) for c in columns]
            shape = build_shape(table.table, named, key, table, self._types, self._config.types, COPY_ROW)
            self._shapes[identity] = shape
        return shape

    def _wait_for_writers(self, table: TableId) -> None:
        """Wait for the transactions that hold a write lock on the table now, before its first row is read.

        One that wrote before the table joined the publication is not in the stream with those rows; a chunk that did
        not see it would lose them. Whoever writes later is published whole.
        """
        connection = self._connection()
        waiting = writers(connection, table)
        while waiting:
            whom = "; ".join(sorted(waiting.values()))
            self._say(f"snapshot of {table} waits for transactions that write to it now: {whom}")
            pause(_WRITERS_PAUSE, self._stopping)
            still = writers(connection, table)
            waiting = {transaction: who for transaction, who in still.items() if transaction in waiting}
            if not waiting:
                self._say("")

    # Rows.

    def _chunk(self, reading: Reading, parts: Sequence[Sequence[bytes]], *, done: bool) -> Chunk:
        rows: Sequence[Row]
        if NATIVE:
            bursts = cast("Sequence[stream_c.Burst]", parts)
            rows = ChunkRows(stream_c.read_rows(bursts, reading.shape, _source_of(reading), reading.ts_us))
        else:
            rows = [Row(reading.shape, line) for lines in parts for line in lines]
        last = None
        if rows and reading.order:
            index, cells = reading.shape.schema.index, rows[len(rows) - 1].cells
            last = tuple(cells[index[name]].decode() for name in reading.order)
        return self._chunk_of(reading, rows, last, done=done)

    def _chunk_of(self, reading: Reading, rows: Sequence[Row], last: Key | None, *, done: bool) -> Chunk:
        snapshot = reading.snapshot
        running = ",".join(map(str, sorted(snapshot.running)))
        return Chunk(
            shape=reading.shape,
            rows=rows,
            last_key=last,
            done=done,
            sees=snapshot.sees,
            source=_source_of(reading),
            ts_us=reading.ts_us,
            snapshot_note={"snapshot": f"{snapshot.xmin}:{snapshot.xmax}:{running}"},
        )


def _source_of(reading: Reading) -> tuple[Any, ...]:
    """What the rows of a chunk say in the envelope's ``source`` block."""
    schema, name = reading.table.table
    return schema, name, None, reading.lsn, None, None, None


def _missing(connector: str, table: TableId) -> Failed:
    return Failed(
        "table_missing",
        f"{connector}: the table {table} is gone",
        hint="Take it out of the file's `tables:`; a table of the same name made again needs a snapshot of its own.",
    )


def _no_unique_key(connector: str, table: TableId) -> Failed:
    return Failed(
        "no_unique_key",
        f"{connector}: {table} has no unique index over NOT NULL columns, so it cannot be read in chunks",
        hint=f"CREATE UNIQUE INDEX CONCURRENTLY ON {quoted(table)} (…); or `snapshot: {{mode: never}}` for it.",
    )
