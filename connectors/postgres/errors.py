"""Errors of libpq and of the server → the errors of Connect: the one table of SQLSTATEs (rule W4)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from connect.errors import ConnectError, Failed, Retriable
from connectors.postgres.relations import quoted

if TYPE_CHECKING:
    import psycopg

    from connect.schema.model import TableId

UNREACHABLE: Final = "source_unreachable"

POOLER: Final = (
    "The log needs the server's own address. Neon: the one without -pooler; Supabase: db.PROJECT.supabase.co; "
    "PgBouncer lets it through from 1.23 on, in a pool of its own with pool_mode=session."
)
_AGAIN = "Check the address; if it lasts, look at the server's log and at the network between."

# By SQLSTATE, or by its first two characters (the class). None instead of a code: the world is not there right now.
_BY_SQLSTATE: Final[dict[str, tuple[str | None, str]]] = {
    "08": (None, _AGAIN),  # connection exceptions
    "53": (None, "The server is out of connections, memory or disk: raise max_connections or free space."),
    "53400": ("no_free_slot", "Raise max_replication_slots, or drop a slot that nobody reads."),
    "55P03": (None, "A lock is held by another transaction."),
    "57P": (None, _AGAIN),  # shutdown, crash of another backend, starting up
    "57014": ("query_budget", "The statement was cancelled: snapshot.max_query or somebody's pg_cancel_backend."),
    "40": (None, _AGAIN),  # serialization failure, deadlock
    "58030": (None, "The server met an I/O error: look at its disk."),
    "55006": ("slot_busy", "Another client reads the slot: stop it, or give this source a slot name of its own."),
    "28P01": ("password", "Set the right password in `password:` or in the URL."),
    "28": ("permission", "Let pg_hba.conf admit this role, and ALTER ROLE … REPLICATION LOGIN."),
    "3D000": ("database_missing", "The database of the URL does not exist on this server."),
    "42501": ("permission", "Grant what the message names; `connect doctor` prints the exact SQL."),
    "42P01": ("table_missing", "Take the table out of the file, or create it."),
    "42703": ("column_missing", "Take the column out of the file, or add it to the table."),
}
_LOST: Final = "Changes since are gone for this slot: raise the setting, `connect remove SOURCE FILE`, and start anew."
_IN_THE_STREAM: Final[dict[str, tuple[str | None, str]]] = {
    "55000": ("slot_lost", f"max_slot_wal_keep_size or idle_replication_slot_timeout ended the slot. {_LOST}"),
    "58P01": ("slot_lost", f"WAL that the slot needs was removed. {_LOST}"),
    "42704": (
        "publication_missing",
        "The slot cannot pass a point of the log without its publication (F20): `connect remove SOURCE FILE`.",
    ),
}

# libpq gives no SQLSTATE for a connection that never came up; the server's text may be translated, so what is not
# recognised is retried with its text shown.
_BY_TEXT: Final[tuple[tuple[str, str, str], ...]] = (
    (r"password authentication failed|no password supplied", "password", _BY_SQLSTATE["28P01"][1]),
    (r"no pg_hba\.conf entry", "permission", "Add a line for this role and address to pg_hba.conf, then reload."),
    (
        r"must be superuser or replication role|permission denied to start WAL sender",
        "permission",
        "ALTER ROLE … REPLICATION; what it is on a managed server, `connect doctor` says.",
    ),
    (r"unsupported startup parameter", "pooler", POOLER),
    (r'role ".*" is not permitted to log in', "permission", "ALTER ROLE … LOGIN;"),
    (r'role ".*" does not exist', "permission", "CREATE ROLE … LOGIN REPLICATION PASSWORD '…';"),
    (r'database ".*" does not exist', "database_missing", _BY_SQLSTATE["3D000"][1]),
    (r"permission denied for database", "permission", "GRANT CONNECT ON DATABASE … TO …;"),
    (
        r"does not support SSL|certificate verify failed|server certificate for|certificate file|private key file",
        "tls",
        "Check sslmode and sslrootcert in the URL against the server's certificate.",
    ),
)

# What libpq puts before the server's words; every message says where it connects to.
_ADDRESS: Final = re.compile(r"^connection failed: connection to server at \S+ port \d+ failed: ")


def translate(
    error: psycopg.Error, where: str, *, stream: bool = False, role: str = "…", table: TableId | None = None
) -> ConnectError:
    """What a psycopg error means to the task.

    Args:
        error: Its message is the server's primary message or libpq's; the server's detail is left out, since it may
            hold row values.
        where: Who met it, for example ``shop: reading public.orders``.
        stream: It ended the replication stream, where some states have a meaning of their own.
        role: Who asked, as SQL, for the statement of the hint.
        table: What was read, for the same.
    """
    state = error.sqlstate
    if state is None:
        return _from_text(str(error), where, role)
    message = f"{where}: {error.diag.message_primary or type(error).__name__} (SQLSTATE {state})"
    if stream and state in _IN_THE_STREAM:
        return _build(*_IN_THE_STREAM[state], message)
    if state == "42501" and table is not None and "row-level security" in message:
        return Failed("permission", message, hint=f"ALTER ROLE {role} BYPASSRLS; the log shows all rows anyway (F31).")
    if state == "42501" and table is not None:
        schema = quoted(table).partition(".")[0]
        grant = f"GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON {quoted(table)} TO {role};"
        return Failed("permission", message, hint=grant)
    for key in (state, state[:3], state[:2]):
        if key in _BY_SQLSTATE:
            return _build(*_BY_SQLSTATE[key], message)
    return Failed("source_error", message, hint="The server refused what Connect asked for; its log says more.")


def _build(code: str | None, hint: str, message: str) -> ConnectError:
    if code is None:
        return Retriable(message, code=UNREACHABLE, hint=hint)
    if code in {"query_budget", "slot_busy"}:
        return Retriable(message, code=code, hint=hint)
    return Failed(code, message, hint=hint)


def _from_text(text: str, where: str, role: str) -> ConnectError:
    for pattern, code, hint in _BY_TEXT:
        if re.search(pattern, text):
            filled = re.sub("(ROLE|TO) …", lambda found: f"{found[1]} {role}", hint)
            return Failed(code, f"{where}: {_one_line(text)}", hint=filled)
    return Retriable(f"{where}: {_one_line(text)}", code=UNREACHABLE, hint=_AGAIN)


def _one_line(text: str) -> str:
    return _ADDRESS.sub("", " ".join(text.split()))[:500]
