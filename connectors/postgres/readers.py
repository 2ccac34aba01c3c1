"""A chunk read by several connections at once, each one range of its keys, all in one database snapshot (DESIGN §5).

The lead is the connection whose transaction describes the table and holds its lock. It finds the bounds of the ranges
and exports its database snapshot; the others import that, and lock the table too. So the chunk is what one connection
would have read, and one mark after it is right.
"""

from __future__ import annotations

import contextlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql
from psycopg.pq import ExecStatus

from connect.errors import Retriable
from connectors.postgres.chunk_sql import READ_ONLY, bound_query, chunk_query, range_query
from connectors.postgres.connection import connect
from connectors.postgres.copying import copied
from connectors.postgres.errors import UNREACHABLE
from connectors.postgres.server import row as one_row
from connectors.postgres.visibility import DatabaseSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connect.api.snapshots import Key
    from connect.schema.model import TableId
    from connectors.postgres.chunk_sql import Reading
    from connectors.postgres.config import PostgresConfig
    from connectors.postgres.copying import Copied

# What a chunk must have for several readers to gain more than bounds and snapshots cost; with 1 MB they lost.
BYTES_WORTH: Final = 4 * 1_048_576


class Readers:
    """Reads chunks. The connections beside the lead's are kept till a table is done. One thread calls all methods."""

    def __init__(self, config: PostgresConfig, connector: str) -> None:
        self._config = config
        self._connector = connector
        self._others: list[psycopg.Connection[Any]] = []
        self._widths: dict[TableId, int] = {}  # bytes of a row in the last chunk

    def read(
        self, lead: psycopg.Connection[Any], reading: Reading, after: Key | None, max_rows: int, max_bytes: int
    ) -> tuple[list[Sequence[bytes]], bool]:
        """The lines of the next chunk in parts, in the order of the key, and whether no rows lie after them.

        ``lead`` is in the transaction that ``reading`` describes.

        Raises:
            psycopg.Error: As the server says it to the first connection that met an error; all have ended.
            Retriable: ``source_unreachable``: a connection could not be had, or not in the lead's database snapshot.
        """
        rows = self._rows_to_share(reading.table.table, max_rows, max_bytes)
        bounds = self._bounds(lead, reading, after, rows)
        with self._joined(lead, reading, len(bounds)) as others:
            if others:
                parts, done = self._read_ranges([lead, *others], reading, [after, *bounds], rows, max_bytes)
            else:
                part = copied(lead, self._connector, chunk_query(reading, after, max_rows), max_bytes)
                parts, done = [part], len(part.lines) < max_rows and not part.cut
        count = sum(len(part.lines) for part in parts)
        if count:
            self._widths[reading.table.table] = sum(part.size for part in parts) // count + 1
        if done:
            self.close()  # the next table may be small, or far away
        return [part.lines for part in parts], done

    def close(self) -> None:
        """Let go of the connections. Idempotent."""
        for other in self._others:
            other.close()
        self._others = []

    def _rows_to_share(self, table: TableId, max_rows: int, max_bytes: int) -> int:
        """So many rows that each range stays below its part of the bytes; 0 where one reader is as good.

        A range that is cut makes those after it worthless, so widths must be known; the first chunk of a table tells.
        """
        width = self._widths.get(table)
        if width is None or self._config.snapshot.readers == 1:
            return 0
        rows = min(max_rows, max_bytes * 3 // 4 // width)
        return rows if rows * width >= BYTES_WORTH else 0

    def _bounds(self, lead: psycopg.Connection[Any], reading: Reading, after: Key | None, rows: int) -> list[Key]:
        """The last key of each range but the last; fewer where fewer rows are left."""
        share = rows // self._config.snapshot.readers
        bounds: list[Key] = []
        while share and len(bounds) < self._config.snapshot.readers - 1:
            found = _key(lead, bound_query(reading, bounds[-1] if bounds else after, share))
            if found is None:
                break
            bounds.append(found)
        return bounds

    @contextlib.contextmanager
    def _joined(
        self, lead: psycopg.Connection[Any], reading: Reading, count: int
    ) -> Iterator[list[psycopg.Connection[Any]]]:
        """``count`` other connections in the lead's database snapshot; none while somebody waits to change the table.

        That one waits for the lead, and the lead's chunk must not wait for that one.
        """
        others: list[psycopg.Connection[Any]] = []
        with contextlib.ExitStack() as transactions:
            if count:
                (snapshot,) = one_row(lead, "SELECT pg_catalog.pg_export_snapshot()")
                try:
                    for other in self._connections(count):
                        transactions.enter_context(other.transaction())
                        self._join(other, reading, snapshot)
                        others.append(other)
                except psycopg.errors.LockNotAvailable:
                    others = []
                    transactions.close()
            yield others

    def _connections(self, count: int) -> Iterator[psycopg.Connection[Any]]:
        self._others = [other for other in self._others if not other.closed]
        for number in range(count):
            if number == len(self._others):
                self._others.append(connect(self._config, self._connector))
            yield self._others[number]

    def _join(self, other: psycopg.Connection[Any], reading: Reading, snapshot: str) -> None:
        """Read on as the lead does: its database snapshot, its limits, its lock (N5)."""
        statements = sql.SQL(
            "{}; SET TRANSACTION SNAPSHOT {}; SET LOCAL statement_timeout = {};"
            " LOCK TABLE {} IN ACCESS SHARE MODE NOWAIT"
        )
        table, budget = sql.Identifier(*reading.table.table), self._config.snapshot.max_query
        try:
            other.execute(statements.format(sql.SQL(READ_ONLY), snapshot, budget, table))
        except (
            psycopg.errors.InvalidParameterValue,
            psycopg.errors.UndefinedObject,
            psycopg.errors.ObjectNotInPrerequisiteState,
        ) as error:
            raise self._elsewhere(reading, str(error.diag.message_primary)) from None
        (seen,) = one_row(other, "SELECT pg_catalog.pg_current_snapshot()::text")
        if DatabaseSnapshot.parse(seen) != reading.snapshot:
            raise self._elsewhere(reading, "it sees another database snapshot")

    def _elsewhere(self, reading: Reading, why: str) -> Retriable:
        return Retriable(
            f"{self._connector}: reading {reading.table.table}: a second connection cannot join the first: {why}",
            code=UNREACHABLE,
            hint="If it lasts, the URL leads to several servers: name one, or set snapshot: {readers: 1}.",
        )

    def _read_ranges(
        self,
        connections: Sequence[psycopg.Connection[Any]],
        reading: Reading,
        starts: Sequence[Key | None],
        rows: int,
        max_bytes: int,
    ) -> tuple[list[Copied], bool]:
        """One range by each connection. The chunk ends where one is cut, or has more rows than the lead found there.

        A condition such as ``expires < now()`` is another one in each transaction.
        """
        share = rows // self._config.snapshot.readers
        last = rows - share * (len(starts) - 1)
        ends = itertools.pairwise(starts)
        queries = [range_query(reading, after, key, share + 1) for after, key in ends if key is not None]
        queries.append(chunk_query(reading, starts[-1], last))
        most = max_bytes // len(connections)
        name = f"snapshot {self._connector} range"
        with ThreadPoolExecutor(len(connections) - 1, thread_name_prefix=name) as pool:  # waits for all, come what may
            running = [
                pool.submit(copied, other, self._connector, query, most)
                for other, query in zip(connections[1:], queries[1:], strict=True)
            ]
            parts = [copied(connections[0], self._connector, queries[0], most)]
        parts += [future.result() for future in running]
        for number, part in enumerate(parts[:-1], 1):
            if part.cut or len(part.lines) > share:
                return parts[:number], False
        return parts, len(parts[-1].lines) < last and not parts[-1].cut


def _key(lead: psycopg.Connection[Any], query: sql.Composed) -> Key | None:
    """The one row of a query as the server prints it."""
    result = lead.pgconn.exec_(query.as_bytes(lead))
    if result.status != ExecStatus.TUPLES_OK:
        raise psycopg.errors.error_from_result(result)
    if not result.ntuples:
        return None
    return tuple((result.get_value(0, column) or b"").decode() for column in range(result.nfields))
