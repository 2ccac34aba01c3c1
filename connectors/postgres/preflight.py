"""What ``doctor`` checks on a Postgres source: each problem with the exact SQL that mends it (F14, F21, F31, F177)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import psycopg

from connect.api import Finding, Severity
from connect.errors import ConnectError
from connectors.postgres.catalog import read_types, tables_by_name
from connectors.postgres.config import inserts_publication, publication_name, slot_name
from connectors.postgres.connection import connect
from connectors.postgres.errors import translate
from connectors.postgres.platform import Platform, Step, logical_step, platform_of, replication_step, setting_step
from connectors.postgres.publication import (
    check_publications,
    drop_publications,
    foreign_tables,
    publication_exists,
    publication_sql,
)
from connectors.postgres.relations import catalog_key, quoted
from connectors.postgres.server import row
from connectors.postgres.slot import check_usable, drop_slot, orphans, read_slot
from connectors.postgres.types import TypeOptions, codec

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from connect.api import SourceContext, TableOptions
    from connect.schema.model import TableId
    from connectors.postgres.catalog import CatalogTable
    from connectors.postgres.config import PostgresConfig
    from connectors.postgres.slot import Slot
    from connectors.postgres.types import TypeCatalog

_OK: Final = Severity.OK
_WARNING: Final = Severity.WARNING
_PROBLEM: Final = Severity.PROBLEM
Connection = psycopg.Connection[Any]


def preflight(config: PostgresConfig, context: SourceContext) -> Iterator[Finding]:
    """Settings, rights, slot, publication and tables, as far as the role may see them."""
    try:
        with contextlib.closing(connect(config, context.connector)) as connection:
            yield Finding("connection", _OK, f"PostgreSQL {connection.info.parameter_status('server_version')} answers")
            platform = platform_of(connection)
            if platform is not None:
                yield Finding("platform", _WARNING if platform.notice else _OK, platform.notice or platform.title)
            yield from _settings(connection, platform)
            may_replicate = yield from _role(connection, platform)
            name = slot_name(config, context.group, context.connector)
            slot = read_slot(connection, name)
            if may_replicate and (slot is None or slot.active_pid is None):
                yield from _stream(config, context.connector)
            yield from _slot(connection, name, slot)
            yield from _orphans(connection, context)
            tables = tables_by_name(connection, context.tables)
            types = read_types(connection)
            for table, options in context.tables.items():
                yield from _table(connection, table, tables.get(table), options, types)
            yield from _publication(connection, config, context, tables)
    except psycopg.Error as error:
        yield _finding(translate(error, f"{context.connector}: doctor"))
    except ConnectError as error:
        yield _finding(error)


def leftovers(config: PostgresConfig, context: SourceContext) -> list[Finding]:
    """What sources of the group left behind on the server which the file has no more.

    Raises:
        Retriable, Failed: The server did not answer.
    """
    with contextlib.closing(connect(config, context.connector)) as connection:
        try:
            return list(_orphans(connection, context))
        except psycopg.Error as error:
            raise translate(error, f"{context.connector}: slots") from None


def _orphans(connection: Connection, context: SourceContext) -> Iterator[Finding]:
    for orphan in orphans(connection, context.group, context.peers, context.kept):
        yield Finding("slot", _WARNING, orphan.what, orphan.remedy)


def _finding(error: ConnectError) -> Finding:
    is_sql = error.hint.startswith(("CREATE PUBLICATION ", "ALTER PUBLICATION "))
    return Finding(error.code, _PROBLEM, error.message, error.hint, is_sql=is_sql)


def _mended(check: str, severity: Severity, message: str, step: Step) -> Finding:
    return Finding(check, severity, message, step.text, is_sql=step.is_sql)


def _stream(config: PostgresConfig, connector: str) -> Iterator[Finding]:
    """A connection that replicates is let in by a line of pg_hba.conf, a right and, on its way, perhaps a pooler."""
    try:
        connect(config, connector, replication=True).close()
    except ConnectError as error:
        yield _finding(error)
    else:
        yield Finding("replication_connection", _OK, "the server lets this role replicate from here")


def _setting(connection: Connection, name: str) -> str | None:
    value = row(connection, "SELECT pg_catalog.current_setting(%s, true)", (name,))[0]
    return None if value is None else str(value)


def _settings(connection: Connection, platform: Platform | None) -> Iterator[Finding]:
    level = _setting(connection, "wal_level")
    if level == "logical":
        yield Finding("wal_level", _OK, "wal_level is logical")
    else:
        message = f"wal_level is {level}: the log does not carry rows"
        yield _mended("wal_level", _PROBLEM, message, logical_step(platform))
    if row(connection, "SELECT pg_catalog.pg_is_in_recovery()")[0]:
        yield Finding("standby", _PROBLEM, "the server is a standby", "point the URL at the primary")
    for name, where in (("max_replication_slots", "pg_replication_slots"), ("max_wal_senders", "pg_stat_replication")):
        yield from _used(connection, name, f"SELECT count(*) FROM pg_catalog.{where}", platform)  # noqa: S608 - our words
    timeout = row(connection, "SELECT setting::int8 FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'")[0]
    if 0 < timeout < 3_000:
        step = setting_step(platform, "wal_sender_timeout", "60s")
        yield _mended("wal_sender_timeout", _WARNING, f"wal_sender_timeout is only {timeout} ms", step)
    yield from _limits(connection, platform)


def _used(connection: Connection, name: str, count: str, platform: Platform | None) -> Iterator[Finding]:
    limit, used = int(_setting(connection, name) or 0), int(row(connection, count)[0])
    if used < limit:
        yield Finding(name, _OK, f"{used} of {limit} are used")
        return
    step = setting_step(platform, name, str(limit + 10), restart=True)
    yield _mended(name, _WARNING, f"all {limit} are used, one perhaps by this source", step)


def _limits(connection: Connection, platform: Platform | None) -> Iterator[Finding]:
    keep = _setting(connection, "max_slot_wal_keep_size")
    if keep == "-1":
        message = (
            "max_slot_wal_keep_size is unlimited: a source that stands still fills the server's disk (F14); "
            "choose less than what is free"
        )
        step = setting_step(platform, "max_slot_wal_keep_size", "100GB")
        yield _mended("max_slot_wal_keep_size", _WARNING, message, step)
    else:
        message = f"a source that falls {keep} behind loses its slot (max_slot_wal_keep_size)"
        yield Finding("max_slot_wal_keep_size", _OK, message)
    idle = _setting(connection, "idle_replication_slot_timeout")
    if idle not in (None, "0", ""):
        message = f"a source that is stopped for {idle} loses its slot (idle_replication_slot_timeout)"
        step = setting_step(platform, "idle_replication_slot_timeout", "0")
        yield _mended("idle_replication_slot_timeout", _WARNING, message, step)


_MEMBER: Final = (
    "(SELECT pg_catalog.pg_has_role(r.oid, o.oid, 'MEMBER') FROM pg_catalog.pg_roles o WHERE o.rolname = %s)"
)


def _role(connection: Connection, platform: Platform | None) -> Generator[Finding, None, bool]:
    """Returns whether the role may replicate."""
    name, superuser, replication, monitor = row(
        connection,
        f"SELECT rolname::text, rolsuper, rolreplication OR coalesce({_MEMBER}, false), {_MEMBER}"  # noqa: S608 - ours
        " FROM pg_catalog.pg_roles r WHERE rolname = current_user",
        (platform.granted_by if platform else None, "pg_read_all_stats"),
    )
    role = '"' + name.replace('"', '""') + '"'
    if superuser:
        message = f"the role {name} is a superuser; LOGIN, REPLICATION and SELECT are enough (F177)"
        yield Finding("role", _WARNING, message, f"CREATE ROLE {role[:-1]}_cdc\" LOGIN REPLICATION PASSWORD '…';")
        return True
    if replication:
        yield Finding("role", _OK, f"the role {name} has REPLICATION and is no superuser")
    else:
        yield _mended("role", _PROBLEM, f"the role {name} lacks REPLICATION", replication_step(platform, role))
    if not monitor:
        message = "other sessions' states are hidden: a restart amid a snapshot waits for every transaction then open"
        yield Finding("pg_read_all_stats", _WARNING, message, f"GRANT pg_read_all_stats TO {role};", is_sql=True)
    return bool(replication)


def _slot(connection: Connection, name: str, slot: Slot | None) -> Iterator[Finding]:
    if slot is None:
        yield Finding("slot", _OK, f"the slot {name} does not exist yet; the first start makes it")
        return
    try:
        check_usable(slot, connection.info.dbname)
    except ConnectError as error:
        yield _finding(error)
        return
    (held,) = row(
        connection,
        "SELECT pg_catalog.pg_size_pretty(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn))"
        " FROM pg_catalog.pg_replication_slots WHERE slot_name = %s",
        (name,),
    )
    state = f"is read by server process {slot.active_pid}" if slot.active_pid else "is not read now"
    yield Finding("slot", _OK, f"the slot {name} {state} and holds {held} of WAL")


def _table(
    connection: Connection, table: TableId, info: CatalogTable | None, options: TableOptions, types: TypeCatalog
) -> Iterator[Finding]:
    check = str(table)
    if info is None:
        yield Finding(check, _PROBLEM, f"there is no table {table}", "take it out of `tables:`, or create it")
        return
    findings = [
        *_rights(connection, table),
        *_columns(table, info, options),
        *_identity(table, info, options, types),
        *_row_security(connection, table, info),
    ]
    yield from findings or [Finding(check, _OK, "it can be read, and its changes are in the log")]


def _rights(connection: Connection, table: TableId) -> Iterator[Finding]:
    usage, select = row(
        connection,
        "SELECT pg_catalog.has_schema_privilege(%s, 'USAGE'), CASE WHEN pg_catalog.has_schema_privilege(%s, 'USAGE')"
        " THEN pg_catalog.has_table_privilege(%s, 'SELECT') END",
        (table.schema, table.schema, quoted(table)),
    )
    role = '"' + connection.info.user.replace('"', '""') + '"'
    if not usage:
        schema = '"' + table.schema.replace('"', '""') + '"'
        yield Finding(
            str(table),
            _PROBLEM,
            f"no USAGE on the schema {table.schema}",
            f"GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON {quoted(table)} TO {role};",
            is_sql=True,
        )
    elif not select:
        grant = f"GRANT SELECT ON {quoted(table)} TO {role};"
        yield Finding(str(table), _PROBLEM, "no SELECT on the table", grant, is_sql=True)


def _columns(table: TableId, info: CatalogTable, options: TableOptions) -> Iterator[Finding]:
    names = {column.name for column in info.columns}
    for name in (*(options.columns or ()), *(options.mask or ()), *(options.key or ())):
        if name not in names:
            yield Finding(str(table), _PROBLEM, f"it has no column {name!r}", "mend the file")


def _identity(table: TableId, info: CatalogTable, options: TableOptions, types: TypeCatalog) -> Iterator[Finding]:
    if options.key and set(options.key) <= {column.name for column in info.columns}:
        try:
            catalog_key(info, [column.name for column in info.columns], options.key)
        except ConnectError as error:
            yield Finding(str(table), _PROBLEM, error.message, error.hint)
    if not info.can_change:
        yield Finding(
            str(table),
            _WARNING,
            "it has no replica identity: its UPDATEs and DELETEs are NOT CAPTURED (F21)",
            f"ALTER TABLE {quoted(table)} REPLICA IDENTITY FULL;",  # no part of a script: old rows go into the log then
        )
    elif info.identity_columns is not None:
        known = TypeOptions()
        wide = [c.name for c in info.columns if codec(c.type_oid, c.typmod, types, known).toastable]
        if wide:
            message = (
                f"long values of {', '.join(wide[:5])} are left out of UPDATEs that do not change them; "
                "Connect reads such rows again"
            )
            yield Finding(str(table), _OK, message)


def _row_security(connection: Connection, table: TableId, info: CatalogTable) -> Iterator[Finding]:
    if not info.row_security:
        return
    (active,) = row(connection, "SELECT pg_catalog.row_security_active(%s)", (quoted(table),))
    if active:
        role = '"' + connection.info.user.replace('"', '""') + '"'
        yield Finding(
            str(table),
            _PROBLEM,
            "row-level security hides rows from the snapshot that the log shows (F31)",
            f"ALTER ROLE {role} BYPASSRLS;",
            is_sql=True,
        )


def _publication(
    connection: Connection, config: PostgresConfig, context: SourceContext, tables: dict[TableId, CatalogTable]
) -> Iterator[Finding]:
    main = publication_name(config, context.group, context.connector)
    if not config.publication.manage:
        started = read_slot(connection, slot_name(config, context.group, context.connector)) is not None
        inserts = inserts_publication(main)
        check_publications(connection, main, inserts, tables, context.connector, started=started)
        yield Finding("publication", _OK, f"the publication {main} sends every table of the file")
        return
    if publication_exists(connection, main):
        yield Finding(
            "publication", _OK, f"the publication {main} exists; each start keeps its tables equal to the file's"
        )
        return
    yield from _may_publish(connection, main, tables)


def _may_publish(connection: Connection, main: str, tables: dict[TableId, CatalogTable]) -> Iterator[Finding]:
    (create,) = row(connection, "SELECT pg_catalog.has_database_privilege(current_database(), 'CREATE')")
    foreign = foreign_tables(connection, list(tables.values()))
    if create and not foreign:
        yield Finding("publication", _OK, f"the first start makes the publication {main}")
        return
    what = f"{len(foreign)} of the tables belong to other roles" if foreign else "no CREATE on the database"
    yield Finding(
        "publication",
        _PROBLEM,
        f"this role cannot make the publication {main}: {what}",
        "\n".join(publication_sql(main, tables, connection.info.server_version))
        + " -- by the tables' owner; then `publication: {manage: false}` in the file",
        is_sql=True,
    )


def remove(config: PostgresConfig, context: SourceContext) -> list[str]:
    """Drop the slot, and the publications where Connect manages them; one sentence for each thing done.

    Raises:
        Retriable, Failed: ``slot_busy`` while a worker still reads the slot.
    """
    main = publication_name(config, context.group, context.connector)
    publications = [main, inserts_publication(main)] if config.publication.manage else []
    with contextlib.closing(connect(config, context.connector)) as connection:
        try:
            slot = slot_name(config, context.group, context.connector)
            return [*drop_slot(connection, slot), *drop_publications(connection, publications)]
        except psycopg.Error as error:
            raise translate(error, f"{context.connector}: remove") from None
