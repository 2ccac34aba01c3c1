"""What the server says of itself: its kind, who it is, how its log is written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from connect.errors import Failed, Retriable
from connectors.mysql.connection import server_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connectors.mysql.connection import Connection


@dataclass(frozen=True, slots=True)
class Server:
    """One server.

    Attributes:
        kind: Which of the two.
        version: Its numbers, ``(9, 7, 4)``.
        version_text: As it prints it.
        uuid: MySQL's ``server_uuid``; MariaDB has none that replication knows, so it is its ``server_id``.
        server_id: Of the server itself; 0 lets no replica connect.
        log_bin: Whether it writes a binary log.
        binlog_format: ``ROW``, ``MIXED`` or ``STATEMENT``.
        row_image: ``binlog_row_image``: FULL, MINIMAL, NOBLOB (and MariaDB's FULL_NODUP).
        row_metadata: ``binlog_row_metadata``: FULL, MINIMAL (and MariaDB's NO_LOG).
        row_value_options: MySQL's ``binlog_row_value_options``: PARTIAL_JSON or "".
        checksum: ``binlog_checksum``: CRC32 or NONE.
        gtids: Whether every transaction has a GTID: gtid_mode=ON on MySQL, always on MariaDB.
        gtid_mode: MySQL's setting as it is; ON on MariaDB.
        replica_updates: Whether what it replicates from another server is in its own log.
        read_only: Whether ordinary accounts may not write.
        expire_seconds: Age at which its log's files are removed; 0 for never.
        lower_case_names: ``lower_case_table_names``: 0 where the letters' case of table names counts.
        host: Its host's name and port on MariaDB, where servers of one cluster may share their id; "" on MySQL.
    """

    kind: Literal["mysql", "mariadb"]
    version: tuple[int, ...]
    version_text: str
    uuid: str
    server_id: int
    log_bin: bool
    binlog_format: str
    row_image: str
    row_metadata: str
    row_value_options: str
    checksum: str
    gtids: bool
    gtid_mode: str
    replica_updates: bool
    read_only: bool
    expire_seconds: int
    lower_case_names: int
    host: str = ""

    @property
    def is_mariadb(self) -> bool:
        """Whether it is MariaDB."""
        return self.kind == "mariadb"

    @property
    def name(self) -> str:
        """For people: ``MySQL 9.7.4``."""
        return f"{'MariaDB' if self.is_mariadb else 'MySQL'} {self.version_text}"


class LogEnd(NamedTuple):
    """Where the server's log ends: the file's name, the position after its last event, and MySQL's executed GTIDs."""

    file: str
    pos: int
    gtids: str


def rows(connection: Connection, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(query, tuple(parameters) or None)
        return list(cursor.fetchall())


def row(connection: Connection, query: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
    """The one row of a query that always has one."""
    found = rows(connection, query, parameters)
    if not found:
        raise Failed("source_error", f"no row from: {query}", hint="This is an error of Connect; please report it.")
    return found[0]


def named_row(connection: Connection, statement: str) -> dict[str, Any] | None:
    """The first row of a SHOW statement by column; None where it shows nothing. Columns differ by version."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found = cursor.fetchone()
        names = [column[0] for column in cursor.description or ()]
    return None if found is None else dict(zip(names, found, strict=True))


def variables(connection: Connection) -> dict[str, str]:
    """All global settings by name, in lower case."""
    return {str(key).lower(): str(value) for key, value in rows(connection, "SHOW GLOBAL VARIABLES")}


def read_server(connection: Connection) -> Server:
    """Ask a server what it is; no right is needed for it."""
    seen = variables(connection)
    kind, version = server_kind(connection.server_version)
    mariadb = kind == "mariadb"
    server_id = int(seen["server_id"])
    return Server(
        kind="mariadb" if mariadb else "mysql",
        version=version,
        version_text=seen["version"],
        uuid=str(server_id) if mariadb else seen["server_uuid"],
        server_id=server_id,
        log_bin=_on(seen["log_bin"]),
        binlog_format=seen.get("binlog_format", "ROW").upper(),
        row_image=seen.get("binlog_row_image", "FULL").upper(),
        row_metadata=seen.get("binlog_row_metadata", "NO_LOG").upper(),
        row_value_options=seen.get("binlog_row_value_options", "").upper(),
        checksum=seen.get("binlog_checksum", "NONE").upper(),
        gtids=mariadb or seen["gtid_mode"].upper() == "ON",
        gtid_mode="ON" if mariadb else seen["gtid_mode"].upper(),
        replica_updates=_on(seen.get("log_replica_updates", seen.get("log_slave_updates", "OFF"))),
        read_only=_on(seen["read_only"]),
        expire_seconds=_expire_seconds(seen),
        lower_case_names=int(seen["lower_case_table_names"]),
        host=f"{seen['hostname']}:{seen['port']}" if mariadb else "",
    )


def _on(value: str) -> bool:
    return value.upper() not in {"OFF", "0", "NO", ""}


def _expire_seconds(seen: dict[str, str]) -> int:
    if not _on(seen.get("binlog_expire_logs_auto_purge", "ON")):
        return 0
    return int(seen.get("binlog_expire_logs_seconds", "0")) or int(float(seen.get("expire_logs_days", "0")) * 86_400)


def log_status(server: Server) -> str:
    """The statement that tells where the log ends, in words that this server knows."""
    return "SHOW BINARY LOG STATUS" if not server.is_mariadb and server.version >= (8, 2) else "SHOW MASTER STATUS"


def log_end(connection: Connection, server: Server) -> LogEnd:
    """Where the log ends now. Every transaction that anybody can see lies before it.

    Raises:
        Failed: ``log_off``: there is no log.
        pymysql.Error: For example without the right, REPLICATION CLIENT.
    """
    found = named_row(connection, log_status(server))
    if found is None:
        hint = "Start the server with log_bin=ON and binlog_format=ROW."
        raise Failed("log_off", "the server writes no binary log", hint=hint)
    return LogEnd(
        str(found["File"]), int(found["Position"]), str(found.get("Executed_Gtid_Set") or "").replace("\n", "")
    )


def check_ready(server: Server, connector: str) -> None:
    """Settings without which nothing works.

    Raises:
        Failed: ``log_off``, ``binlog_format``, ``server_id_zero``.
    """
    if not server.log_bin:
        raise Failed(
            "log_off",
            f"{connector}: {server.name} writes no binary log",
            hint="Start it with log_bin=ON, binlog_format=ROW, binlog_row_image=FULL and binlog_row_metadata=FULL.",
        )
    if server.binlog_format != "ROW":
        raise Failed(
            "binlog_format",
            f"{connector}: binlog_format is {server.binlog_format}, so the log does not carry rows (F46)",
            hint=set_global(server, "binlog_format", "ROW"),
        )
    if server.server_id == 0:
        raise Failed(
            "server_id_zero",
            f"{connector}: the server's own server_id is 0, so it lets no replica connect",
            hint=set_global(server, "server_id", "1"),
        )


def set_global(server: Server, setting: str, value: str) -> str:
    """The statement that changes a global setting so that it outlives a restart, as far as the server can."""
    word = value if value.isdigit() else f"'{value}'"
    if server.is_mariadb:
        return f"SET GLOBAL {setting} = {word}; -- and in my.cnf: {setting} = {value}"
    return f"SET PERSIST {setting} = {word};"


def pause(seconds: float, stopping: Callable[[], bool]) -> None:
    """Sleep; raises ``Retriable("stopping")`` when the task should end."""
    if stopping():
        raise Retriable("the source was asked to stop while it waited", code="stopping")
    time.sleep(seconds)
