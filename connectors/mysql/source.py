"""The MySQL and MariaDB source: checks, then the stream of whole transactions (rules S3, S8-S11, S13, S15)."""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import pymysql

from connect.api.source import Lag, SourceBatch
from connect.errors import Failed, Retriable
from connect.schema.model import Field, Kind, Type
from connectors.mysql.assembler import Assembler
from connectors.mysql.binlog.stream import BinlogStream
from connectors.mysql.branch import NOWHERE, bytes_behind, continued, first_position, of_host
from connectors.mysql.catalog import ServerCatalog, read_tables
from connectors.mysql.config import default_server_id, server_id
from connectors.mysql.connection import account, connect
from connectors.mysql.errors import translate
from connectors.mysql.history import History
from connectors.mysql.position import LogPosition, MysqlPosition
from connectors.mysql.prepared import Prepared, recoverable
from connectors.mysql.server import check_ready, log_end, pause, read_server
from connectors.mysql.snapshots import MysqlSnapshots

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connect.api.position import Position, Resume
    from connect.api.source import SourceContext
    from connectors.mysql.config import MysqlConfig
    from connectors.mysql.connection import Connection
    from connectors.mysql.server import Server
    from connectors.mysql.transactions import Delivery
    from connectors.mysql.visibility import LogMark

MAX_ROWS: Final = 10_000
MAX_BYTES: Final = 8 * 2**20
_LAG_SECONDS: Final = 5.0
_XA_PAUSE: Final = 0.1
XA_NOTE: Final = "mysql:xa"  # the note of where XA transactions may end that were prepared before the first start
_TEXT: Final = Type(Kind.STRING)
_INT32: Final = Type(Kind.INT32)
_INT64: Final = Type(Kind.INT64)


class MysqlSource:
    """``connect.api.Source``. One thread calls it; the stream's thread is its own and joined by ``close``."""

    position = MysqlPosition
    source_fields = (
        Field("table", _TEXT),
        Field("server_id", _INT64, optional=False),
        Field("gtid", _TEXT),
        Field("file", _TEXT, optional=False),
        Field("pos", _INT64, optional=False),
        Field("row", _INT32, optional=False),
        Field("thread", _INT64),
        Field("query", _TEXT),
    )

    def __init__(self, config: MysqlConfig, context: SourceContext) -> None:
        self._config = config
        self._context = context
        self.database = ""  # of each table its own
        self._notes: dict[str, dict[str, Any] | None] = {}
        self._resources = contextlib.ExitStack()
        self._side: Connection | None = None
        self._server: Server | None = None
        self._stream: BinlogStream | None = None
        self._assembler: Assembler | None = None
        self._burst: list[bytes] = []
        self._at = 0  # so many events of the burst were fed
        self._told: MysqlPosition | None = None
        self._told_at = 0.0
        self._mark: LogMark | None = None  # of a snapshot's reader, in another thread, which waits for it
        self._behind: tuple[float, int | None] = (0.0, None)
        self._warned = False

    # Opening: check the source, then stream (invariant 2 did the rest before).

    def open(self, resume: Resume | None) -> MysqlPosition:
        """Check the server and the branch, then stream from the stored position.

        Raises:
            Retriable: ``source_unreachable``, ``stopping``.
            Failed: The codes of ``connectors.mysql.failures``; the position is left as it is.
        """
        try:
            return self._open(resume)
        except pymysql.Error as error:
            raise self._translated(error, "opening the source") from None

    def _open(self, resume: Resume | None) -> MysqlPosition:
        connector = self._context.connector
        side = self._side = self._resources.enter_context(contextlib.closing(connect(self._config, connector)))
        server = self._server = read_server(side)
        check_ready(server, connector)
        self._check_tables(side)
        history = self._history(side, server, resume)
        if resume is not None:
            position = continued(side, server, self._stored(resume.position), connector)
            before = _noted(resume.notes.get(XA_NOTE), server)
        else:
            position, notes = history.first(lambda: first_position(side, server))
            self._notes.update(notes)
            before = self._prepared_before(side, server)
        position = of_host(position, server)
        self._start(server, position, history, before)
        return position

    def _prepared_before(self, side: Connection, server: Server) -> LogPosition | None:
        """Where the log ends once the XA transactions are over that were prepared before the first position.

        Their rows are in no log of ours: they are waited for, so that every snapshot sees them. The end of any other
        that the stream has before that place is as visible.
        """
        left = recoverable(side, server)
        while left:
            self._context.say(f"waits for {len(left)} prepared XA transactions, as XA RECOVER lists them, to end")
            pause(_XA_PAUSE, self._context.stopping)
            left &= recoverable(side, server)
        self._context.say("")
        end = log_end(side, server)
        self._notes[XA_NOTE] = {"server": server.uuid, "file": end.file, "pos": end.pos}
        return LogPosition(end.file, end.pos)

    def _check_tables(self, side: Connection) -> None:
        found = read_tables(side, self._context.tables)
        missing = sorted(str(table) for table in self._context.tables if table not in found)
        if missing:
            raise Failed(
                "table_missing",
                f"{self._context.connector}: the server has no table {', '.join(missing)}, or we may not see it",
                hint="Take it out of the file, create it, or GRANT SELECT on it.",
            )

    def _history(self, side: Connection, server: Server, resume: Resume | None) -> History:
        notes = resume.notes if resume is not None else {}
        return History(self._context.tables, ServerCatalog(side, server, self._here), self._config.types, notes)

    def _here(self) -> LogPosition:
        """Where the event in hand ends."""
        return self._assembler.at if self._assembler is not None else NOWHERE

    def _stored(self, position: Position) -> MysqlPosition:
        return position if isinstance(position, MysqlPosition) else MysqlPosition.from_json(position.to_json())

    def _start(self, server: Server, position: MysqlPosition, history: History, before: LogPosition | None) -> None:
        config, context = self._config, self._context
        stream = BinlogStream(config, context.connector, server.kind)
        self._resources.callback(stream.close)
        prepared = Prepared(context.spool, before)
        self._resources.callback(prepared.close)
        self._assembler = Assembler(
            history, prepared, position, context.connector, by_gtid=server.gtids and not server.is_mariadb
        )
        if config.include_query:
            self._assembler.keep_queries()
        if context.temporary:  # beside a worker of this name, which the server would end for it
            name = uuid.uuid4().hex
            stream.start(position, default_server_id(name, context.connector), name)
        else:
            replica = f"{context.group}/{context.connector}"
            stream.start(position, server_id(config, context.group, context.connector), replica)
        self._stream = stream
        self._told, self._told_at = position, time.monotonic()

    def _translated(self, error: pymysql.Error, doing: str) -> Exception:
        return translate(error, f"{self._context.connector}: {doing}", account=account(self._config))

    # Streaming.

    def read(self, timeout: float) -> SourceBatch | None:
        """Whole transactions up to a bound in rows and bytes; a bigger transaction in parts (rule S4).

        Raises:
            Retriable: The link broke.
            Failed: The log cannot be continued (rule S13).
        """
        try:
            return self._read(timeout)
        except pymysql.Error as error:
            raise self._translated(error, "reading the stream") from None
        except Retriable as error:
            if error.code == "checksum":
                self._damaged(error)
            raise

    def _damaged(self, error: Retriable) -> None:
        """F69: bytes may be damaged on the way once; the same place again is damaged where it lies."""
        place = (self._server.uuid if self._server is not None else "", error.message)
        if place in _DAMAGED:
            hint = "The log is damaged on the server: start the source anew, and look at the server's disk."
            raise Failed("checksum", error.message, hint=hint) from None
        _DAMAGED.add(place)

    def _read(self, timeout: float) -> SourceBatch | None:
        stream, assembler = self._running()
        deadline = time.monotonic() + timeout
        while True:
            self._assemble(assembler)
            if assembler.rows >= MAX_ROWS or assembler.size >= MAX_BYTES:
                return self._batch(assembler.take(split=not assembler.whole))
            due = self._progress_due(assembler)
            wait = 0.0 if assembler.whole or due else max(0.0, deadline - time.monotonic())
            burst = stream.take(wait)
            if burst is not None:
                self._burst, self._at = burst, 0
            elif assembler.whole or due:
                return self._batch(assembler.take())
            elif wait == 0.0 or time.monotonic() >= deadline:
                return None

    def _running(self) -> tuple[BinlogStream, Assembler]:
        if self._stream is None or self._assembler is None:
            raise Retriable(f"{self._context.connector}: the source is not open", code="source_unreachable")
        return self._stream, self._assembler

    def _assemble(self, assembler: Assembler) -> None:
        """Feed what was received until the batch is full or nothing is left."""
        while assembler.rows < MAX_ROWS and assembler.size < MAX_BYTES:
            if assembler.replaying:
                assembler.replay(MAX_ROWS, MAX_BYTES)
                continue
            self._at = assembler.feed_plain(self._burst, self._at, MAX_ROWS, MAX_BYTES)
            if self._at >= len(self._burst):
                self._burst, self._at = [], 0
                return
            if assembler.rows < MAX_ROWS and assembler.size < MAX_BYTES:
                self._at += 1
                assembler.feed(self._burst[self._at - 1])

    def _progress_due(self, assembler: Assembler) -> bool:
        """Whether progress without rows is told: at once where a mark waits for it, else at the heartbeat's period.

        Notes of the start are told at once too: a kill before the first change must not lose them. So is the end of a
        transaction whose last rows went out before it came: until then nobody may read any of them (invariant 9).
        """
        if self._told is None:
            return False
        if self._notes:
            return True
        position, told, mark = assembler.position, self._told, self._mark
        waited_for = mark is not None and mark.reached(position) and not mark.reached(told)
        late = time.monotonic() - self._told_at >= self._config.heartbeat / 1000
        ended = bool(told.ordinal and not position.ordinal)
        return (ended or waited_for or late) and position.is_after(told)

    def _batch(self, delivery: Delivery) -> SourceBatch:
        self._told, self._told_at = delivery.position, time.monotonic()
        notes, self._notes = {**self._notes, **delivery.notes}, {}
        for warning in delivery.warnings:
            self._context.say(warning)
        return SourceBatch(delivery.events, delivery.position, delivery.boundary, notes, delivery.cuts)

    def acknowledge(self, position: Position) -> None:
        """The server keeps its log by its own rules and hears nothing (rule S8)."""

    @property
    def skipped(self) -> int:
        """Rows dropped because they were delivered before this start (rule S11)."""
        return self._assembler.skipped if self._assembler is not None else 0

    def lag(self) -> Lag:
        """Bytes of the log after the position, at most 5 s old; how old the last event is, where behind."""
        side, assembler, server = self._side, self._assembler, self._server
        if side is None or assembler is None or server is None:
            return Lag()
        asked_at, behind = self._behind
        if time.monotonic() - asked_at >= _LAG_SECONDS:
            try:
                behind = bytes_behind(side, server, assembler.position.log)
            except pymysql.Error as error:
                raise self._translated(error, "asking for the log's end") from None
            self._behind = (time.monotonic(), behind)
        seconds = max(0.0, time.time() - assembler.last_ts) if behind and assembler.last_ts else None
        self._warn(server, seconds or 0.0)
        return Lag(bytes=behind, seconds=0.0 if behind == 0 else seconds)

    def _warn(self, server: Server, seconds: float) -> None:
        """F61: nothing pins the log, so being far behind is told in time."""
        late = 0 < server.expire_seconds < seconds * 2
        if late:
            self._context.say(f"{seconds:.0f} s behind a log that the server removes after {server.expire_seconds} s")
        elif self._warned:
            self._context.say("")
        self._warned = late

    def snapshots(self) -> MysqlSnapshots:
        """A reader of table contents over a connection of its own."""
        if self._server is None:
            raise Retriable(f"{self._context.connector}: the source is not open", code="source_unreachable")
        context = self._context
        return MysqlSnapshots(
            self._config,
            context.connector,
            context.tables,
            self._server,
            context.say,
            context.stopping,
            marked=self._wait_for,
        )

    def _wait_for(self, mark: LogMark) -> None:
        self._mark = mark

    def close(self) -> None:
        """End the stream and the connections. Idempotent."""
        self._stream = self._assembler = None
        self._resources.close()


_DAMAGED: Final[set[tuple[str, str]]] = set()  # servers and places whose checksum was wrong, in this process


def _noted(note: Mapping[str, Any] | None, server: Server) -> LogPosition | None:
    if note is None or note["server"] != server.uuid:
        return None
    return LogPosition(str(note["file"]), int(note["pos"]))
