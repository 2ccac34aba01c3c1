"""The replication slot: whether it can go on, how it is made and dropped (rule S10, F-4)."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg.pq import ExecStatus

from connect.errors import Failed
from connectors.postgres.config import default_name, default_prefix, inserts_publication
from connectors.postgres.errors import translate
from connectors.postgres.position import format_lsn, parse_lsn
from connectors.postgres.server import pause, row, whose

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from connectors.postgres.position import PostgresPosition

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


class Orphan(NamedTuple):
    """A slot or publication that has a name of our group and that no source of the file owns."""

    what: str  # what an operator should know
    remedy: str  # what takes it away


def orphans(
    connection: psycopg.Connection[Any], group: str, peers: Collection[str], kept: Collection[str]
) -> list[Orphan]:
    """What sources left behind in this database which the file has no more; none where ``peers`` is empty.

    ``kept`` are those that a source of the file gives by name: a renamed one keeps what its old name named.
    """
    if not peers:
        return []
    owned = {default_name(group, peer) for peer in peers} | set(kept)
    slots = connection.execute(
        "SELECT slot_name::text, active, pg_catalog.pg_size_pretty(pg_catalog.pg_wal_lsn_diff("
        "pg_catalog.pg_current_wal_lsn(), restart_lsn)) FROM pg_catalog.pg_replication_slots"
        " WHERE starts_with(slot_name::text, %s) AND database = current_database() ORDER BY slot_name",
        (default_prefix(group),),
    ).fetchall()
    owned |= {name for name, active, _ in slots if active}  # somebody reads it: another file has it
    publications = connection.execute(
        "SELECT pubname::text FROM pg_catalog.pg_publication WHERE starts_with(pubname::text, %s) ORDER BY pubname",
        (default_prefix(group),),
    ).fetchall()
    owned |= {inserts_publication(name) for name in owned}
    return [
        *(_left_slot(name, held or "none") for name, _, held in slots if name not in owned),
        *(_left_publication(name) for (name,) in publications if name not in owned),
    ]


def _left_slot(name: str, held: str) -> Orphan:
    message = f"the slot {name} holds {held} of WAL and belongs to no source of the file"
    return Orphan(message, f"If no other file has it: SELECT pg_drop_replication_slot('{name}');")


def _left_publication(name: str) -> Orphan:
    remedy = f'If no other file has it: DROP PUBLICATION "{name}";'
    return Orphan(f"the publication {name} belongs to no source of the file", remedy)


def check_slot(slot: Slot | None, name: str, position: PostgresPosition, database: str) -> None:
    """Whether the slot can go on right after the stored position (rule S10, F11-F13).

    Raises:
        Failed: ``slot_missing``, ``slot_foreign``, ``slot_lost``, ``gap``. Nothing is created.
    """
    if slot is None:
        raise Failed(
            "slot_missing",
            f"the slot {name} is gone, and with it the changes since {position}",
            hint="`connect remove SOURCE FILE` and start anew: the tables are read again.",
        )
    check_usable(slot, database)
    if slot.confirmed_lsn > position.lsn:
        raise Failed(
            "gap",
            f"the slot {name} starts at {format_lsn(slot.confirmed_lsn)}, after the stored position {position}: it was "
            "dropped and made again, or somebody else read it",
            hint="The changes between are gone for this slot: `connect remove SOURCE FILE` and start anew.",
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
            hint="Raise max_slot_wal_keep_size (and idle_replication_slot_timeout), then `connect remove SOURCE "
            "FILE` and start anew: the tables are read again.",
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


_WAITED_FOR: Final = """
SELECT transactionid::text::int8 FROM pg_catalog.pg_locks
 WHERE pid = %s AND NOT granted AND locktype = 'transactionid'
"""


def create_slot(
    creator: psycopg.Connection[Any],
    watcher: psycopg.Connection[Any],
    name: str,
    say: Callable[[str], None],
    stopping: Callable[[], bool],
    *,
    temporary: bool = False,
) -> int:
    """Create the slot and return the LSN where it starts. The server waits for every open transaction meanwhile.

    Args:
        creator: Runs the statement; nothing else uses it meanwhile. For a temporary slot the walsender that will read
            it: such a slot is its session's, and ends with it.
        watcher: Asks for whom it waits.
        name: Of the slot.
        say: Hears for whom it waits: pid and age.
        stopping: Ends the wait; the half-made slot is dropped by the server.
        temporary: Made by the replication protocol's own command.
    """
    pgconn = creator.pgconn
    if temporary:
        command = f'CREATE_REPLICATION_SLOT "{name}" TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT'
        pgconn.send_query(command.encode())  # its second column is the LSN, as is the function's
    else:
        query = b"SELECT slot_name, lsn FROM pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')"
        pgconn.send_query_params(query, [name.encode()])
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
    return parse_lsn((result.get_value(0, 1) or b"").decode())


def _waits_for(watcher: psycopg.Connection[Any], pid: int, name: str) -> str:
    whom = whose(watcher, [transaction for (transaction,) in watcher.execute(_WAITED_FOR, (pid,))])
    if whom:
        return f"creating the slot {name} waits for {whom}"
    return f"creating the slot {name}: the server waits until the transactions that are open now have ended"


def drop_slot(connection: psycopg.Connection[Any], name: str) -> list[str]:
    """Drop the slot where it exists; one sentence for each thing done."""
    if read_slot(connection, name) is None:
        return []
    connection.execute("SELECT pg_catalog.pg_drop_replication_slot(%s)", (name,))
    return [f"dropped the replication slot {name}"]
