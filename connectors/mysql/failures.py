"""What ``connect explain CODE`` says of this plugin's codes: what happened, is anything lost, what to do."""

from __future__ import annotations

from typing import Final

_WAITS: Final = "Nothing is lost while the server keeps its log: the stored position is left as it is."
_GONE: Final = "What was published stays; changes after the stored position that this server no longer has are gone."
_ANEW: Final = "Run `connect remove SOURCE FILE`, then start anew: the tables are read again."
_NEWER: Final = "Run a newer version of Connect; report it, with the server's version, if there is none."
_METADATA: Final = "SET GLOBAL binlog_row_metadata = FULL, so that the log describes its tables from then on."

_SERVER: Final[dict[str, tuple[str, str, str]]] = {
    "source_unreachable": (
        "The MySQL or MariaDB server did not answer, refused the connection for now, or the link broke.",
        _WAITS,
        "A worker tries again by itself; if it lasts, check the address, the server's log and the network between.",
    ),
    "stopping": (
        "The source was asked to stop while it waited for the server.",
        _WAITS,
        "Nothing; the next start goes on where this one stood.",
    ),
    "password": (
        "The server refused the user or the password.",
        _WAITS,
        "Mend `password:` or the URL, and restart; a file behind ${file:…} is read again at each connection.",
    ),
    "permission": (
        "The account lacks a right that the message names.",
        _WAITS,
        "Run the SQL of the hint; `connect doctor` lists every missing right with its statement.",
    ),
    "auth_plugin": (
        "The account logs in by a method that Connect does not have, or that would give the password away.",
        _WAITS,
        "ALTER USER … IDENTIFIED WITH caching_sha2_password (MySQL) or VIA ed25519 (MariaDB); or use TLS.",
    ),
    "tls": (
        "The TLS handshake with the server failed: a certificate or the mode does not fit, or the server has no TLS.",
        _WAITS,
        "Check `tls:` against the server's certificate and the account's REQUIRE clause.",
    ),
    "protocol": (
        "The server sent what a MySQL or MariaDB server does not send.",
        _WAITS,
        "Check the address and for a proxy between worker and server; report it, with the server's version.",
    ),
    "database_missing": (
        "The database of the URL does not exist on the server.",
        _WAITS,
        "Mend the URL, or leave the database out of it: tables are named in full.",
    ),
    "server_too_old": (
        "The server is older than MySQL 8.0 or MariaDB 10.5.",
        "Nothing is lost: nothing was started.",
        "Upgrade the server.",
    ),
    "log_off": (
        "The server writes no binary log.",
        "Nothing is lost: nothing was started.",
        "Start the server with log_bin, binlog_format=ROW and binlog_row_metadata=FULL.",
    ),
    "binlog_format": (
        "The server's log holds statements instead of rows.",
        "Nothing is lost: nothing was started.",
        "SET PERSIST binlog_format = ROW; (MariaDB: SET GLOBAL, and in my.cnf). Open sessions keep their own setting.",
    ),
    "server_id_zero": (
        "The server has the id 0, with which it lets no replica connect.",
        "Nothing is lost: nothing was started.",
        "SET PERSIST server_id = 1; (MariaDB: SET GLOBAL, and in my.cnf) with a number that no other server has.",
    ),
    "server_id_clash": (
        "Another replica, or another worker, reads from the server with the id of this source.",
        _WAITS,
        "Stop the other one, or give each source a `server_id` of its own.",
    ),
    "server_changed": (
        "The address led a snapshot to another server than the stream: a failover, or a balancer in between.",
        _WAITS,
        "A worker starts over from the stored position by itself; if it lasts, name one server in the URL.",
    ),
    "source_error": (
        "The server refused a statement for a reason that Connect does not know.",
        _WAITS,
        "Read the message and the server's log.",
    ),
}

_POSITION: Final[dict[str, tuple[str, str, str]]] = {
    "offset_format": (
        "The stored position is not one that this version of the MySQL source understands.",
        _WAITS,
        "Run the version that wrote it.",
    ),
    "log_purged": (
        "The server has removed the part of its log that comes after the stored position.",
        _GONE,
        f"{_ANEW} Keep the log longer than any stop may last: binlog_expire_logs_seconds.",
    ),
    "log_reset": (
        "The server's log was reset, renamed or cut: the stored position is not in it, or its file was made anew.",
        _GONE,
        _ANEW,
    ),
    "log_unreadable": (
        "The server cannot send its log.",
        _WAITS,
        "Read the server's error log: a damaged file or a full disk must be mended there first.",
    ),
    "wrong_branch": (
        "After a failover or a restore the server lacks transactions that were delivered already.",
        "The topics hold changes that the server no longer has; nothing was added to them.",
        f"Go back to a server that has them, or: {_ANEW}",
    ),
    "other_server": (
        "The stored position is a file of another server's log, which means nothing on this one.",
        "Nothing is lost: nothing was read from this server.",
        f"Go back to that server, or: {_ANEW} With GTIDs a source can follow a failover.",
    ),
    "other_kind": (
        "The stored position is of MySQL and the server is MariaDB, or the other way round.",
        "Nothing is lost: nothing was read from this server.",
        f"Point the URL at the right server, or: {_ANEW}",
    ),
    "gtids_off": (
        "The stored position is one of GTIDs, and the server has turned them off.",
        _WAITS,
        f"Turn gtid_mode on again by its steps, or: {_ANEW}",
    ),
    "replay_mismatch": (
        "The server sent another transaction than the one whose first rows were delivered.",
        _WAITS,
        f"Was the server restored or failed over? {_ANEW}",
    ),
    "transaction_torn": (
        "A transaction of the log has no end: the server lost it in a crash.",
        "What was delivered of it was never committed by the server; nothing after it is missing.",
        _ANEW,
    ),
    "xa_open": (
        "XA transactions were prepared and open on the server that was read before, and this one keeps them elsewhere.",
        _WAITS,
        f"Go back to that server until they are committed or rolled back, or: {_ANEW}",
    ),
    "xa_unknown": (
        "An XA transaction was committed that had been prepared before the source began, so its rows are not known.",
        "Its rows are missing from the topics.",
        _ANEW,
    ),
    "snapshot_other_server": (
        "A table without a key was read from another server, whose log was not passed before this one took over.",
        "Nothing is lost; some rows of that table would have been published twice.",
        f"Go back to that server until the source is at the head of its log, or: {_ANEW}",
    ),
}

_LOG: Final[dict[str, tuple[str, str, str]]] = {
    "checksum": (
        "An event of the log arrived damaged, and damaged again when it was asked for once more.",
        _WAITS,
        "Look at the server's disk and the network between; a damaged file of the log cannot be passed.",
    ),
    "unknown_event": (
        "The log has an event that this version does not know and that may hold rows.",
        _WAITS,
        _NEWER,
    ),
    "incident": (
        "The server has written that its log lacks changes.",
        "Changes of the source are missing from its log, so from the topics too.",
        _ANEW,
    ),
    "statement_dml": (
        "A session wrote changes of a captured table as a statement instead of rows.",
        "The change is not in the topics; the position lies before it.",
        f"Take SET SESSION binlog_format away from that session. {_ANEW}",
    ),
    "rolled_back_rows": (
        "Part of a transaction was rolled back after its first rows had been delivered.",
        "Nothing is lost; the topics hold rows of that part that the server does not have.",
        f"Keep tables of other engines than InnoDB out of such transactions. {_ANEW}",
    ),
    "bad_table_map": ("A description of a table in the log cannot be read.", _WAITS, _NEWER),
    "bad_row_image": ("A row of the log does not have the form that the log describes.", _WAITS, _NEWER),
    "partial_image": (
        "A row of the log lacks a column of its key (binlog_row_image).",
        _WAITS,
        "SET GLOBAL binlog_row_image = FULL; sessions that are open keep their own setting. Then start anew.",
    ),
    "partial_json": (
        "A partial update of a JSON document does not fit the document before it, or is of an unknown form.",
        _WAITS,
        "SET GLOBAL binlog_row_value_options = ''; report it, with the server's version.",
    ),
    "undecodable_value": ("A value of the log is not of its type's form.", _WAITS, _NEWER),
    "unrepresentable_value": (
        "A value that is right in MySQL has no place in its column's schema, such as a zero date.",
        _WAITS,
        "Choose under `types:` what becomes of it, as the hint says, and restart.",
    ),
    "charset_unsupported": (
        "A column has a character set that Connect cannot decode.",
        _WAITS,
        "ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4; or leave the column out with `columns:`.",
    ),
    "old_temporal_format": (
        "A column holds times in MariaDB's format of before MySQL 5.6, whose length the log does not carry.",
        _WAITS,
        "SET GLOBAL mysql56_temporal_format = ON, ALTER TABLE … FORCE; then start the source anew.",
    ),
}

_TABLES: Final[dict[str, tuple[str, str, str]]] = {
    "table_missing": (
        "A captured table does not exist, or the account may not see it.",
        _WAITS,
        "Take it out of `tables:`, create it, or GRANT SELECT on it.",
    ),
    "column_missing": (
        "A column that the file names does not exist.",
        _WAITS,
        "Take it out of the file, or add it to the table.",
    ),
    "table_renamed": (
        "A captured table got a name that is not in the file, and was changed under it.",
        "Nothing is lost: the position lies before the first change under the new name.",
        "Name the table in the file's `tables:` and restart, or take it out of them.",
    ),
    "table_unknown": (
        "The log has rows of a table whose columns at that point are not known.",
        _WAITS,
        f"{_METADATA} For what is in the log already: {_ANEW}",
    ),
    "schema_mismatch": (
        "The log has rows of other columns than the table is known to have at that point.",
        _WAITS,
        f"{_METADATA} For what is in the log already: {_ANEW}",
    ),
    "ddl_not_understood": (
        "A statement that changed a captured table was not understood, and rows of the table follow it.",
        _WAITS,
        f"{_METADATA} For what is in the log already: {_ANEW}",
    ),
    "ddl_under_way": (
        "Captured tables are being altered all the time, so that their columns have no position in the log.",
        _WAITS,
        "A worker tries again by itself; it goes on once the statements have ended.",
    ),
    "history_note": (
        "The stored definition of a table is not one that this version understands.",
        _WAITS,
        "Run the version that wrote it.",
    ),
    "system_versioned": (
        "A captured table keeps its old rows (WITH SYSTEM VERSIONING), and the log has them as if they were current.",
        _WAITS,
        "ALTER TABLE … DROP SYSTEM VERSIONING, or take the table out of `tables:`.",
    ),
    "unknown_column_type": (
        "A captured table has a column of a type that this version does not know.",
        _WAITS,
        "Run a newer version of Connect, or take the table out of `tables:`.",
    ),
    "no_unique_key": (
        "A table has no unique index over NOT NULL columns, so its rows cannot be read in chunks.",
        _WAITS,
        "ALTER TABLE … ADD PRIMARY KEY, or set `snapshot: {mode: never}` for the table.",
    ),
    "key_note": (
        "The stored place of a snapshot in a table does not fit the table's key any more.",
        _WAITS,
        "Was the key's type changed amid the snapshot? Read the table anew.",
    ),
    "query_budget": (
        "Reading a chunk took longer than `snapshot.max_query`, or somebody ended the query.",
        "Nothing is lost: the chunk is asked for again with fewer rows.",
        "If it lasts at the smallest chunk, raise `snapshot.max_query` or look for a missing index.",
    ),
}

FAILURES: Final[dict[str, tuple[str, str, str]]] = {**_SERVER, **_POSITION, **_LOG, **_TABLES}
