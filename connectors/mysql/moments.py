"""Database snapshots to read rows in, and what each of them sees (DESIGN §5; see ``visibility`` for the three ways)."""

from __future__ import annotations

import contextlib
import itertools
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import pymysql
from pymysql.constants import ER

from connectors.mysql.gtid import Gtid, GtidSet
from connectors.mysql.position import LogPosition
from connectors.mysql.quoting import quoted
from connectors.mysql.server import LogEnd, log_end, pause, row, rows
from connectors.mysql.visibility import DatabaseSnapshot, ExecutedSet, LogPrefix

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterator, Sequence

    from connect.schema.model import TableId
    from connectors.mysql.connection import Connection
    from connectors.mysql.server import Server

_LOCK_TURNS: Final[Sequence[tuple[float, float]]] = (  # seconds in which a lock is waited for, and of pause after them
    (0.1, 0.05),
    (0.2, 0.1),
    (0.4, 0.2),
    (0.8, 0.4),
    (1.0, 1.5),
)
_SAID_FROM: Final = 3  # turns
_VISIBLE_PAUSE: Final = 0.01
_XA_SECONDS: Final = 1.0
_DENIED: Final = frozenset({1227, 1401})


class Moment(NamedTuple):
    """What a transaction just begun sees.

    Attributes:
        snapshot: By which a transaction of the stream is known to be seen.
        log: Where the log ended, for ``source.file`` and ``source.pos``.
        ts_us: When it began, by the server's clock, microseconds since 1970 UTC.
    """

    snapshot: DatabaseSnapshot
    log: LogPosition
    ts_us: int


def begin(connection: Connection, server: Server, table: TableId) -> Moment:
    """Begin a transaction for one SELECT of a table with a key; its definition stays as it is until the end (N5).

    For MySQL with GTIDs only; without them, and on MariaDB, the two below.
    """
    connection.query("START TRANSACTION READ ONLY")  # at READ COMMITTED: each statement has a snapshot of its own
    hold(connection, table)
    ts_us = _now(connection)
    end = log_end(connection, server)  # before the rows
    return Moment(ExecutedSet(GtidSet.parse(end.gtids)), _position(end), ts_us)


@contextlib.contextmanager
def locked(
    locker: Connection, control: Connection, table: TableId, say: Callable[[str], None], stopping: Callable[[], bool]
) -> Iterator[None]:
    """Keep writers out of a table: whatever wrote to it before is visible then, and nothing else is under way.

    Writers queue up behind a lock that is waited for. So turns are short (F80), and followed by pauses.
    """
    said = False
    for turn, (seconds, rest) in enumerate(itertools.chain(_LOCK_TURNS, itertools.repeat(_LOCK_TURNS[-1])), 1):
        if _lock(locker, control, table, seconds):
            break
        if turn == _SAID_FROM:
            say(f"snapshot of {table} waits for transactions that have written to it and are still open")
            said = True
        pause(rest, stopping)
    try:
        if said:
            say("")
        yield
    finally:
        if locker.open:
            locker.query("UNLOCK TABLES")


def _lock(locker: Connection, control: Connection, table: TableId, seconds: float) -> bool:
    """One turn; the shortest time limit that the server knows is a second, so it is ended from outside."""
    locker.begin_query(f"LOCK TABLES {quoted(table)} READ")
    if not locker.answers(seconds):
        control.query(f"KILL QUERY {locker.thread_id()}")
    try:
        locker.end_query()
    except pymysql.OperationalError as error:
        if error.args[0] in {ER.LOCK_WAIT_TIMEOUT, ER.QUERY_INTERRUPTED}:
            return False
        raise
    return True


def begin_locked(connection: Connection, locker: Connection, server: Server) -> Moment:
    """Begin a transaction that sees of the table, which ``locker`` has locked, exactly what the log holds."""
    _begin_consistent(connection)
    ts_us = _now(connection)
    end = log_end(locker, server)
    if server.gtids and not server.is_mariadb:
        return Moment(ExecutedSet(GtidSet.parse(end.gtids)), _position(end), ts_us)
    return Moment(LogPrefix(server.uuid, _position(end)), _position(end), ts_us)


def begin_at_position(connection: Connection, server: Server) -> tuple[Moment, bool]:
    """Begin a transaction of MariaDB, which says where in the log its snapshot lies.

    Returns:
        What it sees, and whether that is surely so: XA COMMIT alone moves the position on before its rows are visible.
        Nobody was at one where none is prepared before, and none has begun meanwhile.
    """
    commits, prepared = _xa_commits(connection), _prepared(connection)
    _begin_consistent(connection)
    found = dict(rows(connection, "SHOW SESSION STATUS LIKE 'binlog_snapshot_%'"))
    by_name = {str(key).lower(): str(value) for key, value in found.items()}
    position = LogPosition(by_name["binlog_snapshot_file"], int(by_name["binlog_snapshot_position"]))
    sure = not prepared and _xa_commits(connection) == commits
    return Moment(LogPrefix(server.uuid, position), position, _now(connection)), sure


def _xa_commits(connection: Connection) -> str:
    """How many XA COMMIT statements have begun, of all sessions."""
    return str(row(connection, "SHOW GLOBAL STATUS LIKE 'Com_xa_commit'")[1])


def _prepared(connection: Connection) -> bool:
    """Whether an XA transaction is prepared, those being committed included; True where we may not ask."""
    try:
        return bool(rows(connection, "XA RECOVER"))
    except pymysql.Error as error:
        if error.args[0] in _DENIED:
            return True
        raise


def _begin_consistent(connection: Connection) -> None:
    connection.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    connection.query("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")


def hold(connection: Connection, table: TableId) -> None:
    """Keep a table's definition as it is until the end of the transaction (N5)."""
    connection.query(f"SELECT 1 FROM {quoted(table)} LIMIT 0")  # noqa: S608 - quoted


def owned(connection: Connection) -> set[Gtid]:
    """MySQL's transactions between their place in the log and their visibility, and some before."""
    return set(_owners(connection))


def _owners(connection: Connection) -> dict[Gtid, int]:
    """Those transactions and the sessions that have them: ``uuid:5#17:6#18``; a tag makes a source of its own."""
    (text,) = row(connection, "SELECT @@GLOBAL.gtid_owned")
    found: dict[Gtid, int] = {}
    for part in str(text).replace("\n", "").lower().split(","):
        source, *pieces = part.strip().split(":")
        for piece in pieces:
            number, _, session = piece.partition("#")
            if number.isdigit():
                found[Gtid(source, int(number))] = int(session)
            else:
                source = f"{source[:36]}:{number}"
    return found


def whose(connection: Connection, transactions: Collection[Hashable]) -> str:
    """Whom MySQL's transactions belong to that are logged and not yet visible; "" where there is none.

    An account without PROCESS sees the sessions' numbers only.
    """
    owners = _owners(connection)
    sessions = sorted({owners[one] for one in transactions if isinstance(one, Gtid) and one in owners})
    if not sessions:
        return ""
    listed = ", ".join(map(str, sessions))
    query = (
        f"SELECT ID, USER, TIME, STATE FROM information_schema.PROCESSLIST WHERE ID IN ({listed}) ORDER BY TIME DESC"  # noqa: S608 - numbers
    )
    found = rows(connection, query)
    more = f", and {len(sessions) - 1} more" if sessions[1:] else ""
    if not found:
        return f"the commit of session {sessions[0]}{more}"
    session, user, seconds, state = found[0]
    doing = f" ({state})" if state else ""
    return f"the commit of session {session} of {user}, for {seconds} s{doing}{more}"


def wait_until_visible(connection: Connection, server: Server, stopping: Callable[[], bool]) -> None:
    """MariaDB: wait until everything that is in the log now is visible.

    An XA transaction that is prepared may be one that is being committed, or stay for days: from when its place in the
    log is passed, which waits for replicas too, its commit is given a second.
    """
    end, passed_at = _position(log_end(connection, server)), None
    while True:
        moment, sure = begin_at_position(connection, server)
        connection.query("ROLLBACK")
        if moment.log.order >= end.order:
            passed_at = passed_at or time.monotonic()
            if sure or time.monotonic() - passed_at > _XA_SECONDS:
                return
        pause(_VISIBLE_PAUSE, stopping)


def _position(end: LogEnd) -> LogPosition:
    return LogPosition(end.file, end.pos)


def _now(connection: Connection) -> int:
    (now,) = row(connection, "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED)")
    return int(now)
