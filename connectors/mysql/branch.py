"""Whether a stored position lies on the server's branch of history, and nothing after it is gone (S9, S10, F61-F64)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from connect.errors import Failed
from connectors.mysql.gtid import Gtid, GtidSet, GtidState, parse_gtids
from connectors.mysql.moments import owned
from connectors.mysql.position import LogPosition, MysqlPosition
from connectors.mysql.server import log_end, row, rows

if TYPE_CHECKING:
    from connectors.mysql.connection import Connection
    from connectors.mysql.server import Server

_ANEW: Final = "`connect remove SOURCE FILE` and start anew: the tables are read again."
NOWHERE: Final = LogPosition("", 0)
_TRIES: Final = 20


def first_position(connection: Connection, server: Server) -> MysqlPosition:
    """The end of the log now: where a first start begins."""
    if server.is_mariadb:
        return _first_of_mariadb(connection, server)
    end = log_end(connection, server)
    if server.gtids:
        # What commits now is in the log and not yet in the set; where that begins, the stream says.
        return MysqlPosition(server.uuid, NOWHERE, GtidSet.parse(end.gtids))
    return MysqlPosition(server.uuid, LogPosition(end.file, end.pos))


def _first_of_mariadb(connection: Connection, server: Server) -> MysqlPosition:
    """A state, and the log's end between two equal readings of it: the state changes only while the log is written.

    On a server that never rests the stream says where it is. BINLOG_GTID_POS() would tell it, but gives nothing behind
    an event that is larger than max_allowed_packet.
    """
    before = _state(connection)
    for _ in range(_TRIES):
        end = log_end(connection, server)
        after = _state(connection)
        if after == before:
            return MysqlPosition(server.uuid, LogPosition(end.file, end.pos), after)
        before = after
    return MysqlPosition(server.uuid, NOWHERE, before)


def _state(connection: Connection) -> GtidState:
    return GtidState.parse(str(row(connection, "SELECT @@GLOBAL.gtid_binlog_pos")[0]))


def continued(connection: Connection, server: Server, stored: MysqlPosition, connector: str) -> MysqlPosition:
    """The stored position as this server is asked for it: by its own files where they are the same ones.

    Raises:
        Failed: ``wrong_branch``, ``log_reset``, ``log_purged``, ``gtids_off``, ``other_server``, ``other_kind``,
            ``xa_open``.
    """
    if stored.gtids is None:
        _check_files(connection, server, stored, connector)
        return stored
    if isinstance(stored.gtids, GtidState) != server.is_mariadb:
        message = (
            f"{connector}: the position is of {'MySQL' if server.is_mariadb else 'MariaDB'}, and this is {server.name}"
        )
        raise Failed("other_kind", message, hint=_ANEW)
    if isinstance(stored.gtids, GtidSet):
        stored = _check_set(connection, server, stored, stored.gtids, connector)
    else:
        _check_state(connection, server, stored, stored.gtids, connector)
    if server.uuid == stored.server and _has_file(connection, stored.log):
        return stored
    if stored.prepared:
        raise Failed(
            "xa_open",
            f"{connector}: {len(stored.prepared)} XA transactions were open where {stored.server} was left, and their "
            f"place in the log of {server.uuid} is not known",
            hint=f"Go back to that server until they are committed or rolled back, or {_ANEW}",
        )
    return replace(stored, server=server.uuid, log=NOWHERE, file_id="")


def of_host(position: MysqlPosition, server: Server) -> MysqlPosition:
    """The position with what tells this server's files apart: those of another host are none to compare with."""
    made, _, host = position.file_id.partition("@")
    return position if made and host == server.host else replace(position, file_id=f"@{server.host}")


def bytes_behind(connection: Connection, server: Server, here: LogPosition) -> int | None:
    """How much of the log lies after a position; None while the position's file is not known."""
    end = log_end(connection, server)
    if end.file == here.file:
        return max(0, end.pos - here.pos)
    sizes = _sizes(connection)
    if here.file not in sizes:
        return None
    later = sum(size for file, size in sizes.items() if LogPosition(file, 0).order > LogPosition(here.file, 0).order)
    return max(0, sizes[here.file] - here.pos) + later


def _check_set(
    connection: Connection, server: Server, stored: MysqlPosition, gtids: GtidSet, connector: str
) -> MysqlPosition:
    """The position; without what tells its file from another where an emptied log was given its history back."""
    if not server.gtids:
        raise Failed(
            "gtids_off",
            f"{connector}: the position is one of GTIDs, and gtid_mode is {server.gtid_mode} on this server",
            hint=f"SET PERSIST gtid_mode = ON; by its steps, or {_ANEW}",
        )
    # A transaction is owned until it is in the set; asked in this order, none is missed.
    known = GtidSet({}).plus(sorted(owned(connection)))
    executed, purged = (GtidSet.parse(str(text)) for text in row(connection, _EXECUTED))
    delivered = gtids.plus([stored.transaction]) if isinstance(stored.transaction, Gtid) else gtids
    missing = delivered.minus(executed.union(known))
    if missing:
        raise _lacks(server, stored, str(missing), connector)
    gone = purged.minus(gtids)
    if gone:
        raise _purged(server, f"the transactions {gone}", connector)
    if purged.contains(gtids):
        return replace(stored, file_id="")
    if server.uuid == stored.server and _was_cut(connection, server, stored.log):
        raise _lacks(server, stored, f"the log up to {stored.log}", connector)
    return stored


def _was_cut(connection: Connection, server: Server, log: LogPosition) -> bool:
    """Whether the log ends before a place of it: it was reset, and its GTIDs are those of other transactions (F62)."""
    if not log.file:
        return False
    size = _sizes(connection).get(log.file)
    end = log_end(connection, server)
    return LogPosition(end.file, end.pos).order < log.order or (size is not None and size < log.pos)


_EXECUTED: Final = "SELECT @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged"


def _check_state(
    connection: Connection, server: Server, stored: MysqlPosition, gtids: GtidState, connector: str
) -> None:
    """What is purged the server says itself, once it is asked for the log."""
    (text,) = row(connection, "SELECT @@GLOBAL.gtid_binlog_state")
    last: dict[tuple[int, int], int] = {}
    for gtid in parse_gtids(str(text)):
        last[gtid.domain, gtid.server] = max(gtid.number, last.get((gtid.domain, gtid.server), 0))
    missing = [str(gtid) for gtid in gtids if last.get((gtid.domain, gtid.server), 0) < gtid.number]
    if missing:
        raise _lacks(server, stored, ",".join(missing), connector)


def _check_files(connection: Connection, server: Server, stored: MysqlPosition, connector: str) -> None:
    if server.is_mariadb or server.uuid != stored.server:
        raise Failed(
            "other_server",
            f"{connector}: the position is a file of the server {stored.server}, and this is {server.uuid}",
            hint=f"Only GTIDs are the same on two servers (F63): go back to that one, or {_ANEW}",
        )
    for begin in (stored.prepared or (stored.log,))[:1]:
        sizes = _sizes(connection)
        size = sizes.get(begin.file)
        if size is not None and size >= begin.pos:
            continue
        oldest = min(LogPosition(file, 0).order for file in sizes)
        if size is None and begin.order < oldest and _base(begin.file) in map(_base, sizes):
            raise _purged(server, f"the log from {begin} on", connector)
        raise Failed(
            "log_reset",
            f"{connector}: the stored position {begin} is not in the log of {server.name}, which was reset or renamed",
            hint=_ANEW,
        )


def _has_file(connection: Connection, log: LogPosition) -> bool:
    return _sizes(connection).get(log.file, -1) >= log.pos


def _sizes(connection: Connection) -> dict[str, int]:
    return {str(found[0]): int(found[1]) for found in rows(connection, "SHOW BINARY LOGS")}


def _base(file: str) -> str:
    return file.rpartition(".")[0]


def _lacks(server: Server, stored: MysqlPosition, missing: str, connector: str) -> Failed:
    """Delivered, and not there: the same server was reset; another one never had it."""
    if server.uuid == stored.server:
        message = f"{connector}: the log of {server.name} was reset, or lost by a crash what was delivered: {missing}"
        return Failed("log_reset", message, hint=_ANEW)
    return Failed(
        "wrong_branch",
        f"{connector}: the server {server.uuid} does not have what was delivered from {stored.server}: {missing}",
        hint=f"Go back to that server, or to one that has them; after a failover that lost them, {_ANEW}",
    )


def _purged(server: Server, what: str, connector: str) -> Failed:
    return Failed(
        "log_purged",
        f"{connector}: {what} after the stored position are gone from {server.name}: its log was purged",
        hint=f"{_ANEW} Keep the log longer than any stop may last: binlog_expire_logs_seconds (F61).",
    )
