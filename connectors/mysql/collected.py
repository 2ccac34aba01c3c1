"""The changes that the assembler has and nobody has taken: objects, or the log's own bytes where that is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from connect.compiled import COMPILED
from connectors.mysql.row_image import BIG

if COMPILED:
    from connect.changes_c import Changes
    from connectors.mysql import rows_c

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connect.changes_c import Transaction
    from connect.record import ChangeEvent
    from connectors.mysql.binlog.cursor import Header, LogCursor
    from connectors.mysql.row_image import LogTable
    from connectors.mysql.transactions import Group


def common(group: Group, server_id: int) -> Transaction:
    """What changes of a transaction have in common that this server wrote."""
    if group.common is None or group.written_by != (server_id, group.thread):
        before, after = (server_id, group.text), (group.thread, group.query)
        group.common = rows_c.transaction(group.id, group.ts_us, group.begin.file, before, after)
        group.written_by = server_id, group.thread
    return group.common


class Hooks(NamedTuple):
    """What the compiled lane asks of the assembler.

    Attributes:
        cursor: Follows the log; the lane moves it on.
        begin: A GTID event's header and body → the transaction, or None where its events are not for the lane.
        finish: The XID event of a transaction.
        common: What its changes have in common that a server wrote.
    """

    cursor: LogCursor
    begin: Callable[[Header, bytes], Group | None]
    finish: Callable[[Group], None]
    common: Callable[[Group, int], Transaction] = common


class Collected:
    """Changes in log order.

    Attributes:
        size: Bytes of log that they came in.
    """

    def __init__(self, *, compiled: bool = COMPILED) -> None:
        self.size = 0
        self._lane = rows_c.Lane() if compiled else None
        self._events = self._none()

    def _none(self) -> Any:
        return [] if self._lane is None else Changes(None)

    def __len__(self) -> int:
        return len(self._events)

    def append(self, event: ChangeEvent, size: int) -> None:
        """One change more, of so many bytes."""
        if self._lane is not None:
            self._lane.forget()
        self._events.append(event)
        self.size += size

    def rows(self, group: Group, header: Header, table: LogTable, body: bytes) -> int:
        """The changes of a rows event by compiled code, all or none.

        Returns:
            How many they are; -1 where they have to be appended one by one.
        """
        if self._lane is None or len(body) > BIG:
            return -1
        placed = bool(header.begin) and not group.inner
        pos = header.begin if placed else group.begin.pos
        count = self._lane.take(
            self._events, table, header.kind, body, common(group, header.server_id), pos, placed, group.ordinal
        )
        if count > 0:
            self.size += len(body)
        return count

    def learn(self, body: bytes, table: LogTable | None) -> None:
        """A table map and what it describes: the same bytes mean the same until ``forget_maps``."""
        if self._lane is not None:
            self._lane.learn(int.from_bytes(body[:6], "little"), body, table)

    def keep_queries(self) -> None:
        """Leave the texts of statements to the assembler."""
        if self._lane is not None:
            self._lane.queries = True

    def forget_maps(self) -> None:
        """Tables may have changed, or their numbers."""
        if self._lane is not None:
            self._lane.forget_maps()

    def run(self, hooks: Hooks, group: Group | None, events: list[bytes], at: int, rows: int, size: int) -> int:
        """Take events from ``at`` on by compiled code, until one is special or so many rows or bytes are there.

        Returns:
            The index of the first event that was not taken.
        """
        lane = self._lane
        if lane is None:
            return at
        lane.size = self.size
        try:
            return lane.run(hooks, group, events, at, self._events, rows, size)
        finally:
            self.size = lane.size

    def take(self, end: int) -> Sequence[ChangeEvent]:
        """The changes before ``end``, which are then nobody's here."""
        taken: Sequence[ChangeEvent] = self._events
        self._events = self._cut(end)
        if not self._events:
            self.size = 0
        return taken if self._lane is not None else taken[:end]

    def drop(self, start: int) -> None:
        """Forget the changes from ``start`` on."""
        if self._lane is None:
            del self._events[start:]
        else:
            self._lane.forget()
            self._events.cut(start)

    def _cut(self, end: int) -> Any:
        """The changes from ``end`` on; of compiled ones the others stay where they were."""
        if end == len(self._events):
            return self._none()
        return self._events[end:] if self._lane is None else self._events.cut(end)
