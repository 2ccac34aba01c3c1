"""Messages of the stream → events of whole transactions in commit order, with the position after them (S1, S4, S11)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connect.compiled import COMPILED
from connect.errors import Failed
from connect.record import ChangeEvent, Op, Row
from connectors.postgres import tuples
from connectors.postgres.pgoutput import (
    Begin,
    Commit,
    Delete,
    Insert,
    LogicalMessage,
    Message,
    Origin,
    Relation,
    StreamAbort,
    StreamCommit,
    StreamStart,
    StreamStop,
    Truncate,
    TypeMessage,
    Update,
    garbage,
    parse,
)
from connectors.postgres.position import format_lsn
from connectors.postgres.tuples import fill_unchanged, key_only

if COMPILED:
    from connect.changes_c import Changes
    from connectors.postgres import stream_c

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.postgres.position import PostgresPosition
    from connectors.postgres.relations import Relations, Tracked
    from connectors.postgres.spool import TransactionSpool

_LSN: Final = struct.Struct(">Q").unpack_from
_XID: Final = struct.Struct(">I").unpack_from
_KEEPALIVE_SIZE: Final = 18
_HEADER: Final = 25  # 'w', start, end and time of the XLogData message
_XID_END: Final = 5  # the letter and the xid of a message in a stream block
_OF_A_TRANSACTION: Final = b"IUDTM"  # in a stream block they carry the (sub-)transaction's xid
_SHAPES: Final = b"RY"  # they too; but they outlive the sub-transaction that they came with
_ORIGIN: Final = ord("O")  # has no xid


@dataclass(slots=True)
class OpenTransaction:
    """The transaction whose rows are being delivered; its commit is known to have happened.

    Attributes:
        xid: Of the top-level transaction.
        ts_us: Commit time, microseconds since 1970 UTC.
        skip: It was delivered before (rule S11).
        ordinal: Rows so far, those of tables that are not captured included, so that a change of the file does not
            shift them.
        row_lsn: LSN of the last row.
        origin: Name and commit LSN where it was replicated from.
    """

    xid: int
    ts_us: int
    skip: bool
    ordinal: int = 0
    row_lsn: int = 0
    origin: str | None = None
    origin_lsn: int | None = None


class Delivery(NamedTuple):
    """Events to hand out and the position after them; ``boundary`` is False inside a transaction (rule S4).

    ``cuts``: index of each TRUNCATE → the position before it.
    """

    events: Sequence[ChangeEvent]
    position: PostgresPosition
    boundary: bool
    cuts: dict[int, PostgresPosition]


class Assembler:
    """Fed with CopyData payloads in the order of the stream; collects events until they are taken.

    Attributes:
        skipped: Rows dropped because they were delivered before (rule S11).
        marked: A mark of our own passed since the last ``take``: progress should be told at once.
    """

    def __init__(
        self,
        relations: Relations,
        spool: TransactionSpool,
        start: PostgresPosition,
        own_prefix: str,
        *,
        compiled: bool = COMPILED,
    ) -> None:
        """``start`` is the stored position; ``own_prefix`` that of our marks, which are nobody's events (F45)."""
        self.skipped = 0
        self.marked = False
        self._relations = relations
        self._spool = spool
        self._start = start
        self._own_prefix = own_prefix
        self._position = start
        self._again = start.ordinal  # rows of the next transaction with rows that were delivered before
        self._open: OpenTransaction | None = None
        self._block: int | None = None  # xid of the stream block that we are in
        self._streamed: set[int] = set()  # streamed transactions still in progress
        self._replay: Iterator[Sequence[bytes]] | None = None
        self._replay_end = 0
        self._burst: Sequence[bytes] = ()  # of the spool, taken before ``_at``
        self._at = 0
        self._lane = stream_c.Lane(relations, start.lsn) if compiled else None
        self._events = self._no_events()
        self._cuts: dict[int, PostgresPosition] = {}
        self._finished = 0  # so many of the events belong to whole transactions
        self._size = 0
        self._finished_size = 0

    @property
    def position(self) -> PostgresPosition:
        """Every transaction before it was delivered whole, and its ``ordinal`` rows of the next."""
        return self._position

    @property
    def replaying(self) -> bool:
        """A streamed transaction committed and its rows come from the spool: call ``replay`` before ``feed``."""
        return self._replay is not None

    @property
    def rows(self) -> int:
        """Events collected."""
        return len(self._events)

    @property
    def size(self) -> int:
        """Bytes of the messages of the events collected."""
        return self._size

    @property
    def held(self) -> int:
        """Bytes that the events collected keep in memory; 0 where each has bytes of its own, as ``size`` says."""
        return 0 if self._lane is None else self._events.held

    @property
    def whole(self) -> bool:
        """Whether events of whole transactions can be taken."""
        return self._finished > 0

    def take(self, *, split: bool = False) -> Delivery:
        """The events of whole transactions; with ``split`` also those of the open one (S4, invariant 9)."""
        self.marked = False
        if split and self._open is not None:
            self._position = self._inside(self._open)
            self._finished, self._finished_size = len(self._events), self._size
        end, self._finished = self._finished, 0
        events, self._events = self._cut(end)
        cuts = {index: position for index, position in self._cuts.items() if index < end}
        self._cuts = {index - end: position for index, position in self._cuts.items() if index >= end}
        self._size, self._finished_size = self._size - self._finished_size, 0
        return Delivery(events, self._position, not self._position.ordinal, cuts)

    def _no_events(self) -> Any:
        """A list of events, or its compiled twin."""
        return [] if self._lane is None else Changes(tuples)

    def _cut(self, end: int) -> tuple[Any, Any]:
        """The events before ``end``, and the others."""
        if end == len(self._events):
            return self._events, self._no_events()
        if self._lane is None:
            return self._events[:end], self._events[end:]
        rest = self._events.cut(end)
        return self._events, rest

    def _inside(self, tx: OpenTransaction) -> PostgresPosition:
        if tx.skip or tx.ordinal <= self._again:
            return self._position
        return replace(self._position, ordinal=tx.ordinal, row_lsn=tx.row_lsn, tx_id=tx.xid, ts_usec=tx.ts_us)

    def feed_plain(self, burst: Sequence[bytes], at: int, rows: int, size: int) -> int:
        """Take payloads of a burst from ``at`` on by the compiled lane, until one needs ``feed`` or the batch is full.

        Returns:
            The index of the first payload that was not taken; always ``at`` where nothing is compiled.
        """
        lane = self._lane
        if lane is None or self._again or self._block is not None or not isinstance(burst, stream_c.Burst):
            return at
        lane.open, lane.lsn, lane.size = self._open, self._position.lsn, self._size
        lane.finished, lane.finished_size = self._finished, self._finished_size
        at = lane.run(burst, at, self._events, rows, size)
        self._open, self._size = lane.open, lane.size
        self._finished, self._finished_size = lane.finished, lane.finished_size
        self._advance(lane.lsn)
        if lane.last is not None:
            tx_id, ts_us = lane.last.xid, lane.last.ts_us
            self._position = replace(self._position, ordinal=0, row_lsn=0, tx_id=tx_id, ts_usec=ts_us)
        return at

    def feed(self, payload: bytes) -> None:
        """One CopyData payload: a keepalive or a message.

        Raises:
            Failed: What is not understood (rule S13), ``replay_mismatch``, the codes of ``Relations``.
        """
        if payload[:1] == b"k" and len(payload) == _KEEPALIVE_SIZE:
            self._keepalive(_LSN(payload, 1)[0])
            return
        if payload[:1] != b"w" or len(payload) <= _HEADER:
            raise garbage(f"a payload {payload[:1]!r} of {len(payload)} bytes")
        if self._lane is not None:
            self._lane.forget()
        lsn, data = _LSN(payload, 1)[0], payload[_HEADER:]
        if self._block is not None and data[0] in _OF_A_TRANSACTION:
            if len(data) < _XID_END:
                raise garbage(f"a message {data[:1]!r} of {len(data)} bytes in a stream block")
            self._spool.append(self._block, _XID(data, 1)[0], lsn, data[:1] + data[_XID_END:])
        elif self._block is not None and data[0] in _SHAPES:
            self._spool.append(self._block, self._block, lsn, data[:1] + data[_XID_END:])
        elif self._block is not None and data[0] == _ORIGIN:
            self._spool.append(self._block, self._block, lsn, data)
        else:
            self._handle(lsn, parse(data, streaming=self._block is not None), len(data))

    def replay(self, rows: int, size: int, held: int) -> None:
        """Go on with the streamed transaction that committed, until so many rows or bytes are collected or held."""
        while self._replay is not None and self.rows < rows and self._size < size and self.held < held:
            if self._at >= len(self._burst):
                self._next_spooled()
                continue
            at = self._at = self.feed_plain(self._burst, self._at, rows, size)
            if at < len(self._burst) and self.rows < rows and self._size < size:
                self._feed_spooled(self._burst[at])
                self._at += 1

    def _next_spooled(self) -> None:
        """The next burst of the spool; at its end the transaction is whole."""
        assert self._replay is not None  # noqa: S101 - while it is replayed
        self._burst, self._at = next(self._replay, ()), 0
        if not self._burst:
            self._replay = None
            if self._open is not None:
                self._spool.discard(self._open.xid)
            self._finish(self._replay_end)

    def _feed_spooled(self, payload: bytes) -> None:
        """What the compiled lane leaves to Python; the xid of messages in a stream block was cut out."""
        if self._lane is not None:
            self._lane.forget()
        data = payload[_HEADER:]
        self._handle(_LSN(payload, 1)[0], parse(data, streaming=False), len(data))

    def _handle(self, lsn: int, message: Message, size: int) -> None:
        before = len(self._events)
        match message:
            case Insert() | Update() | Delete() | Truncate():
                self._change(lsn, message)
            case Relation():
                self._relations.learn(message)
            case TypeMessage():
                self._relations.learn_type(message)
            case LogicalMessage():
                # Messages of others are not captured; they only move the position, as any transaction does (F10).
                self.marked |= message.prefix == self._own_prefix
            case _:
                self._boundary(message)
        if len(self._events) > before:
            self._size += size

    def _boundary(
        self, message: Begin | Commit | Origin | StreamStart | StreamStop | StreamCommit | StreamAbort
    ) -> None:
        match message:
            case Begin():
                self._open = self._opened(message.xid, message.final_lsn, message.ts_us)
            case Commit():
                self._finish(message.end_lsn)
            case Origin():
                self._origin(message)
            case StreamStart():
                self._block = message.xid
                self._streamed.add(message.xid)
            case StreamStop():
                self._block = None
            case StreamCommit():
                self._stream_commit(message)
            case StreamAbort():
                self._stream_abort(message)

    def _change(self, lsn: int, message: Insert | Update | Delete | Truncate) -> None:
        match message:
            case Insert():
                self._insert(lsn, message)
            case Update():
                self._update(lsn, message)
            case Delete():
                self._delete(lsn, message)
            case Truncate():
                self._truncate(lsn, message)

    def _keepalive(self, wal_end: int) -> None:
        # Rule S6: with nothing open, everything that committed before wal_end was delivered before this keepalive.
        if self._open is None and not self._streamed:
            self._advance(wal_end)

    def _advance(self, lsn: int) -> None:
        if lsn > self._position.lsn:
            self._position = replace(self._position, lsn=lsn)

    # Transactions.

    def _opened(self, xid: int, commit_lsn: int, ts_us: int) -> OpenTransaction:
        # Rule S11. A commit record that starts before the stored boundary also ends before or at it.
        skip = commit_lsn < self._start.lsn
        return OpenTransaction(xid, ts_us, skip) if self._lane is None else stream_c.OpenTransaction(xid, ts_us, skip)

    def _finish(self, end_lsn: int) -> None:
        tx, self._open = self._open, None
        if tx is None:
            raise Failed("protocol", "the replication stream carries a commit without a begin")
        if tx.skip:
            return
        if not tx.ordinal:  # no rows: what was delivered of the next transaction with rows still is
            self._advance(end_lsn)
            return
        if tx.ordinal < self._again:
            raise self._mismatch(tx)
        self._again = 0
        self._finished, self._finished_size = len(self._events), self._size
        self._position = replace(self._position, lsn=end_lsn, ordinal=0, row_lsn=0, tx_id=tx.xid, ts_usec=tx.ts_us)

    def _origin(self, message: Origin) -> None:
        if self._open is not None:
            self._open.origin, self._open.origin_lsn = message.name, message.lsn

    def _stream_commit(self, message: StreamCommit) -> None:
        self._streamed.discard(message.xid)
        tx = self._opened(message.xid, message.commit_lsn, message.ts_us)
        self._open = tx
        if tx.skip:
            self._learn_from(message.xid)
            self._spool.discard(message.xid)
            self._finish(message.end_lsn)
            return
        self._replay = self._spool.replay(message.xid)
        self._replay_end = message.end_lsn

    def _learn_from(self, xid: int) -> None:
        """The server takes the shapes of a skipped transaction as known: later rows rely on them."""
        for payload in chain.from_iterable(self._spool.replay(xid)):
            message = parse(payload[_HEADER:], streaming=False)
            self.skipped += isinstance(message, Insert | Update | Delete)
            if isinstance(message, Relation | TypeMessage):
                self._handle(_LSN(payload, 1)[0], message, len(payload))

    def _stream_abort(self, message: StreamAbort) -> None:
        if message.subxid != message.xid:
            self._spool.abort(message.xid, message.subxid)
            return
        self._streamed.discard(message.xid)
        self._spool.discard(message.xid)

    # What is inside them.

    def _insert(self, lsn: int, message: Insert) -> None:
        tracked, tx = self._row(message.oid, lsn)
        if tx is not None and tracked.shape is not None:
            self._emit(Op.CREATE, tracked, tx, lsn, None, Row(tracked.shape, message.new))

    def _update(self, lsn: int, message: Update) -> None:
        tracked, tx = self._row(message.oid, lsn)
        shape = tracked.shape
        if tx is None or shape is None:
            return
        before, new = None, message.new
        if message.old is not None:
            whole = message.old_kind == "O"
            before = Row(shape, message.old if whole else key_only(message.old, tracked.key_flags))
            if whole and tracked.toastable:
                new = fill_unchanged(new, message.old)
        self._emit(Op.UPDATE, tracked, tx, lsn, before, Row(shape, new))

    def _delete(self, lsn: int, message: Delete) -> None:
        tracked, tx = self._row(message.oid, lsn)
        if tx is None or tracked.shape is None:
            return
        old = message.old if message.old_kind == "O" else key_only(message.old, tracked.key_flags)
        self._emit(Op.DELETE, tracked, tx, lsn, Row(tracked.shape, old), None)

    def _truncate(self, lsn: int, message: Truncate) -> None:
        for oid in message.oids:
            before = self._inside(self._open) if self._open is not None else self._position
            tracked, tx = self._row(oid, lsn)
            if tx is not None and tracked.shape is not None:
                self._cuts[len(self._events)] = before
                self._emit(Op.TRUNCATE, tracked, tx, lsn, None, None)

    def _row(self, oid: int, lsn: int) -> tuple[Tracked, OpenTransaction | None]:
        """Count a row; without a transaction: it was delivered before."""
        tracked, tx = self._relations[oid], self._open
        if tx is None:
            raise Failed("protocol", "the replication stream carries a row outside of a transaction")
        tx.ordinal += 1
        tx.row_lsn = lsn
        if not tx.skip and tx.ordinal > self._again:
            return tracked, tx
        self.skipped += 1
        if not tx.skip and tx.ordinal == self._again and (tx.xid, lsn) != (self._start.tx_id, self._start.row_lsn):
            raise self._mismatch(tx)
        return tracked, None

    def _mismatch(self, tx: OpenTransaction) -> Failed:
        start = self._start
        return Failed(
            "replay_mismatch",
            f"the position lies behind row {start.ordinal} of transaction {start.tx_id} at "
            f"{format_lsn(start.row_lsn)}, but the server sends transaction {tx.xid}, row {tx.ordinal} at "
            f"{format_lsn(tx.row_lsn)}",
            hint="The log is not the one that was read before: was the server restored or failed over?",
        )

    def _emit(
        self, op: Op, tracked: Tracked, tx: OpenTransaction, lsn: int, before: Row | None, after: Row | None
    ) -> None:
        if tracked.enums and after is not None:
            after = self._relations.with_new_labels(tracked, after)
            before = before.under(after.shape) if before is not None else None
        table = tracked.table
        self._events.append(
            ChangeEvent(
                op,
                after.shape if after is not None else tracked.shape,  # type: ignore[arg-type]
                before,
                after,
                (table.schema, table.name, tx.xid, lsn, None, tx.origin, tx.origin_lsn),
                tx.ts_us,
                tx.xid,
                tx.ordinal - 1,
                f'["{self._position.lsn}","{lsn}"]',
            )
        )
