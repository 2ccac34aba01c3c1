"""A transaction of the log while it is delivered, and what is handed out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connect.changes_c import Transaction
    from connect.record import ChangeEvent
    from connectors.mysql.gtid import AnyGtid
    from connectors.mysql.position import LogPosition, MysqlPosition
    from connectors.mysql.prepared import Held


@dataclass(slots=True)
class Group:
    """The transaction that is being delivered; it is known to have committed, or to be prepared.

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
    opened: bool = False
    skip: bool = False
    void: bool = False
    held: Held | None = None
    inner: bool = False
    thread: int | None = None
    query: str | None = None
    event: int = 0
    row: int = 0
    ordinal: int = 0
    notes: dict[str, dict[str, Any] | None] | None = None
    savepoints: dict[str, tuple[int, int, int]] | None = None
    common: Transaction | None = None
    written_by: tuple[int, int | None] | None = None


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
