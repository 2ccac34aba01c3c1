"""How far the log was delivered: what a position says, and what a resumed stream skips (rules S1, S4, S8, S11)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connect.errors import Failed
from connectors.mysql.gtid import GtidSet
from connectors.mysql.position import LogPosition, MysqlPosition

if TYPE_CHECKING:
    from connectors.mysql.binlog.cursor import LogCursor
    from connectors.mysql.gtid import AnyGtid
    from connectors.mysql.transactions import Group


class Progress:
    """From a stored position on.

    Attributes:
        split: The stored position while rows of its transaction are still to be skipped; None at other times.
        skipped: Rows dropped because they were delivered before (rule S11).
    """

    def __init__(self, start: MysqlPosition, cursor: LogCursor) -> None:
        """``start`` is the stored position, its ``log`` that of the server that is read; ``cursor`` follows the log."""
        self.split = start if start.transaction is not None else None
        self.skipped = 0
        self._start = start
        self._cursor = cursor
        self._file_ids = {start.log.file: start.file_id}
        self._is_past_start = False  # a transaction was delivered that is new to us
        self._gtids = start.gtids
        self._done: list[AnyGtid] = []  # since ``_gtids`` was made
        self._ts_us = start.ts_us

    @property
    def has_gtids(self) -> bool:
        """Whether the position counts by GTIDs."""
        return self._gtids is not None

    def new_file(self, made: int) -> None:
        """The log's file begins, which was made at ``made``, seconds since 1970 UTC.

        Raises:
            Failed: ``log_reset``. F62: a log that was reset has the same names of files again, and may have grown past
                the stored position.
        """
        start, file = self._start, self._cursor.file
        before, _, host = start.file_id.partition("@")
        if before and file == start.log.file and before != str(made):
            what = f"{file} is not the file of that name in which the stored position {start} lies: the log was reset"
            hint = "`connect remove SOURCE FILE` and start anew: the tables are read again."
            raise Failed("log_reset", f"{self._cursor.where}: {what}", hint=hint)
        self._file_ids = {start.log.file: start.file_id, file: f"{made}@{host}"}

    def was_delivered(self, begin: LogPosition) -> bool:
        """Whether the transaction that begins there is sent again although it was delivered (rule S11).

        Only where an XA transaction was open does the server send again what lies before the position.
        """
        prepared = self._start.prepared
        return bool(prepared) and begin not in prepared and begin.order < self._start.log.order

    def boundary(self, here: LogPosition, prepared: tuple[LogPosition, ...]) -> MysqlPosition:
        """The position after the transactions that were delivered whole; the next one begins ``here``.

        ``prepared``: where open XA transactions begin.
        """
        if self._done and self._gtids is not None:
            self._gtids = self._gtids.plus(self._done)  # type: ignore[arg-type] # both are of the server's kind
            self._done = []
        start = self._start.log
        at = here if here.file and here.order > start.order else start
        # A set of MySQL's has gaps for what is prepared (rule S8).
        prepared = () if isinstance(self._gtids, GtidSet) else prepared
        file_id = self._file_ids.get(at.file, "")
        return MysqlPosition(self._start.server, at, self._gtids, prepared, ts_us=self._ts_us, file_id=file_id)

    def finish(self, group: Group, prepared: AnyGtid | None) -> None:
        """A transaction is whole; ``prepared`` is the GTID of the PREPARE that it ends.

        Raises:
            Failed: ``replay_mismatch``.
        """
        again = self.split_before(group)
        if again is not None:
            if group.ordinal < again.ordinal and (not again.log.file or group.event < again.event):
                raise self._mismatch(group, again)
            self.split = None
        if not self._is_past_start:
            self._pass_start(group)
        # F59: a GTID joins the set when its transaction is whole, not when it begins.
        if prepared is not None:
            self._done.append(prepared)
        if group.gtid is not None:
            self._done.append(group.gtid)
        self._ts_us = group.ts_us

    def _pass_start(self, group: Group) -> None:
        if self._gtids is not None and group.begin.order < self._start.log.order:
            # New to us, and before the position: the log was begun anew, and its GTIDs restored. They alone count.
            self._start = replace(self._start, log=LogPosition("", 0))
        self._is_past_start = True  # and so is all that follows

    # Resuming inside a transaction (rule S4).

    def split_before(self, group: Group) -> MysqlPosition | None:
        """``split``, which must lie inside this transaction.

        Raises:
            Failed: ``replay_mismatch``.
        """
        if self.split is not None and self.split.transaction not in {group.gtid, group.begin}:
            raise self._mismatch(group, self.split)
        return self.split

    def skips_row(self, group: Group, row: int, again: MysqlPosition) -> bool:
        """Whether a row of the transaction's event was delivered before; the first that was not ends the skipping."""
        # By its place in the transaction, whatever tables are captured now; on another server by its number.
        if again.log.file:
            delivered = (group.event, row) < (again.event, again.row)
        else:
            delivered = group.ordinal < again.ordinal
            group.ordinal += delivered
        if delivered:
            self.skipped += 1
        else:
            group.ordinal, self.split = again.ordinal, None
        return delivered

    def skips_truncate(self, group: Group) -> bool:
        """As ``skips_row``, of a TRUNCATE."""
        again = self.split_before(group)
        if again is not None and group.ordinal < again.ordinal:
            group.ordinal += 1
            self.skipped += 1
            return True
        self.split = None
        return False

    def _mismatch(self, group: Group, again: MysqlPosition) -> Failed:
        what = f"the position lies behind row {again.ordinal} of {again.transaction}, but the server sends {group.id}"
        hint = "The log is not the one that was read before: was the server restored or failed over?"
        return Failed("replay_mismatch", f"{self._cursor.where}: {what}", hint=hint)


def inside(boundary: MysqlPosition, group: Group) -> MysqlPosition:
    """The position behind the rows of a transaction so far, of which ``boundary`` is the begin."""
    if not group.ordinal:
        return boundary
    return replace(
        boundary,
        transaction=group.gtid or group.begin,
        event=group.event,
        row=group.row,
        ordinal=group.ordinal,
        ts_us=group.ts_us,
    )
