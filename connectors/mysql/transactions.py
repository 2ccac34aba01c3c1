"""A transaction of the log while it is delivered, and what is handed out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connect.changes_c import Transaction
    from connect.record import ChangeEvent
    from connectors.mysql.gtid import AnyGtid
    from connectors.mysql.position import LogPosition, MysqlPosition
    from connectors.mysql.prepared import Held


@dataclass
class Group:
    """The transaction that is being delivered; it is known to have committed, or to be prepared.

    Most transactions are of few rows: what is as by default costs nothing, being no part of ``__init__`` or of slots.

    Attributes:
        gtid: Its GTID, None for an anonymous one.
        begin: Where it begins in the log.
        id: What ``ChangeEvent.transaction`` says: the GTID on MySQL, else where it begins (see ``visibility``).
        ts_us: When it committed.
        text: The GTID as the source block has it.
        opened: BEGIN was seen, so a COMMIT will follow; without it the one statement is all.
        skip: It was delivered before (rule S11).
        void: Its statement did nothing.
        held: The rows of an XA transaction, whose end is not known yet.
        inner: Its events have no places of their own: where it begins and a running number name a row.
        thread: Of the session that wrote it, where the log says so.
        query: The statement that its rows are of, where that is asked for.
        event: Whole row events so far, those of tables that are not captured included.
        row: Rows so far of the one that is being handed on.
        ordinal: Rows of captured tables so far.
        notes: Of its statements; they ride with the position after it.
        savepoints: Name → number of changes collected, of rows, and of row events.
        common: What its changes have in common, for the compiled lane; of the server and thread ``written_by``.
    """

    gtid: AnyGtid | None
    begin: LogPosition
    id: AnyGtid | LogPosition
    ts_us: int
    text: str | None
    opened: bool = field(default=False, init=False)
    skip: bool = field(default=False, init=False)
    void: bool = field(default=False, init=False)
    held: Held | None = field(default=None, init=False)
    inner: bool = field(default=False, init=False)
    thread: int | None = field(default=None, init=False)
    query: str | None = field(default=None, init=False)
    event: int = field(default=0, init=False)
    row: int = field(default=0, init=False)
    ordinal: int = field(default=0, init=False)
    notes: dict[str, dict[str, Any] | None] | None = field(default=None, init=False)
    savepoints: dict[str, tuple[int, int, int]] | None = field(default=None, init=False)
    common: Transaction | None = field(default=None, init=False)
    written_by: tuple[int, int | None] | None = field(default=None, init=False)


class Delivery(NamedTuple):
    """Changes to hand out, the position after them and the notes that ride with it.

    ``cuts``: index of each TRUNCATE → the position before it. ``warnings``: what an operator should hear.
    """

    events: Sequence[ChangeEvent]
    position: MysqlPosition
    boundary: bool
    notes: dict[str, dict[str, Any] | None]
    cuts: dict[int, MysqlPosition]
    warnings: list[str]
