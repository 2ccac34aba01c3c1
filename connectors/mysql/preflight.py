"""What ``doctor`` checks on a source of this plugin: each problem with the exact SQL that mends it (F46-F48, F177)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, NamedTuple

import pymysql

from connect.api import Finding, Severity
from connect.errors import ConnectError
from connectors.mysql import quoting
from connectors.mysql.catalog import read_tables
from connectors.mysql.config import server_id
from connectors.mysql.connection import connect
from connectors.mysql.errors import translate
from connectors.mysql.preflight_tables import check_table
from connectors.mysql.server import log_status, named_row, read_server, row, rows, set_global, variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connect.api import SourceContext
    from connect.schema.model import TableId
    from connectors.mysql.columns import TableDefinition
    from connectors.mysql.config import MysqlConfig
    from connectors.mysql.connection import Connection
    from connectors.mysql.server import Server

_OK: Final = Severity.OK
_WARNING: Final = Severity.WARNING
_PROBLEM: Final = Severity.PROBLEM
_DAY: Final = 86_400
_REPLICAS_FROM: Final = (8, 0, 22)  # the word; before it was slaves
_DENIED: Final = frozenset({1044, 1142, 1143, 1227})
_DENIED_XA: Final = _DENIED | {1401}


class _Checked(NamedTuple):
    """What the checks look at."""

    connection: Connection
    server: Server
    account: str  # as GRANT takes it


def preflight(config: MysqlConfig, context: SourceContext) -> Iterator[Finding]:
    """Settings, rights and tables, as far as the account may see them."""
    try:
        with contextlib.closing(connect(config, context.connector)) as connection:
            server = read_server(connection)
            checked = _Checked(connection, server, _account(connection))
            yield Finding("connection", _OK, f"{server.name} answers")
            yield from _log(server)
            yield from _queries(checked, wanted=config.include_query)
            yield from _keeps(checked)
            yield from _ids(checked, server_id(config, context.group, context.connector))
            yield from _replica(checked)
            yield from _rights(checked)
            if not context.tables:
                yield _nothing_seen(checked)
            tables = read_tables(connection, list(context.tables))
            yield from _lock_right(checked, tables)
            yield from _prepared(checked)
            for table, options in context.tables.items():
                yield from check_table(connection, server, checked.account, table, tables.get(table), options)
    except pymysql.Error as error:
        yield _finding(translate(error, f"{context.connector}: doctor"))
    except ConnectError as error:
        yield _finding(error)


def remove(_config: MysqlConfig, _context: SourceContext) -> list[str]:
    """There is nothing to undo: a reader of the binlog leaves nothing on the server."""
    return []


def _finding(error: ConnectError) -> Finding:
    return Finding(error.code, _PROBLEM, error.message, error.hint)


def _account(connection: Connection) -> str:
    user, _, host = str(row(connection, "SELECT CURRENT_USER()")[0]).rpartition("@")
    return quoting.account(user, host)


def _log(server: Server) -> Iterator[Finding]:
    if not server.log_bin:
        remedy = "in my.cnf: log_bin = binlog, binlog_format = ROW, binlog_row_metadata = FULL; then restart the server"
        yield Finding("log_bin", _PROBLEM, "the server writes no binary log", remedy)
        return
    if server.binlog_format != "ROW":
        message = f"binlog_format is {server.binlog_format}: the log does not carry rows (F46)"
        yield Finding("binlog_format", _PROBLEM, message, set_global(server, "binlog_format", "ROW"), is_sql=True)
    else:
        yield Finding("binlog_format", _OK, "binlog_format is ROW")
    if server.row_image != "FULL":
        message = f"binlog_row_image is {server.row_image}: rows are read again where the log lacks their values (F47)"
        yield Finding(
            "binlog_row_image", _WARNING, message, set_global(server, "binlog_row_image", "FULL"), is_sql=True
        )
    if server.row_metadata == "FULL":
        yield Finding("binlog_row_metadata", _OK, "binlog_row_metadata is FULL: the log describes its own tables")
    else:
        message = (
            f"binlog_row_metadata is {server.row_metadata}: tables are followed through their DDL, and DDL that is "
            "not understood stops the source (F52)"
        )
        yield Finding(
            "binlog_row_metadata", _WARNING, message, set_global(server, "binlog_row_metadata", "FULL"), is_sql=True
        )
    yield from _positions(server)


def _queries(checked: _Checked, *, wanted: bool) -> Iterator[Finding]:
    """Whether the log has the statements that `include_query` asks for."""
    server = checked.server
    if not wanted or not server.log_bin:
        return
    setting = "binlog_annotate_row_events" if server.is_mariadb else "binlog_rows_query_log_events"
    if variables(checked.connection).get(setting) == "ON":
        yield Finding(setting, _OK, f"{setting} is ON: records carry the text of their statement")
    else:
        message = f"{setting} is OFF: `include_query` finds no text in the log"
        yield Finding(setting, _WARNING, message, set_global(server, setting, "ON"), is_sql=True)


def _positions(server: Server) -> Iterator[Finding]:
    if server.gtids:
        yield Finding("gtid_mode", _OK, "positions are GTIDs: the source can follow a failover")
        return
    message = (
        f"gtid_mode is {server.gtid_mode}: positions are those of this one server, which cannot be failed over; "
        "each chunk of a snapshot locks its table for a moment"
    )
    remedy = (
        "SET PERSIST enforce_gtid_consistency = ON; SET PERSIST gtid_mode = OFF_PERMISSIVE; "
        "SET PERSIST gtid_mode = ON_PERMISSIVE; -- once SHOW STATUS LIKE 'ongoing_anonymous_transaction_count' is 0: "
        "SET PERSIST gtid_mode = ON;"
    )
    yield Finding("gtid_mode", _WARNING, message, remedy)


def _keeps(checked: _Checked) -> Iterator[Finding]:
    """How long the log is kept, which no reader can prolong (F61), and what a crash of the server costs."""
    server = checked.server
    if not server.log_bin:
        return
    seconds = server.expire_seconds
    if seconds == 0:
        yield Finding("binlog_expire_logs_seconds", _OK, "the server never removes its log by itself: watch its disk")
    elif seconds < _DAY:
        message = f"a source that stands still for {_duration(seconds)} loses its place in the log (F61)"
        remedy = set_global(server, "binlog_expire_logs_seconds", str(7 * _DAY))
        yield Finding("binlog_expire_logs_seconds", _WARNING, message, remedy, is_sql=True)
    else:
        yield Finding("binlog_expire_logs_seconds", _OK, f"the log is kept for {_duration(seconds)}")
    seen = variables(checked.connection)
    if seen.get("sync_binlog") != "1":
        message = f"sync_binlog is {seen.get('sync_binlog')}: after a crash the server may lack changes that were read"
        yield Finding("sync_binlog", _WARNING, message, set_global(server, "sync_binlog", "1"), is_sql=True)


def _duration(seconds: int) -> str:
    if seconds >= _DAY:
        return f"{seconds / _DAY:.0f} days"
    return f"{seconds // 3600} hours" if seconds >= 2 * 3600 else f"{seconds} s"


def _ids(checked: _Checked, ours: int) -> Iterator[Finding]:
    server = checked.server
    if server.server_id == 0:
        message = "the server's own server_id is 0: it lets no replica connect"
        yield Finding("server_id", _PROBLEM, message, set_global(server, "server_id", "1"), is_sql=True)
    elif server.server_id == ours:
        message = f"this source would have the id {ours}, which is the server's own (F65)"
        yield Finding("server_id", _PROBLEM, message, f"server_id: {ours % (2**32 - 2) + 1}  # beside `url:`")
    elif ours in _replicas(checked):
        message = (
            f"another replica of the server has the id {ours} of this source: each would end the other's link (F65)"
        )
        yield Finding("server_id", _PROBLEM, message, f"server_id: {ours % (2**32 - 2) + 1}  # beside `url:`")
    else:
        yield Finding("server_id", _OK, f"this source is replica {ours}; no other may have this id")


def _replicas(checked: _Checked) -> set[int]:
    """Ids of the replicas that are connected and say so, which we do not; none where we may not ask."""
    server = checked.server
    old = server.is_mariadb or server.version < _REPLICAS_FROM
    try:
        return {int(found[0]) for found in rows(checked.connection, "SHOW SLAVE HOSTS" if old else "SHOW REPLICAS")}
    except pymysql.Error as error:
        if error.args[0] in _DENIED:
            return set()
        raise


def _replica(checked: _Checked) -> Iterator[Finding]:
    server = checked.server
    if server.replica_updates:
        return
    setting = "log_slave_updates" if server.is_mariadb else "log_replica_updates"
    remedy = f"in my.cnf: {setting} = ON; then restart the server. Or point the URL at its source."
    try:
        statement = (
            "SHOW SLAVE STATUS" if server.version < _REPLICAS_FROM or server.is_mariadb else "SHOW REPLICA STATUS"
        )
        if named_row(checked.connection, statement) is not None:
            message = f"the server is a replica with {setting}=OFF: what it replicates is not in its log"
            yield Finding(setting, _PROBLEM, message, remedy)
    except pymysql.Error as error:
        if error.args[0] not in _DENIED:
            raise
        message = f"{setting} is OFF, and this account may not ask whether the server is a replica"
        right = "SLAVE MONITOR" if server.is_mariadb else "REPLICATION CLIENT"
        yield Finding(setting, _WARNING, message, f"GRANT {right} ON *.* TO {checked.account};", is_sql=True)


def _rights(checked: _Checked) -> Iterator[Finding]:
    granted = granted_globally(checked.connection)
    account, server = checked.account, checked.server
    if {"ALL PRIVILEGES", "SUPER"} & granted:
        message = f"the account {account} is a superuser; replication and SELECT are enough (F177)"
        cdc = quoting.account("cdc")
        remedy = (
            f"CREATE USER {cdc} IDENTIFIED BY '…'; GRANT {', '.join(_needed(server))} ON *.* TO {cdc}; "
            f"GRANT SELECT ON … TO {cdc};"
        )
        yield Finding("account", _WARNING, message, remedy)
    missing = [right for right in _needed(server) if not _has(granted, right)]
    if missing:
        message = f"the account {account} lacks {' and '.join(missing)}"
        yield Finding("rights", _PROBLEM, message, f"GRANT {', '.join(missing)} ON *.* TO {account};", is_sql=True)
    else:
        yield Finding("rights", _OK, f"the account {account} may read the log")
        yield from _filtered(checked)


def _needed(server: Server) -> list[str]:
    return ["REPLICATION SLAVE", "BINLOG MONITOR" if server.is_mariadb else "REPLICATION CLIENT"]


def _has(granted: set[str], right: str) -> bool:
    covering = {"ALL PRIVILEGES", right} if right == "REPLICATION SLAVE" else {"ALL PRIVILEGES", "SUPER", right}
    return bool(granted & covering)


def granted_globally(connection: Connection) -> set[str]:
    """The account's rights on ``*.*``, with those of its active roles."""
    statements = [str(found[0]) for found in rows(connection, "SHOW GRANTS")]
    (roles,) = row(connection, "SELECT CURRENT_ROLE()")
    if roles and str(roles) != "NONE" and "mariadb" not in connection.server_version.lower():
        statements += [str(found[0]) for found in rows(connection, f"SHOW GRANTS FOR CURRENT_USER() USING {roles}")]
    found: set[str] = set()
    for statement in statements:
        rights, on, _ = statement.removeprefix("GRANT ").partition(" ON *.* TO ")
        if on:
            found.update(right.strip().upper() for right in rights.split(","))
    return found


def _filtered(checked: _Checked) -> Iterator[Finding]:
    """Databases that the server leaves out of its log."""
    if not checked.server.log_bin:
        return
    status = named_row(checked.connection, log_status(checked.server)) or {}
    only, without = str(status.get("Binlog_Do_DB") or ""), str(status.get("Binlog_Ignore_DB") or "")
    if only or without:
        what = f"only the databases {only} are" if only else f"the databases {without} are not"
        message = f"{what} in the server's log (binlog_do_db, binlog_ignore_db)"
        yield Finding("binlog_do_db", _WARNING, message, "take the setting out of my.cnf, then restart the server")


def _nothing_seen(checked: _Checked) -> Finding:
    """No table of the file is there for us; one that we may not read looks just so."""
    message = (
        f"{checked.server.name} shows the account {checked.account} only what it may read: none of the file's tables"
    )
    remedy = f"GRANT SELECT ON `database`.* TO {checked.account}; -- with the name of each database of the file"
    return Finding("select", _PROBLEM, message, remedy)


def _lock_right(checked: _Checked, tables: dict[TableId, TableDefinition]) -> Iterator[Finding]:
    """LOCK TABLES, which MySQL needs for what GTIDs do not tell exactly enough (see ``visibility``)."""
    server = checked.server
    if server.is_mariadb:
        return
    for table, definition in tables.items():
        if server.gtids and definition.unique_keys:
            continue
        try:
            checked.connection.query("SET SESSION lock_wait_timeout = 1")
            checked.connection.query(f"LOCK TABLES {quoting.quoted(table)} READ")
            checked.connection.query("UNLOCK TABLES")
        except pymysql.Error as error:
            if error.args[0] in _DENIED:
                message = "its snapshot locks it for a moment, and this account may not"
                remedy = f"GRANT LOCK TABLES ON {quoting.name(table.schema)}.* TO {checked.account};"
                yield Finding(str(table), _PROBLEM, message, remedy, is_sql=True)


def _prepared(checked: _Checked) -> Iterator[Finding]:
    """XA transactions that somebody has prepared and left: their rows wait for their end (S8)."""
    try:
        prepared = rows(checked.connection, "XA RECOVER")
    except pymysql.Error as error:
        if error.args[0] not in _DENIED_XA:
            raise
        message = (
            "XA transactions are not looked for; where some are prepared at the first start, XA_RECOVER_ADMIN is needed"
        )
        yield Finding("xa", _OK, message)
        return
    if prepared:
        message = f"{len(prepared)} XA transactions are prepared: their rows wait for their end"
        listed = "XA RECOVER FORMAT='SQL';" if checked.server.is_mariadb else "XA RECOVER CONVERT XID;"
        yield Finding("xa", _WARNING, message, f"{listed} -- then XA COMMIT or XA ROLLBACK of each")
