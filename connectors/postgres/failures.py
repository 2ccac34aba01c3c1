"""What ``connect explain CODE`` says of this plugin's codes: what happened, is anything lost, what to do."""

from __future__ import annotations

from typing import Final

_WAITS: Final = "Nothing is lost while the slot keeps the log: the stored position and the slot are left as they are."
_GONE: Final = "What was published stays; the changes after the stored position that this slot no longer has are gone."
_ANEW: Final = "Run `connect remove SOURCE FILE`, then start anew: the tables are read again."
_NEW_PUBLICATION: Final = (
    "Before the first start, with `publication: {manage: false}`: create it by the hint's SQL. Later, one made now is "
    "too young for the slot. If only a table that was just named needs it, take that table out again. Else:"
)

FAILURES: Final[dict[str, tuple[str, str, str]]] = {
    "source_unreachable": (
        "The Postgres server did not answer, refused the connection for now, or the link broke.",
        _WAITS,
        "A worker tries again by itself; if it lasts, check the address, the server's log and the network between.",
    ),
    "stopping": (
        "The source was asked to stop while it waited for the server.",
        _WAITS,
        "Nothing; the next start goes on where this one stood.",
    ),
    "password": (
        "The server refused the password.",
        _WAITS,
        "Mend `password:` or the URL, and restart; a file behind ${file:…} is read again at each connection.",
    ),
    "permission": (
        "The role lacks a right that the message names.",
        _WAITS,
        "Run the SQL of the hint; `connect doctor` lists every missing right with its statement.",
    ),
    "tls": (
        "The TLS handshake with the server failed: a certificate or the sslmode does not fit.",
        _WAITS,
        "Check sslmode, sslrootcert and sslcert in the URL against the server's certificate.",
    ),
    "bad_url": (
        "The source's URL cannot be read.",
        "Nothing is lost: nothing was started.",
        "Write postgresql://user@host:port/database and percent-encode special characters.",
    ),
    "database_missing": (
        "The database of the URL does not exist on the server.",
        _WAITS,
        "Mend the URL, or create the database.",
    ),
    "publication_shared": (
        "The publication sends a table that this source never captured: taken out, it would be missing elsewhere.",
        "Nothing is lost: nothing was changed.",
        "Give the source a publication of its own, or say manage: false.",
    ),
    "pooler": (
        "The address leads to a connection pooler, which does not pass on the log or a connection's settings.",
        "Nothing is lost: nothing was read.",
        "Use the server's own address, or PgBouncer 1.23 or newer with a pool of its own in session mode.",
    ),
    "server_too_old": (
        "The server is older than PostgreSQL 13.",
        "Nothing is lost: nothing was started.",
        "Upgrade the server.",
    ),
    "standby": (
        "The URL leads to a standby, where the marks of snapshots cannot be written.",
        _WAITS,
        "Point the URL at the primary, for example with target_session_attrs=read-write.",
    ),
    "wal_level": (
        "The server's log does not carry rows.",
        "Nothing is lost: nothing was started.",
        "ALTER SYSTEM SET wal_level = logical; then restart the server. A managed platform's step is told by `doctor`.",
    ),
    "no_free_slot": (
        "All replication slots or WAL senders of the server are in use.",
        _WAITS,
        "Raise max_replication_slots or max_wal_senders, or drop a slot that nobody reads.",
    ),
    "slot_busy": (
        "Another client reads the slot, longer than a dead one could keep it.",
        _WAITS,
        "Stop the other client, or give this source a slot name of its own; Connect never terminates it.",
    ),
    "slot_missing": ("The slot is gone although a position is stored.", _GONE, _ANEW),
    "slot_foreign": (
        "A slot of this name exists that decodes another database or with another plugin.",
        _WAITS,
        "Give the source a slot name of its own: `slot: NAME`.",
    ),
    "slot_lost": (
        "The server invalidated the slot, or removed WAL that it needs.",
        _GONE,
        f"Raise max_slot_wal_keep_size or idle_replication_slot_timeout. {_ANEW}",
    ),
    "gap": (
        "The slot starts after the stored position: it was made again, or somebody else read it.",
        _GONE,
        _ANEW,
    ),
    "other_system": (
        "The server is another cluster than the one whose position is stored.",
        "Nothing is lost: nothing was read from this server.",
        f"Point the URL at the right server; after pg_upgrade or a move: {_ANEW}",
    ),
    "wrong_branch": (
        "After a failover or a restore the server lacks changes that were delivered already.",
        "The topics hold changes that the server no longer has; nothing was added to them.",
        f"{_ANEW} Set synchronized_standby_slots, so that a standby never falls behind its readers.",
    ),
    "replay_mismatch": (
        "The server sent another transaction than the one whose first rows were delivered.",
        _WAITS,
        f"Was the server restored or failed over? {_ANEW}",
    ),
    "offset_format": (
        "The stored position is not one that this version of the Postgres source understands.",
        _WAITS,
        "Run the version that wrote it.",
    ),
    "publication_missing": (
        "A publication does not exist, or did not exist at the slot's point of the log: not made yet, or dropped.",
        "The server would leave changes out there, so nothing was delivered past that point.",
        f"{_NEW_PUBLICATION} {_ANEW}",
    ),
    "not_published": (
        "A publication that the operator manages does not send everything that the file captures.",
        "Nothing is lost so far: nothing was started.",
        "Run the ALTER PUBLICATION of the hint, or let Connect manage the publication.",
    ),
    "table_missing": (
        "A captured table does not exist.",
        _WAITS,
        "Take it out of `tables:`, or create it; a table that was made again needs a snapshot of its own.",
    ),
    "column_missing": (
        "A column that the file names does not exist.",
        _WAITS,
        "Take it out of the file, or add it to the table.",
    ),
    "table_renamed": (
        "A captured table got a name that is not in the file.",
        "Nothing is lost: the position lies before the first change under the new name.",
        "Name the table in the file's `tables:` and restart, or rename it back.",
    ),
    "table_replaced": (
        "A captured table was dropped and made again under its name, or swapped for another one.",
        "Changes between that moment and now were not in the publication; what was published stays.",
        _ANEW,
    ),
    "key_outside_identity": (
        "A topic-key column is not in the table's replica identity, so a change of it could not remove the old key.",
        _WAITS,
        "ALTER TABLE … REPLICA IDENTITY FULL; or choose key columns inside the identity.",
    ),
    "no_unique_key": (
        "A table has no unique index over NOT NULL columns, so its rows cannot be read in chunks.",
        _WAITS,
        "Create such an index, or set `snapshot: {mode: never}` for the table.",
    ),
    "unknown_relation": (
        "The stream carried a row of a table that it did not describe before.",
        _WAITS,
        "Restart the source; report it if it lasts.",
    ),
    "query_budget": (
        "Reading a chunk took longer than `snapshot.max_query`.",
        "Nothing is lost: the chunk is asked for again with fewer rows.",
        "If it lasts at the smallest chunk, raise `snapshot.max_query` or look for a missing index.",
    ),
    "source_error": (
        "The server refused a statement for a reason that Connect does not know.",
        _WAITS,
        "Read the message and the server's log.",
    ),
}
