"""Which transactions of the stream a chunk of rows sees, on each kind of server (DESIGN §5).

The stream reader and the snapshots agree on two things.

``ChangeEvent.transaction`` is what ``sees`` is asked about:

- MySQL with gtid_mode=ON: the transaction's ``Gtid``.
- MariaDB (whatever its GTIDs), and MySQL without them: the ``LogPosition`` of the first event of the transaction's
  group, its GTID or anonymous GTID event. It is known before a big transaction ends, and orders as the ends do.
- Rows of an XA transaction carry that of the group with its XA COMMIT, which made them visible.

``MysqlPosition.log`` moves on over what has no rows for us too, DDL and the head of a new file among it: a mark is
where the log ends, whatever is there, and must be reached.

What a database snapshot sees is known in one of three ways.

- MySQL with GTIDs: ``@@gtid_executed`` read before the rows. A transaction joins that set after it has become visible,
  so all of the set is seen; one that is seen and not yet in the set counts as not seen, and its keys are left to the
  stream. Nothing is locked and nothing is written, on a replica neither.
- MariaDB: ``binlog_snapshot_file`` and ``_position`` of START TRANSACTION WITH CONSISTENT SNAPSHOT are that point
  exactly, but for XA COMMIT, which moves it on before its rows are visible (measured: 1 row of 2,446). While one may be
  under way, what lies behind the last point that was sure counts as not seen.
- MySQL without GTIDs, and its tables without a key, where "not in the set" is not exact enough: the table is locked
  against writers for the moment in which the log's end is read and the database snapshot is taken. LOCK TABLES … READ
  waits for the transactions that wrote to the table, until they are visible. The other way, a watermark table, would
  need a right to write and binlog_order_commits=ON, and could not run on a replica.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from connect.errors import Failed
from connectors.mysql.gtid import Gtid, GtidSet
from connectors.mysql.position import LogPosition, MysqlPosition

if TYPE_CHECKING:
    from collections.abc import Hashable

    from connect.api.position import Position


class ExecutedSet(NamedTuple):
    """A database snapshot that sees at least these transactions; on a locked table exactly these."""

    gtids: GtidSet

    def sees(self, transaction: Hashable) -> bool:
        """Whether a transaction of the stream is among them."""
        return isinstance(transaction, Gtid) and transaction in self.gtids

    def to_note(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {"gtids": str(self.gtids)}


class LogPrefix(NamedTuple):
    """A database snapshot that sees exactly what this server's log holds before a position."""

    server: str
    end: LogPosition

    def sees(self, transaction: Hashable) -> bool:
        """Whether a transaction of the stream, known by where it begins, lies before it."""
        return isinstance(transaction, LogPosition) and transaction.order < self.end.order

    def to_note(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {"server": self.server, "file": self.end.file, "pos": self.end.pos}


DatabaseSnapshot = ExecutedSet | LogPrefix


def from_note(note: dict[str, Any], server: str) -> DatabaseSnapshot:
    """The database snapshot of ``to_note``.

    Raises:
        Failed: ``snapshot_other_server``: it is a position in another server's log than that of ``server``.
    """
    if "gtids" in note:
        return ExecutedSet(GtidSet.parse(str(note["gtids"])))
    if note["server"] != server:
        raise Failed(
            "snapshot_other_server",
            f"a table without a key was read from the server {note['server']}, and its log was not passed before"
            f" {server} took over",
            hint="Go back to that server until the source is at the head of its log, or read the table anew.",
        )
    return LogPrefix(server, LogPosition(str(note["file"]), int(note["pos"])))


class LogMark(NamedTuple):
    """The end of a server's log after rows were read: every transaction that they show lies before it."""

    server: str
    end: LogPosition

    def reached(self, position: Position) -> bool:
        """True when the stream of this server has delivered everything before the mark."""
        return (
            isinstance(position, MysqlPosition)
            and position.server == self.server
            and bool(position.log.file)
            and position.log.order >= self.end.order
        )
