"""What is checked and made on the server before the stream starts: branch, slot, publications (rules S9, S10)."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg import sql
from psycopg.pq import ExecStatus

from connect.errors import Failed, Retriable
from connectors.postgres.catalog import tables_by_name
from connectors.postgres.errors import translate
from connectors.postgres.position import format_lsn, parse_lsn
from connectors.postgres.relations import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from connect.schema.model import TableId
    from connectors.postgres.catalog import CatalogTable
    from connectors.postgres.position import PostgresPosition
    from connectors.postgres.replication import Identity

_POLL_SECONDS: Final = 0.1  # back within 5 s of kill -9: the old walsender lingers for a moment only


class Slot(NamedTuple):
    """A row of ``pg_replication_slots``."""

    name: str
    plugin: str | None
    database: str | None
    active_pid: int | None
    restart_lsn: int | None
    confirmed_lsn: int
    lost: bool
    why_lost: str


def check_ready(connection: psycopg.Connection[Any], connector: str) -> None:
    """Settings without which nothing works.

    Raises:
        Failed: ``wal_level``, ``standby``.
    """
    level, standby = row(connection, "SELECT current_setting('wal_level'), pg_catalog.pg_is_in_recovery()")
    if level != "logical":
        raise Failed(
            "wal_level",
            f"{connector}: wal_level is {level}, so the log does not carry rows",
            hint="ALTER SYSTEM SET wal_level = logical; then restart the server.",
        )
    if standby:
        raise Failed("standby", f"{connector}: the server is a standby", hint="Point the URL at the primary.")


def row(connection: psycopg.Connection[Any], query: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
    """The one row of a query that always has one."""
    found: tuple[Any, ...] | None = connection.execute(query.encode(), parameters).fetchone()
    if found is None:
        raise Failed("source_error", f"no row from: {query}", hint="This is an error of Connect; please report it.")
    return found


# Rule S9: the same branch of history.


def check_branch(identity: Identity, position: PostgresPosition, history: Callable[[int], str]) -> None:
    """Whether the stored position lies on this server's branch (F33-F35).

    Args:
        identity: What the server says it is.
        position: The stored position.
        history: Timeline → content of its history file.

    Raises:
        Failed: ``other_system``, ``wrong_branch``.
    """
    if identity.system_id != position.system_id:
        raise Failed(
            "other_system",
            f"the position was stored for the cluster {position.system_id}, but this is {identity.system_id}",
            hint="After pg_upgrade or a move, `connect remove SOURCE` and start anew: the tables are read again.",
        )
    reached = max(position.lsn, position.row_lsn)
    if position.timeline != identity.timeline:
        parted = None
        if position.timeline < identity.timeline:
            parted = branch_point(history(identity.timeline), position.timeline)
        if parted is None or reached > parted:
            raise _wrong_branch(position, identity, parted)
    elif reached > identity.wal_end:
        raise _wrong_branch(position, identity, identity.wal_end)


def branch_point(history: str, timeline: int) -> int | None:
    """Where the history file's timeline left ``timeline``; None where it did not come from it."""
    for line in history.splitlines():
        fields = line.split()
        if len(fields) >= 2 and fields[0] == str(timeline):
            return parse_lsn(fields[1])
    return None


def _wrong_branch(position: PostgresPosition, identity: Identity, end: int | None) -> Failed:
    where = f"ends at {format_lsn(end)} here" if end is not None else "is no part of this server's history"
    return Failed(
        "wrong_branch",
        f"the stored position {position} lies on a branch that {where} (timeline {identity.timeline} now): "
        "changes were delivered that this server does not have",
        hint="After a failover or restore that lost changes: `connect remove SOURCE` and start anew. "
        "`synchronized_standby_slots` keeps a standby from falling behind its readers.",
    )


# Rule S10: no gap.


def read_slot(connection: psycopg.Connection[Any], name: str) -> Slot | None:
    """The slot of that name, or None."""
    reason = "invalidation_reason" if connection.info.server_version >= 170_000 else "NULL"
    found = connection.execute(
        f"SELECT slot_name::text, plugin::text, database::text, active_pid, restart_lsn::text,"  # noqa: S608 - our own words
        f" confirmed_flush_lsn::text, wal_status, {reason}"
        " FROM pg_catalog.pg_replication_slots WHERE slot_name = %s".encode(),
        (name,),
    ).fetchone()
    if found is None:
        return None
    slot_name, plugin, database, pid, restart, confirmed, status, why = found
    lost = status == "lost" or restart is None or confirmed is None
    return Slot(
        slot_name,
        plugin,
        database,
        pid,
        parse_lsn(restart) if restart else None,
        parse_lsn(confirmed) if confirmed else 0,
        lost,
        why or ("wal_removed" if lost else ""),
    )


def check_slot(slot: Slot | None, name: str, position: PostgresPosition, database: str) -> None:
    """Whether the slot can go on right after the stored position (rule S10, F11-F13).

    Raises:
        Failed: ``slot_missing``, ``slot_foreign``, ``slot_lost``, ``gap``. Nothing is created.
    """
    if slot is None:
        raise Failed(
            "slot_missing",
            f"the slot {name} is gone, and with it the changes since {position}",
            hint="`connect remove SOURCE` and start anew: the tables are read again.",
        )
    check_usable(slot, database)
    if slot.confirmed_lsn > position.lsn:
        raise Failed(
            "gap",
            f"the slot {name} starts at {format_lsn(slot.confirmed_lsn)}, after the stored position {position}: it was "
            "dropped and made again, or somebody else read it",
            hint="The changes between are gone for this slot: `connect remove SOURCE` and start anew.",
        )


def check_usable(slot: Slot, database: str) -> None:
    """Whether a slot is one that we can read.

    Raises:
        Failed: ``slot_foreign``, ``slot_lost``.
    """
    if slot.plugin != "pgoutput" or slot.database != database:
        raise Failed(
            "slot_foreign",
            f"the slot {slot.name} decodes {slot.database} with {slot.plugin or 'nothing'}, "
            f"not {database} with pgoutput",
            hint="Give this source a slot name of its own: `slot: NAME`.",
        )
    if slot.lost:
        raise Failed(
            "slot_lost",
            f"the server invalidated the slot {slot.name} ({slot.why_lost})",
            hint="Raise max_slot_wal_keep_size (and idle_replication_slot_timeout), then `connect remove SOURCE` and "
            "start anew: the tables are read again.",
        )


def wait_until_free(
    connection: psycopg.Connection[Any], name: str, say: Callable[[str], None], stopping: Callable[[], bool]
) -> None:
    """Wait until nobody reads the slot: longer than ``wal_sender_timeout``, since the reader may be dead (F19, F-4).

    Raises:
        Failed: ``slot_busy``. The other reader is never terminated.
    """
    (setting,) = row(connection, "SELECT setting::int8 FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'")
    deadline = time.monotonic() + min(setting / 1000 or 60.0, 120.0) * 1.25 + 2
    waited = False
    while (slot := read_slot(connection, name)) is not None and slot.active_pid is not None:
        waited = True
        say(f"slot {name} is still read by server process {slot.active_pid}")
        if time.monotonic() > deadline:
            raise Failed(
                "slot_busy",
                f"the slot {name} is read by another client (server process {slot.active_pid})",
                hint="Stop the other client, or give this source a slot of its own: `slot: NAME`.",
            )
        pause(_POLL_SECONDS, stopping)
    if waited:
        say("")


def pause(seconds: float, stopping: Callable[[], bool]) -> None:
    """Sleep; raises ``Retriable("stopping")`` when the task should end."""
    if stopping():
        raise Retriable("the source was asked to stop while it waited", code="stopping")
    time.sleep(seconds)


_BLOCKERS: Final = """
SELECT coalesce(h.pid::text, ''), coalesce(a.usename::text, ''), coalesce(a.state, ''),
       coalesce(extract(epoch FROM clock_timestamp() - a.xact_start)::int8, -1), coalesce(p.gid, '')
  FROM pg_catalog.pg_locks w
  JOIN pg_catalog.pg_locks h ON h.locktype = 'transactionid' AND h.transactionid = w.transactionid AND h.granted
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = h.pid
  LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = h.transactionid
 WHERE w.pid = %s AND NOT w.granted AND w.locktype = 'transactionid'
"""


def create_slot(
    creator: psycopg.Connection[Any],
    watcher: psycopg.Connection[Any],
    name: str,
    say: Callable[[str], None],
    stopping: Callable[[], bool],
) -> int:
    """Create the slot and return the LSN where it starts. The server waits for every open transaction meanwhile.

    Args:
        creator: Runs the statement; nothing else uses it.
        watcher: Asks for whom it waits.
        name: Of the slot.
        say: Hears for whom it waits: pid and age.
        stopping: Ends the wait; the half-made slot is dropped by the server.
    """
    pgconn = creator.pgconn
    pgconn.send_query_params(
        b"SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')", [name.encode()]
    )
    asked_at = time.monotonic()
    try:
        while pgconn.is_busy():
            if not select.select([pgconn.socket], [], [], _POLL_SECONDS)[0]:
                pause(0, stopping)
                if time.monotonic() - asked_at > 1.0:
                    asked_at = time.monotonic()
                    say(_waits_for(watcher, creator.info.backend_pid, name))
                continue
            pgconn.consume_input()
    except BaseException:
        pgconn.get_cancel().cancel()
        raise
    say("")
    result = pgconn.get_result()
    if result is None or result.status != ExecStatus.TUPLES_OK:
        error = psycopg.errors.error_from_result(result) if result else psycopg.OperationalError("no result")
        raise translate(error, f"creating the slot {name}") from None
    while pgconn.get_result() is not None:
        pass
    return parse_lsn((result.get_value(0, 0) or b"").decode())


def _waits_for(watcher: psycopg.Connection[Any], pid: int, name: str) -> str:
    blocker = watcher.execute(_BLOCKERS, (pid,)).fetchone()
    if blocker is None:
        return f"creating the slot {name}: the server waits until the transactions that are open now have ended"
    other, user, state, age, gid = blocker
    if gid:
        return f"creating the slot {name} waits for the prepared transaction {gid!r}: COMMIT or ROLLBACK PREPARED it"
    how_long = f", open for {age} s" if age >= 0 else ""
    who = f" of {user}" if user else ""
    doing = f" ({state})" if state else ""
    return f"creating the slot {name} waits for the transaction of server process {other}{who}{how_long}{doing}"


_WRITERS: Final = """
SELECT l.virtualtransaction, coalesce('server process ' || l.pid::text || coalesce(' of ' || a.usename::text, ''),
       'a prepared transaction')
  FROM pg_catalog.pg_locks l
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
   AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
   AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
   AND l.relation IN (SELECT %s::oid UNION ALL SELECT relid FROM pg_catalog.pg_partition_tree(%s::oid))
"""


def writers(connection: psycopg.Connection[Any], table: TableId) -> dict[str, str]:
    """Transactions that hold a write lock on the table or a partition of it: virtual transaction → who it is."""
    found = connection.execute("SELECT pg_catalog.to_regclass(%s)::oid", (quoted(table),)).fetchone()
    if found is None or found[0] is None:
        return {}
    return dict(connection.execute(_WRITERS, (found[0], found[0])).fetchall())


# Publications.

_ACTIONS: Final = {False: "insert, truncate", True: "insert, update, delete, truncate"}


class Published(NamedTuple):
    """What the publications send of one table."""

    columns: tuple[str, ...] | None  # None: the server does not say (before 15): all but generated ones
    row_filter: str | None


def find_tables(
    connection: psycopg.Connection[Any], wanted: Iterable[TableId], connector: str
) -> dict[TableId, CatalogTable]:
    """The captured tables as they are now.

    Raises:
        Failed: ``table_missing``.
    """
    wanted = list(wanted)
    found = tables_by_name(connection, wanted)
    missing = [table for table in wanted if table not in found]
    if missing:
        raise Failed(
            "table_missing",
            f"{connector}: there is no table {missing[0]}" + (f", nor {len(missing) - 1} more" if missing[1:] else ""),
            hint="Take it out of `tables:`, or create it. Views, temporary and unlogged tables are not in the log.",
        )
    return found


def ensure_publications(
    connection: psycopg.Connection[Any], main: str, inserts: str, tables: Mapping[TableId, CatalogTable], connector: str
) -> list[str]:
    """Create our publications, or bring their tables up to the file's; returns the names to subscribe to.

    Tables whose UPDATE and DELETE the log could not identify go into ``inserts``, which publishes neither: in the main
    publication the application's own UPDATE would fail (F21).
    """
    names = []
    for name, can_change in ((main, True), (inserts, False)):
        wanted = [table for table, info in tables.items() if info.can_change is can_change]
        exists = publication_exists(connection, name)
        if not wanted and not exists and not (can_change and not tables):
            continue
        try:
            if exists:
                _alter_publication(connection, name, wanted)
            else:
                _create_publication(connection, name, wanted, _ACTIONS[can_change])
        except psycopg.Error as error:
            raise _not_ours(error, name, wanted, _ACTIONS[can_change], connector) from None
        names.append(name)
    return names


def publication_exists(connection: psycopg.Connection[Any], name: str) -> bool:
    """Whether there is a publication of that name."""
    query = "SELECT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = %s)"
    return bool(row(connection, query, (name,))[0])


def create_publication_sql(name: str, tables: Iterable[TableId], actions: str, server_version: int) -> str:
    """The statement that makes a publication; also what a hint shows."""
    listed = ", ".join(quoted(table) for table in tables)
    options = [f"publish = '{actions}'", "publish_via_partition_root = true"]
    if server_version >= 180_000:
        options.append("publish_generated_columns = stored")  # F41: the snapshot reads what the publication sends
    target = f" FOR TABLE {listed}" if listed else ""
    return f"CREATE PUBLICATION {_identifier(name)}{target} WITH ({', '.join(options)});"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _create_publication(connection: psycopg.Connection[Any], name: str, tables: list[TableId], actions: str) -> None:
    connection.execute(create_publication_sql(name, tables, actions, connection.info.server_version).encode())


def _alter_publication(connection: psycopg.Connection[Any], name: str, wanted: list[TableId]) -> None:
    listed = connection.execute(
        "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_publication_rel r"
        " JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid JOIN pg_catalog.pg_class c ON c.oid = r.prrelid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = %s",
        (name,),
    ).fetchall()
    present = {(schema, table) for schema, table in listed}
    for word, tables in (
        ("ADD", [table for table in wanted if tuple(table) not in present]),
        ("DROP", sorted(present - {tuple(table) for table in wanted})),
    ):
        for table in tables:
            # A lock that the application waits behind is held for moments only.
            statement = f"ALTER PUBLICATION {_identifier(name)} {word} TABLE {'.'.join(map(_identifier, table))}"
            with connection.transaction():
                connection.execute("SET LOCAL lock_timeout = '2s'")
                connection.execute(statement.encode())


def _not_ours(error: psycopg.Error, name: str, tables: list[TableId], actions: str, connector: str) -> Exception:
    if error.sqlstate != "42501":
        return translate(error, f"{connector}: publication {name}")
    return Failed(
        "permission",
        f"{connector}: this role may not make the publication {name}: {error.diag.message_primary}",
        hint="Let the tables' owner run, and set `publication: {name: …, manage: false}`:\n  "
        + create_publication_sql(name, tables, actions, 0),
    )


def check_publications(
    connection: psycopg.Connection[Any], main: str, inserts: str, tables: Mapping[TableId, CatalogTable], connector: str
) -> list[str]:
    """A publication that the operator manages must send every captured table; returns the names to subscribe to.

    Raises:
        Failed: ``publication_missing``, ``not_published``.
    """
    names = [name for name in (main, inserts) if publication_exists(connection, name)]
    if main not in names:
        raise Failed(
            "publication_missing",
            f"{connector}: there is no publication {main}, and `manage: false` forbids to make it",
            hint=create_publication_sql(main, tables, _ACTIONS[True], connection.info.server_version),
        )
    published = published_tables(connection, names)
    for table, info in tables.items():
        if table not in published:
            partitioned = f" If it is there: ALTER PUBLICATION {_identifier(main)} SET (publish_via_partition_root);"
            raise Failed(
                "not_published",
                f"{connector}: {table} is not in the publication {main}",
                hint=f"ALTER PUBLICATION {_identifier(main)} ADD TABLE {quoted(table)};"
                + (partitioned if info.kind == "p" else ""),
            )
    _check_actions(connection, names, connector)
    return names


def _check_actions(connection: psycopg.Connection[Any], names: list[str], connector: str) -> None:
    insert, update, delete, truncate = row(
        connection,
        "SELECT bool_and(pubinsert), bool_or(pubupdate), bool_or(pubdelete), bool_and(pubtruncate)"
        " FROM pg_catalog.pg_publication WHERE pubname = ANY(%s)",
        (names,),
    )
    if not (insert and update and delete and truncate):
        raise Failed(
            "not_published",
            f"{connector}: the publication {names[0]} leaves out some kinds of change",
            hint=f"ALTER PUBLICATION {_identifier(names[0])} SET (publish = '{_ACTIONS[True]}');",
        )


def published_tables(connection: psycopg.Connection[Any], names: Sequence[str]) -> dict[TableId, Published]:
    """What these publications send, by table; partitions under their root where they are published so."""
    from connect.schema.model import TableId  # noqa: PLC0415 - the only use at run time

    details = "attnames::text[], rowfilter" if connection.info.server_version >= 150_000 else "NULL, NULL"
    rows = connection.execute(
        f"SELECT schemaname::text, tablename::text, {details}"  # noqa: S608 - our own words
        " FROM pg_catalog.pg_publication_tables WHERE pubname = ANY(%s)".encode(),
        (list(names),),
    ).fetchall()
    return {
        TableId(schema, table): Published(tuple(columns) if columns is not None else None, row_filter)
        for schema, table, columns, row_filter in rows
    }


def drop_all(connection: psycopg.Connection[Any], slot: str, publications: Sequence[str]) -> list[str]:
    """Drop the slot and our publications, where they exist; one sentence for each thing done."""
    done = []
    if read_slot(connection, slot) is not None:
        connection.execute("SELECT pg_catalog.pg_drop_replication_slot(%s)", (slot,))
        done.append(f"dropped the replication slot {slot}")
    for name in publications:
        if publication_exists(connection, name):
            connection.execute(sql.SQL("DROP PUBLICATION {}").format(sql.Identifier(name)))
            done.append(f"dropped the publication {name}")
    return done
