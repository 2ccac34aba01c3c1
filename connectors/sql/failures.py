"""What ``connect explain CODE`` says of this plugin's codes: what happened, is anything lost, what to do."""

from __future__ import annotations

from typing import Final

_NOTHING: Final = "Nothing is lost: rows and position are one transaction, and the topics hold the records."
_REBUILD: Final = "Run connect rebuild SINK FILE; it reads its topics again from the start."

FAILURES: Final[dict[str, tuple[str, str, str]]] = {
    "target_unreachable": (
        "The target database did not answer, or the connection broke, perhaps before a commit was confirmed.",
        "Nothing is lost or repeated: after a new connection the stored position says what was committed.",
        "Check that the database runs and that url: is right; the sink tries again by itself.",
    ),
    "target_conflict": (
        "The database ended a transaction because of a deadlock, a lock or a time limit.",
        "Nothing is lost: the whole batch was rolled back and is written again.",
        "If it lasts, look in pg_stat_activity, or MySQL's SHOW PROCESSLIST, for who holds locks on the sink's tables.",
    ),
    "target_read_only": (
        "The target takes no writes: it is a standby, or was made read-only.",
        _NOTHING,
        "Point url: to the primary, or end default_transaction_read_only (MySQL: read_only).",
    ),
    "target_credentials": (
        "The target refused the login.",
        _NOTHING,
        "Mend url: and password:, and pg_hba.conf or the account's host and plugin, then start the worker again.",
    ),
    "target_database": (
        "The server has no database of the name that url: gives.",
        _NOTHING,
        "CREATE DATABASE it or mend url:.",
    ),
    "target_url": (
        "url: is no address that the database's client understands.",
        _NOTHING,
        "Write postgresql://user@host:port/database, mysql://user@host:port/database or sqlite:///path.",
    ),
    "target_tls": (
        "No encrypted link with the target came up, or a file of a certificate or key cannot be read.",
        _NOTHING,
        "Check tls:, or sslmode and sslrootcert of a Postgres URL, against its certificate; MySQL: REQUIRE too.",
    ),
    "target_version": (
        "The target is a MySQL before 8.0.19 or a MariaDB before 10.5.",
        _NOTHING,
        "Upgrade the server, or point url: to a newer one.",
    ),
    "target_engine": (
        "A table of the sink is not InnoDB, so its rows would not be in one transaction with the position.",
        _NOTHING,
        "ALTER TABLE it to ENGINE = InnoDB, as the hint shows, then start the connector again.",
    ),
    "target_schema": (
        "The sink's user has no schema to make tables in.",
        _NOTHING,
        "Set schema: of the sink, or ALTER ROLE its user SET search_path.",
    ),
    "target_permission": (
        "The sink's user lacks a right in the target.",
        _NOTHING,
        "GRANT it; connect doctor prints the exact statement.",
    ),
    "target_kind": (
        "A view, or a table that differs by upper and lower case only, has the name of the target.",
        _NOTHING,
        "Give the topic another table: name.",
    ),
    "target_missing": (
        "A table that the stored position describes is gone.",
        "The topics hold every record; what the table held is wherever it went.",
        f"Restore the table together with the connect_ tables, or start over: {_REBUILD}",
    ),
    "target_changed": (
        "A table is not the one that the stored position describes: it was made again or swapped, or table: changed.",
        "Nothing was written into it; the topics hold every record.",
        f"Put the old table, or the old name in table:, back. Or DROP the new one if it is not needed. {_REBUILD}",
    ),
    "target_column": (
        "A column of the target was dropped or altered so that values do not fit, or two names differ by case only.",
        _NOTHING,
        "Run the ALTER TABLE of the hint, or rename the column at this sink with its transform; or rebuild the sink.",
    ),
    "target_shared": (
        "Two topics, or two sinks, would fill one table.",
        _NOTHING,
        'Give one of them a table: of its own, for example "{schema}_{table}".',
    ),
    "target_refused": (
        "The database refused a statement for a reason that no retry and no row explains.",
        _NOTHING,
        "Look at the database's log at that time; connect doctor checks rights and versions.",
    ),
    "key_changed": (
        "The target has no primary or unique key of the columns that are the topic's key.",
        _NOTHING,
        f"Add the key with the ALTER TABLE of the message, or start over: {_REBUILD}",
    ),
    "name_too_long": (
        "A table or column name is empty or longer than the database allows; cut names could clash.",
        _NOTHING,
        "Give the topic a shorter table:, or rename the column in a transform.",
    ),
    "position_changed": (
        "Somebody changed connect_positions while the sink ran.",
        "Nothing was written after the change was seen.",
        "Restart the sink to go on from what stands there, or rebuild it.",
    ),
}
