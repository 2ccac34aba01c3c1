"""Events of the log → changes of whole transactions in commit order, with the position after them (S1, S4, S8)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from connect.compiled import COMPILED
from connect.errors import Failed
from connect.record import ChangeEvent, Op
from connectors.mysql.binlog import events as log
from connectors.mysql.binlog.cursor import Header, LogCursor
from connectors.mysql.binlog.events import Kind
from connectors.mysql.binlog.nested import COMPRESSED, decompressed, payload_events
from connectors.mysql.collected import Collected, Hooks
from connectors.mysql.gtid import AnyGtid, Gtid, MariadbGtid
from connectors.mysql.position import LogPosition
from connectors.mysql.progress import Progress, inside
from connectors.mysql.row_image import BIG
from connectors.mysql.transactions import Delivery, Group

if TYPE_CHECKING:
    from connect.record import Row, RowShape
    from connectors.mysql.binlog.events import Xid
    from connectors.mysql.history import History
    from connectors.mysql.position import MysqlPosition
    from connectors.mysql.prepared import Held, Prepared
    from connectors.mysql.row_image import LogTable

_NO_TABLE: Final = 0xFFFFFF  # of an event that only ends a statement
_OPS: Final[dict[int, Op]] = {
    Kind.WRITE_ROWS_V1: Op.CREATE,
    Kind.UPDATE_ROWS_V1: Op.UPDATE,
    Kind.DELETE_ROWS_V1: Op.DELETE,
    Kind.WRITE_ROWS: Op.CREATE,
    Kind.UPDATE_ROWS: Op.UPDATE,
    Kind.DELETE_ROWS: Op.DELETE,
    Kind.PARTIAL_UPDATE_ROWS: Op.UPDATE,
}
# They only prepare a statement that follows, or say what does not concern rows.
_PASSED_OVER: Final = (
    Kind.STOP,
    Kind.INTVAR,
    Kind.RAND,
    Kind.USER_VAR,
    Kind.APPEND_BLOCK,
    Kind.DELETE_FILE,
    Kind.BEGIN_LOAD_QUERY,
    Kind.IGNORABLE,
    Kind.ROWS_QUERY,
    Kind.PREVIOUS_GTIDS,
    Kind.TRANSACTION_CONTEXT,
    Kind.VIEW_CHANGE,
    Kind.ANNOTATE_ROWS,
    Kind.BINLOG_CHECKPOINT,
    Kind.GTID_LIST,
    Kind.START_ENCRYPTION,
)
_BEGIN: Final = b"\0BEGIN"
_TAKEN: Final = -1  # a savepoint before which changes were handed out
_REPORT: Final = "Report it, with the server's version."

Handler = Callable[[Header, bytes], None]


class Assembler:
    """Fed with events in the order of the stream; collects changes until they are taken.

    Attributes:
        last_ts: Time of the last transaction of the log, seconds since 1970 UTC; 0 before the first.
    """

    def __init__(
        self,
        history: History,
        prepared: Prepared,
        start: MysqlPosition,
        connector: str,
        *,
        by_gtid: bool,
        compiled: bool = COMPILED,
    ) -> None:
        """``start`` is the stored position, its ``log`` that of the server that is read.

        ``by_gtid``: changes name their transaction by its GTID, where there is one, as ``visibility`` asks for.
        """
        self.last_ts = 0
        self._history = history
        self._prepared = prepared
        self._cursor = LogCursor(connector)
        self._progress = Progress(start, self._cursor)
        self._by_gtid = by_gtid
        self._open: Group | None = None
        self._tables: dict[int, LogTable | None] = {}
        self._maps: dict[bytes, LogTable | None] = {}  # until the next statement that may change a table
        self._uuids: dict[bytes, str] = {}
        self._steps: Iterator[None] | None = None  # what a handler leaves to be done in parts
        self._collected = Collected(compiled=compiled)
        self._finished = 0  # so many of the changes belong to whole transactions
        self._notes: dict[str, dict[str, Any] | None] = {}
        self._cuts: dict[int, MysqlPosition] = {}
        self._warnings: list[str] = []
        self._handlers = self._by_kind()
        self._hooks = Hooks(self._cursor, self._plain_begin, self._finish)

    def _by_kind(self) -> dict[int, Handler]:
        return {
            **dict.fromkeys(map(int, _PASSED_OVER), self._pass_over),
            Kind.FORMAT_DESCRIPTION: self._new_file,
            Kind.ROTATE: self._rotate,
            Kind.GTID: self._gtid,
            Kind.ANONYMOUS_GTID: self._anonymous,
            Kind.GTID_TAGGED: self._tagged_gtid,
            Kind.MARIADB_GTID: self._mariadb_gtid,
            Kind.QUERY: self._query,
            Kind.TABLE_MAP: self._table_map,
            **dict.fromkeys(map(int, _OPS), self._rows),
            **dict.fromkeys(map(int, COMPRESSED), self._compressed),
            Kind.TRANSACTION_PAYLOAD: self._payload,
            Kind.XID: self._commit,
            Kind.XA_PREPARE: self._xa_prepare,
            Kind.INCIDENT: self._incident,
            Kind.EXECUTE_LOAD_QUERY: self._statement_data,
        }

    def keep_queries(self) -> None:
        """Rows that follow carry the text of their statement, where the log has it."""
        self._collected.keep_queries()
        self._handlers |= {Kind.ROWS_QUERY: self._rows_query, Kind.ANNOTATE_ROWS: self._annotation}

    @property
    def skipped(self) -> int:
        """Rows dropped because they were delivered before (rule S11)."""
        return self._progress.skipped

    @property
    def rows(self) -> int:
        """Changes collected."""
        return len(self._collected)

    @property
    def size(self) -> int:
        """Bytes of log that they came in."""
        return self._collected.size

    @property
    def whole(self) -> bool:
        """Whether changes of whole transactions, or notes, are there to be taken."""
        return self._finished > 0 or bool(self._notes)

    @property
    def replaying(self) -> bool:
        """Whether an event that is handed on in parts has more; ``replay`` comes before the next ``feed``."""
        return self._steps is not None

    @property
    def at(self) -> LogPosition:
        """Where the last event that was read ends."""
        return LogPosition(self._cursor.file, self._cursor.pos)

    @property
    def position(self) -> MysqlPosition:
        """Every transaction before it was delivered whole."""
        here = self._open.begin if self._open is not None else self.at
        return self._progress.boundary(here, self._prepared.begins)

    def take(self, *, split: bool = False) -> Delivery:
        """The changes of whole transactions; with ``split`` also those of the open one (S4, invariant 9)."""
        position, group = self.position, self._open
        if split and group is not None and group.ordinal:
            position = inside(position, group)
            self._notes.update(group.notes or {})
            group.notes, group.savepoints = None, _after_taking(group)
            self._finished = self.rows
        end, self._finished = self._finished, 0
        events = self._collected.take(end)
        cuts = {index: before for index, before in self._cuts.items() if index < end}
        self._cuts = {index - end: before for index, before in self._cuts.items() if index >= end}
        notes, self._notes = self._notes, {}
        warnings, self._warnings = self._warnings, []
        return Delivery(events, position, position.transaction is None, notes, cuts, warnings)

    def feed_plain(self, events: list[bytes], at: int, rows: int, size: int) -> int:
        """Take events from ``at`` on by the compiled lane, until one needs ``feed`` or so many rows or bytes are there.

        Returns:
            The index of the first event that was not taken; always ``at`` where nothing is compiled.
        """
        group = self._open
        if self._progress.split is not None or self._steps is not None or (group is not None and not _is_plain(group)):
            return at
        return self._collected.run(self._hooks, group, events, at, rows, size)

    def _plain_begin(self, header: Header, body: bytes) -> Group | None:
        self._handle(header, body)
        group = self._open
        return group if group is not None and _is_plain(group) else None

    def feed(self, event: bytes) -> None:
        """One event as the server sent it.

        Raises:
            Retriable: ``checksum``.
            Failed: What is not understood (rule S13), ``replay_mismatch``, the codes of ``History``.
        """
        header, body = self._cursor.read(event)
        self._handle(header, body)

    def replay(self, rows: int, size: int) -> None:
        """Go on with an event that is handed on in parts, until so many rows or bytes are collected."""
        steps = self._steps or iter(())
        for _ in steps:
            if self.rows >= rows or self.size >= size:
                return
        self._steps = None

    def _handle(self, header: Header, body: bytes) -> None:
        handler = self._handlers.get(header.kind)
        if handler is not None:
            try:
                handler(header, body)
            except (struct.error, IndexError, UnicodeDecodeError):
                raise self._failed("protocol", f"an event of type {header.kind} that cannot be read") from None
        elif not header.ignorable and header.kind not in {Kind.HEARTBEAT, Kind.HEARTBEAT_V2}:
            raise self._failed(
                "unknown_event",
                f"an event of type {header.kind}, which this version does not know",
                "It may hold rows, so nothing after it is read. Run a newer version of Connect (F57).",
            )

    def _pass_over(self, _header: Header, _body: bytes) -> None:
        pass

    def _failed(self, code: str, what: str, hint: str = _REPORT) -> Failed:
        return Failed(code, f"{self._cursor.where}: {what}", hint=hint)

    # Between transactions.

    def _new_file(self, header: Header, _body: bytes) -> None:
        self._torn()
        self._progress.new_file(header.timestamp)
        self._tables.clear()
        self._forget_maps()

    def _rotate(self, _header: Header, _body: bytes) -> None:
        self._torn()

    def _torn(self) -> None:
        """A file ended inside a transaction: the server crashed there, and the transaction never was."""
        group, self._open = self._open, None
        if group is None:
            return
        if group.ordinal > self.rows - self._finished:
            what = f"the log breaks off inside transaction {group.id}, which was delivered in part"
            raise self._failed("transaction_torn", what, "The server lost it in a crash: start the source anew.")
        self._collected.drop(self._finished)
        if group.held is not None:
            self._prepared.drop(group.held)

    def _gtid(self, header: Header, body: bytes) -> None:
        self._begin_mysql(header, log.parse_gtid(body))

    def _tagged_gtid(self, header: Header, body: bytes) -> None:
        self._begin_mysql(header, log.parse_tagged_gtid(body))

    def _begin_mysql(self, header: Header, event: log.GtidEvent) -> None:
        uuid = self._uuids.get(event.source)
        if uuid is None:
            uuid = self._uuids[event.source] = str(UUID(bytes=event.source))
        gtid = Gtid(f"{uuid}:{event.tag}" if event.tag else uuid, event.number)
        self._begin(header, gtid, event.ts_us)

    def _anonymous(self, header: Header, body: bytes) -> None:
        if self._progress.has_gtids:
            hint = "SET PERSIST gtid_mode = ON; by its steps, or `connect remove SOURCE FILE` and start without GTIDs."
            raise self._failed("gtids_off", "a transaction without a GTID, after a position of GTIDs", hint)
        self._begin(header, None, log.parse_gtid(body).ts_us)

    def _mariadb_gtid(self, header: Header, body: bytes) -> None:
        event = log.parse_mariadb_gtid(body)
        self._begin(header, MariadbGtid(event.domain, header.server_id, event.number), 0)
        group = self._group()
        group.opened, group.void = not event.standalone, event.void
        if event.prepared:
            group.held = self._prepared.begin(group.begin, group.gtid)

    def _begin(self, header: Header, gtid: AnyGtid | None, ts_us: int) -> None:
        self._torn()
        self.last_ts = header.timestamp
        begin = LogPosition(self._cursor.file, header.begin)
        name = gtid if isinstance(gtid, Gtid) and self._by_gtid else begin
        text = None if gtid is None else str(gtid)
        group = self._open = Group(gtid, begin, name, ts_us or header.timestamp * 1_000_000, text)
        group.skip = self._progress.was_delivered(begin)

    def _incident(self, _header: Header, body: bytes) -> None:
        what = f"the server says that its log lacks changes: {log.parse_incident(body)}"
        raise self._failed(
            "incident", what, "Its error log says more. Start the source anew: the tables are read again."
        )

    # Inside a transaction.

    def _group(self) -> Group:
        if self._open is None:
            raise self._failed("protocol", "an event of a transaction without its begin")
        return self._open

    def _query(self, header: Header, body: bytes) -> None:
        group = self._group()
        if body.endswith(_BEGIN):
            group.opened, group.thread = True, int.from_bytes(body[:4], "little")
            return
        query = log.parse_query(body)
        group.thread = query.thread
        match query.sql[:32].upper().split():
            case ["COMMIT"]:
                self._finish(group)
            case ["ROLLBACK"]:
                self._back(group, self._finished, 0)  # what was in it no engine keeps
                self._finish(group)
            case ["ROLLBACK", "TO", *_]:
                self._back_to(group, _savepoint(query.sql))
            case ["SAVEPOINT", *_]:
                taken = self._progress.split is not None
                at = (_TAKEN if taken else self.rows), group.ordinal, group.event
                group.savepoints = {**(group.savepoints or {}), _savepoint(query.sql): at}
            case ["XA", verb, *_]:
                self._xa(group, verb, query)
            case _:
                self._statement(group, query, header)

    def _statement(self, group: Group, query: log.Query, header: Header) -> None:
        if not group.skip and not group.void:
            self._forget_maps()
            effect = self._history.statement(
                query.database, query.sql, query.sql_mode, self._cursor.where, query.databases
            )
            if effect.data:
                self._statement_data(header, b"")
            group.notes = {**(group.notes or {}), **effect.notes}
            self._warnings += [effect.warning] if effect.warning else []
            for shape in effect.truncated:
                self._truncate(group, header, shape)
        if not group.opened:
            self._finish(group)

    def _truncate(self, group: Group, header: Header, shape: RowShape) -> None:
        if self._progress.skips_truncate(group):
            return
        self._cuts[self.rows] = inside(self.position, group)
        self._append(group, header, Op.TRUNCATE, shape, None, None, 0)

    def _statement_data(self, _header: Header, _body: bytes) -> None:
        what = "rows were changed by a statement that the log holds as text, not as rows"
        hint = "SET GLOBAL binlog_format = 'ROW'; and let no session set another one. Then start the source anew (F46)."
        raise self._failed("statement_dml", what, hint)

    def _back_to(self, group: Group, name: str) -> None:
        at = (group.savepoints or {}).get(name)
        if at is None:
            raise self._failed("protocol", "ROLLBACK TO a savepoint that the log does not have")
        changes, ordinal, event = at
        if (
            group.event > event and self._progress.split is None
        ):  # what is being skipped was not delivered the first time
            self._back(group, changes, ordinal)

    def _back(self, group: Group, changes: int, ordinal: int) -> None:
        """Rows that are rolled back in the log itself, where a transaction mixes engines (F71)."""
        if changes == _TAKEN or group.ordinal - ordinal > self.rows - changes:
            what = f"rows of transaction {group.id} were delivered, and the log rolls them back"
            raise self._failed("rolled_back_rows", what, "A transaction so big that mixes engines cannot be followed.")
        self._collected.drop(changes)
        group.ordinal = ordinal

    def _table_map(self, _header: Header, body: bytes) -> None:
        described = body[6:]  # without the id, which changes more often
        if described not in self._maps:
            self._maps[described] = self._history.table_map(body, self._cursor.where)
        table = self._tables[int.from_bytes(body[:6], "little")] = self._maps[described]
        self._collected.learn(body, table)

    def _forget_maps(self) -> None:
        self._maps.clear()
        self._collected.forget_maps()

    def _compressed(self, header: Header, body: bytes) -> None:
        kind, plain = decompressed(header.kind, body, self._cursor.where)
        self._handle(header._replace(kind=kind), plain)

    def _payload(self, header: Header, body: bytes) -> None:
        self._group().inner = True
        self._steps = self._payload_events(header, body)

    def _payload_events(self, header: Header, body: bytes) -> Iterator[None]:
        for timestamp, kind, inner in payload_events(body, self._cursor.where):
            within = header._replace(kind=kind, timestamp=timestamp)
            if kind in _OPS:
                yield from self._changes(within, inner)
                continue
            ours, self._steps = self._steps, None
            self._handle(within, inner)
            yield from self._steps or ()
            self._steps = ours

    def _rows_query(self, header: Header, body: bytes) -> None:
        self._annotation(header, body[1:])  # the first byte is its length, where one byte can hold it

    def _annotation(self, _header: Header, body: bytes) -> None:
        group = self._group()
        group.query, group.common = body.decode(errors="replace"), None

    def _rows(self, header: Header, body: bytes) -> None:
        steps = self._changes(header, body)
        if len(body) > BIG:
            self._steps = steps
            return
        for _ in steps:
            pass

    def _changes(self, header: Header, body: bytes) -> Iterator[None]:
        """The changes of a rows event, collected one by one."""
        group, table_id = self._group(), int.from_bytes(body[:6], "little")
        if table_id == _NO_TABLE or group.skip:
            return
        if table_id not in self._tables:
            raise self._failed("protocol", "rows of a table that the log did not describe before")
        table = self._tables[table_id]
        if group.held is not None:
            if table is not None:
                self._prepared.add(group.held, header._replace(begin=0), table, body)
            return
        yield from self._emit(group, header, table, body)

    def _emit(self, group: Group, header: Header, table: LogTable | None, body: bytes) -> Iterator[None]:
        progress = self._progress
        again = progress.split_before(group)
        if again is None and table is not None:
            count = self._collected.rows(group, header, table, body)
            if count >= 0:
                group.event, group.ordinal = group.event + 1, group.ordinal + count
                yield
                return
        if table is not None and (again is None or not again.log.file or group.event >= again.event):
            op, shape = _OPS[header.kind], table.shape
            size = len(body)
            for row, (before, after) in enumerate(self._decoded(table, header.kind, body)):
                if progress.split is not None and progress.skips_row(group, row, progress.split):
                    continue
                group.row = row + 1
                self._append(group, header, op, shape, before, after, row, size)
                size = 0
                yield
        group.event, group.row = group.event + 1, 0

    def _decoded(self, table: LogTable, kind: int, body: bytes) -> list[tuple[Row | None, Row | None]]:
        try:
            return table.changes(kind, body)
        except Failed as error:
            raise self._failed(error.code, f"{table.shape.schema.table}: {error.message}", error.hint) from None

    def _append(  # noqa: PLR0913, PLR0917 - what a change is made of
        self,
        group: Group,
        header: Header,
        op: Op,
        shape: RowShape,
        before: Row | None,
        after: Row | None,
        row: int,
        size: int = 0,
    ) -> None:
        file, pos = group.begin.file, header.begin
        if group.inner or not pos:  # inner events, and MariaDB's from 11.4 on, have no place of their own (F55)
            pos, row = group.begin.pos, group.ordinal
        source = (shape.schema.table.name, header.server_id, group.text, file, pos, row, group.thread, group.query)
        place = f'["{file}","{pos}"]'
        event = ChangeEvent(op, shape, before, after, source, group.ts_us, group.id, group.ordinal, place)
        self._collected.append(event, size)
        group.ordinal += 1

    # The end of a transaction.

    def _commit(self, _header: Header, _body: bytes) -> None:
        self._finish(self._group())

    def _finish(self, group: Group, prepared: AnyGtid | None = None) -> None:
        """It is whole; ``prepared`` is the GTID of the PREPARE that it ends."""
        self._open = None
        if group.skip:
            return
        self._progress.finish(group, prepared)
        self._finished = self.rows
        if group.notes:
            self._notes.update(group.notes)

    # XA (rule S8): rows come with the PREPARE, and count from the COMMIT on.

    def _xa(self, group: Group, verb: str, query: log.Query) -> None:
        if verb in {"START", "BEGIN"}:
            group.opened = True
            group.held = group.held or self._prepared.begin(group.begin, group.gtid)
        elif verb in {"COMMIT", "ROLLBACK"}:
            self._xa_end(group, log.parse_xid(query.sql.split(None, 2)[2]), commit=verb == "COMMIT")
        elif verb != "END":
            raise self._failed("unknown_event", f"an XA statement {verb}")

    def _xa_prepare(self, _header: Header, body: bytes) -> None:
        group = self._group()
        xid, one_phase = log.parse_xa_prepare(body)
        held, group.held = group.held, None
        if held is None:
            raise self._failed("protocol", "an XA transaction is prepared that did not begin")
        if one_phase:
            self._steps = self._replay_held(group, held, None)
            return
        self._open = None
        if group.skip:
            self._prepared.drop(held)
        else:
            self._prepared.hold(xid, held)

    def _xa_end(self, group: Group, xid: Xid, *, commit: bool) -> None:
        held = self._prepared.release(xid)
        if held is not None and commit:
            self._steps = self._replay_held(group, held, held.gtid)
            return
        if held is not None:
            self._prepared.drop(held)
        elif commit and not group.skip and not self._ends_before_the_start(group):
            raise self._failed(
                "xa_unknown",
                "an XA transaction is committed that was prepared before the source started, so its rows are not known",
                "Start the source anew while XA RECOVER lists nothing.",
            )
        self._finish(group, held.gtid if held is not None else None)

    def _ends_before_the_start(self, group: Group) -> bool:
        before = self._prepared.before
        return before is not None and group.begin.order < before.order

    def _replay_held(self, group: Group, held: Held, prepared: AnyGtid | None) -> Iterator[None]:
        group.inner = True
        for header, table, body in held.events():
            yield from self._emit(group, header, table, body)
        self._prepared.drop(held)
        self._finish(group, prepared)


def _savepoint(sql: str) -> str:
    """Its name as the server compares it, whatever the letters' case."""
    return sql.partition("`")[2].lower()


def _after_taking(group: Group) -> dict[str, tuple[int, int, int]]:
    """The savepoints of a transaction whose changes so far were handed out: only those without any after it hold."""
    return {
        name: (0 if event == group.event else _TAKEN, ordinal, event)
        for name, (_, ordinal, event) in (group.savepoints or {}).items()
    }


def _is_plain(group: Group) -> bool:
    """Whether the rows of a transaction are delivered as they come."""
    return not group.skip and not group.inner and group.held is None
