"""Chunks of tables read beside the stream, each in one transaction of its own (DESIGN §5, rules N1-N5)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pymysql

from connect.api.snapshots import Chunk
from connect.compiled import COMPILED
from connect.errors import Failed, Retriable
from connect.record import Row
from connectors.mysql import key_values, moments
from connectors.mysql.catalog import read_sizes, read_tables
from connectors.mysql.chunk_sql import Reading, chunk_order, chunk_query, keys_query, last_key, whole_query
from connectors.mysql.connection import account, connect
from connectors.mysql.errors import translate
from connectors.mysql.keyless import KeylessRows
from connectors.mysql.position import LogPosition
from connectors.mysql.quoting import quoted
from connectors.mysql.server import log_end, pause, read_server
from connectors.mysql.shapes import snapshot_shape
from connectors.mysql.text_values import split_text_row
from connectors.mysql.visibility import LogMark, LogPrefix, from_note

if COMPILED:
    from connect.changes_c import ChunkRows
    from connectors.mysql.rows_c import Packets

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence

    from connect.api.snapshots import Key
    from connect.api.tables import TableOptions
    from connect.record import RowShape
    from connect.schema.model import TableId
    from connectors.mysql.columns import TableDefinition
    from connectors.mysql.config import MysqlConfig
    from connectors.mysql.connection import Connection
    from connectors.mysql.moments import Moment
    from connectors.mysql.server import Server

_XA_TRIES: Final = 50
_XA_PAUSE: Final = 0.01
_ALTERED: Final = 1412  # between the snapshot and the first look at the table


class _Read(NamedTuple):
    """A transaction in which a table is read."""

    connection: Connection
    reading: Reading
    shape: RowShape
    moment: Moment


class MysqlSnapshots:
    """``connect.api.Snapshots`` over a connection of its own; a lock, or a read that stays open, has one more."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a snapshot reader depends on
        self,
        config: MysqlConfig,
        connector: str,
        tables: Mapping[TableId, TableOptions],
        server: Server,
        say: Callable[[str], None],
        stopping: Callable[[], bool],
        marked: Callable[[LogMark], None] = lambda _: None,
    ) -> None:
        """``server`` is the one that the stream reads: marks are positions in its log. ``marked`` hears of each."""
        self._config = config
        self._connector = connector
        self._tables = tables
        self._server = server
        self._say = say
        self._stopping = stopping
        self._marked = marked
        self._own: Connection | None = None
        self._whole_reads: list[KeylessRows] = []
        self._shapes: dict[TableId, tuple[TableDefinition, RowShape]] = {}
        self._sure = LogPosition("", 0)  # everything before it was visible once
        self._row_bytes: dict[TableId, float] = {}

    def mark(self) -> LogMark:
        """A mark at the end of the log. Nothing is written: the stream comes to it whoever writes."""
        with self._errors("asking for the log's end"):
            end = log_end(self._connection(), self._server)
        mark = LogMark(self._server.uuid, LogPosition(end.file, end.pos))
        self._marked(mark)
        return mark

    def in_doubt(self) -> Collection[Hashable]:
        """Transactions between their place in the log and their visibility.

        MySQL lists them. MariaDB does not; there they are waited for, which takes as long as one commit does. On a
        server without GTIDs there are none: each read waits for the writers of its table.
        """
        with self._errors("asking for transactions in doubt"):
            if self._server.is_mariadb:
                moments.wait_until_visible(self._connection(), self._server, self._stopping)
                return ()
            return moments.owned(self._connection()) if self._server.gtids else ()

    def whose(self, transactions: Collection[Hashable]) -> str:
        """Whom transactions that are waited for belong to, where the server tells: MySQL with GTIDs."""
        if self._server.is_mariadb or not self._server.gtids:
            return ""
        with self._errors("asking whose transactions these are"):
            return moments.whose(self._connection(), transactions)

    def read_chunk(self, table: TableId, after_key: Key | None, max_rows: int, max_bytes: int) -> Chunk:
        """The next rows in the order of the table's key; see ``connect.api.Snapshots``.

        Raises:
            Retriable: ``query_budget`` when the query ran longer than ``snapshot.max_query``.
            Failed: ``table_missing``, ``permission``, ``no_unique_key``.
        """

        def read(connection: Connection) -> Chunk:
            with self._reading(connection, table, exactly=False) as begun:
                if not begun.reading.order:
                    raise _no_unique_key(self._connector, table)
                limit = max(1, min(max_rows, round(max_bytes / self._row_bytes.get(table, 1))))
                packets, cut = connection.fetch(chunk_query(begun.reading, after_key, limit), max_bytes)
                self._remember_size(table, packets)
                return self._chunk(begun, packets, done=len(packets) < limit and not cut)

        return self._over_own_connection(f"reading {table}", table, read)

    def read_keys(self, table: TableId, keys: Sequence[Key], max_bytes: int | None = None) -> Chunk:
        """The rows of these keys that exist; see ``connect.api.Snapshots``."""

        def read(connection: Connection) -> Chunk:
            with self._reading(connection, table, exactly=False) as begun:
                reading, schema = begun.reading._replace(condition=None), begun.shape.schema  # the stream has the row
                values = [key_values.constants(reading.definition, schema, key, self._config.types) for key in keys]
                limit = max_bytes if len(keys) > 1 else None
                packets, cut = connection.fetch(keys_query(reading, schema.key, values), limit)
                if cut:
                    message = f"{self._connector}: {len(keys)} rows of {table} have more than {max_bytes} bytes"
                    raise Retriable(message, code="query_budget")
                return self._chunk(begun, packets, done=True)

        return self._over_own_connection(f"reading {table} by key", table, read)

    def read_keyless(self, table: TableId) -> Chunk:
        """A whole table, its rows read while they are iterated, once, over a connection that then closes."""
        doing = f"reading {table}"
        with self._errors(doing, table), contextlib.ExitStack() as stack:
            connection = stack.enter_context(contextlib.closing(self._connect()))
            begun = self._begun(connection, table, exactly=True, max_ms=0)
            packets = self._streamed(connection, whole_query(begun.reading), self._errors(doing, table))
            rows_read = KeylessRows(begun.shape, packets, stack.pop_all())
        self._whole_reads.append(rows_read)
        return self._chunk_of(begun, rows_read, None, done=True)

    def sees(self, snapshot_note: dict[str, Any]) -> Callable[[Hashable], bool]:
        """``Chunk.sees`` again from its stored note."""
        return from_note(snapshot_note, self._server.uuid).sees

    def key_text(self, row: Row) -> Key:
        """A row's key, of the log or of a chunk, by its values."""
        return key_values.key_text(row)

    def estimate(self, table: TableId) -> tuple[int, int]:
        """Rows and bytes by the server's statistics."""
        with self._errors(f"asking for the size of {table}"):
            found = read_sizes(self._connection(), [table])
        if table not in found:
            raise _missing(self._connector, table)
        return found[table]

    def close(self) -> None:
        """Let go of the connections: the server ends what they were reading. Idempotent."""
        for whole in self._whole_reads:
            whole.close()
        self._whole_reads = []
        self._let_go()

    # Connections and transactions.

    def _connection(self) -> Connection:
        if self._own is None or not self._own.open:
            self._own = self._connect()
        return self._own

    def _connect(self) -> Connection:
        """A connection to the server of the stream.

        Raises:
            Retriable: ``server_changed``: the address leads elsewhere now, where our marks would mean nothing.
        """
        connection = connect(self._config, self._connector)
        found = read_server(connection)
        if found.uuid != self._server.uuid:
            connection.close()
            message = f"{self._connector}: the snapshot reached the server {found.uuid}, and the stream "
            raise Retriable(f"{message}{self._server.uuid}", code="server_changed")
        connection.undecoded()
        return connection

    def _let_go(self) -> None:
        if self._own is not None and self._own.open:
            self._own.close()
        self._own = None

    def _over_own_connection(self, doing: str, table: TableId, read: Callable[[Connection], Chunk]) -> Chunk:
        """Read over the connection that stays; what fails leaves no transaction open."""
        with self._errors(doing, table):
            try:
                try:
                    return read(self._connection())
                except pymysql.Error as error:
                    if error.args[0] != _ALTERED:
                        raise
                    self._let_go()
                    return read(self._connection())
            except BaseException:
                self._let_go()
                raise

    @contextlib.contextmanager
    def _errors(self, doing: str, table: TableId | None = None) -> Iterator[None]:
        try:
            yield
        except pymysql.Error as error:
            raise translate(error, f"{self._connector}: {doing}", account=account(self._config), table=table) from None

    @contextlib.contextmanager
    def _reading(self, connection: Connection, table: TableId, *, exactly: bool) -> Iterator[_Read]:
        yield self._begun(connection, table, exactly=exactly, max_ms=self._config.snapshot.max_query)
        if connection.open:  # a chunk cut short closed it
            connection.query("COMMIT")

    def _begun(self, connection: Connection, table: TableId, *, exactly: bool, max_ms: int) -> _Read:
        """Begin a transaction for one SELECT and describe what it reads."""
        moment = self._moment(connection, table, exactly=exactly)
        moments.hold(connection, table)
        definition = read_tables(connection, [table]).get(table)
        if definition is None:
            raise _missing(self._connector, table)
        where = self._tables[table].where
        reading = Reading(definition, chunk_order(definition), where, self._server.is_mariadb, max_ms)
        return _Read(connection, reading, self._shape(definition), moment)

    def _moment(self, connection: Connection, table: TableId, *, exactly: bool) -> Moment:
        if self._server.is_mariadb:
            found = self._position_moment(connection, exactly=exactly)
            if found is not None:
                return found
        elif self._server.gtids and not exactly:
            return moments.begin(connection, self._server, table)
        with (
            contextlib.closing(self._connect()) as locker,
            moments.locked(locker, connection, table, self._say, self._stopping),
        ):
            return moments.begin_locked(connection, locker, self._server)

    def _position_moment(self, connection: Connection, *, exactly: bool) -> Moment | None:
        """MariaDB's; None where it must be exact and XA commits do not let it be."""
        for _ in range(_XA_TRIES if exactly else 1):
            moment, sure = moments.begin_at_position(connection, self._server)
            if sure:
                self._sure = moment.log
                return moment
            if not exactly:  # what lies in between counts as not seen, and its keys are left to the stream
                return moment._replace(snapshot=LogPrefix(self._server.uuid, self._sure))
            connection.query("ROLLBACK")
            pause(_XA_PAUSE, self._stopping)
        return None

    def _shape(self, definition: TableDefinition) -> RowShape:
        """The same object for the same definition, so that encoders are made once."""
        known = self._shapes.get(definition.table)
        if known is None or known[0] != definition:
            shape = snapshot_shape(definition, self._config.types, self._tables[definition.table].key)
            known = self._shapes[definition.table] = definition, shape
        return known[1]

    # Rows.

    def _streamed(
        self, connection: Connection, query: str, errors: contextlib.AbstractContextManager[None]
    ) -> Iterator[bytes]:
        with errors:
            yield from connection.select(query)

    def _remember_size(self, table: TableId, packets: Sequence[bytes]) -> None:
        """Chunks are asked for by what fits: one that is cut short costs a connection."""
        if packets:
            size = packets.size if COMPILED and isinstance(packets, Packets) else sum(map(len, packets))
            self._row_bytes[table] = max(1.0, size / len(packets))

    def _chunk(self, begun: _Read, packets: Sequence[bytes], *, done: bool) -> Chunk:
        last = None
        if packets and begun.reading.order:
            last = last_key(begun.reading.definition, begun.reading.order, split_text_row(packets[-1]))
        found: Sequence[Row]
        if COMPILED and isinstance(packets, Packets):
            found = ChunkRows(packets.read(begun.shape, _source_of(begun), begun.moment.ts_us))
        else:
            found = [Row(begun.shape, packet) for packet in packets]
        return self._chunk_of(begun, found, last, done=done)

    def _chunk_of(self, begun: _Read, found: Sequence[Row], last: Key | None, *, done: bool) -> Chunk:
        moment = begun.moment
        return Chunk(
            shape=begun.shape,
            rows=found,
            last_key=last,
            done=done,
            sees=moment.snapshot.sees,
            source=_source_of(begun),
            ts_us=moment.ts_us,
            snapshot_note=moment.snapshot.to_note(),
        )


def _source_of(begun: _Read) -> tuple[Any, ...]:
    """What the rows of a chunk say in the envelope's ``source`` block."""
    log = begun.moment.log
    return begun.reading.definition.table.name, 0, None, log.file, log.pos, 0, None, None


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
        hint=f"ALTER TABLE {quoted(table)} ADD PRIMARY KEY (…); or `snapshot: {{mode: never}}` for it.",
    )
