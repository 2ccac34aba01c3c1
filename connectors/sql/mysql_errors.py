"""Errors of MySQL, MariaDB and PyMySQL → the sink's errors, by number (rule W4)."""

from __future__ import annotations

import re
import ssl
from typing import Final

from connect.errors import ConnectError, Failed, Retriable
from connectors.sql.database import BadRowsError, TakenKeyError

UNREACHABLE: Final = "target_unreachable"

# What the sink's user needs on its database: DROP for `connect rebuild`, the last for deletes and partial rows.
RIGHTS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "CREATE TEMPORARY TABLES")

_GONE: Final = frozenset(
    {2002, 2003, 2005, 2006, 2012, 2013, 2014, 2027, 2055}  # of the client
    | {1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1927, 3168, 3169, 4031}  # shut down, killed, timed out
    | {1021, 1037, 1038, 1040, 1041, 1114, 1129, 1135, 1203, 1226}  # out of disk, memory, connections
)
_CONFLICT: Final = frozenset({1020, 1205, 1213, 1317, 1412, 1613, 1614, 1615, 1969, 3024, 3058, 3572})
_READ_ONLY: Final = frozenset({1290, 1792, 1836, 3909})
_CREDENTIALS: Final = frozenset({1045, 1130, 1251, 1524, 1698, 1820, 1862, 2059, 2061, 3118, 4151})
_TLS: Final = frozenset({2026, 3159})
_PERMISSION: Final = frozenset({1044, 1142, 1143, 1227, 1370, 1410, 1419})
_MISSING: Final = frozenset({1051, 1146, 1932, 1049})
_COLUMN: Final = frozenset({1054, 1060, 1072, 1906, 3105})
# Null, duplicate, out of range, cut, wrong for the type, charset or constraint; too large for a page.
_BAD_ROWS: Final = frozenset(
    {1022, 1048, 1062, 1118, 1153, 1216, 1217, 1263, 1264, 1265, 1292, 1300, 1364, 1366, 1367, 1406, 1411, 1416, 1441}
    | {1451, 1452, 1525, 1526, 1557, 1586, 1690, 1748, 1761, 1762, 3037, 3064, 3140, 3141, 3146, 3151, 3155, 3156, 3157}
    | {3516, 3548, 3560, 3616, 3617, 3643, 3668, 3679, 3732, 3819, 3854, 4025, 4038, 4078, 6136}
)
_TAKEN: Final = frozenset({1022, 1062, 1586})
# Where strict mode only notes what it did to a value.
CHANGED_VALUES: Final = frozenset({1048, 1263, 1264, 1265, 1292, 1300, 1364, 1365, 1366, 1406, 1411, 1441, 1690})
_COLUMN_OF: Final = re.compile(r"(?s).*[Ff]or (?:column|key) (['`].*?['`])(?: at row \d+)?\s*$")
_FIELD: Final = re.compile(r"(?:Column|Field) '([^']+)' (?:cannot be null|doesn't have a default value)")
_STATEMENT_LOG: Final = 1665


def number_of(error: Exception) -> int:
    """The server's or client's number of an error, 0 where it has none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def translate(error: Exception, *, ddl: bool = False) -> ConnectError | BadRowsError:
    """Our error for one of PyMySQL's. The server's words quote values and stay out, but those about DDL (F175)."""
    number = number_of(error)
    text = f"{type(error).__name__} ({number or 'the connection was closed'}){_place(error)}"
    if ddl and len(error.args) > 1 and number not in _GONE | _CONFLICT:
        text = f"{' '.join(str(error.args[1]).split())[:300]} ({number})"
    elif number in _BAD_ROWS:
        return (TakenKeyError if number in _TAKEN else BadRowsError)(text)
    if not number or number in _GONE:
        return Retriable(f"the target database went away: {text}", code=UNREACHABLE)
    if number in _CONFLICT:
        hint = "Look at SHOW ENGINE INNODB STATUS and the processlist for who holds locks on the sink's tables."
        return Retriable(f"the target database gave up: {text}", code="target_conflict", hint=hint)
    if number in _READ_ONLY:
        return Retriable("the target database takes no writes", code="target_read_only", hint="Is it a replica?")
    return _refusal(number, text)


def _refusal(number: int, text: str) -> ConnectError:
    if number in _PERMISSION:
        hint = "GRANT it to the user; connect doctor prints the statement."
        return Failed("target_permission", f"a right is missing in the target: {text}", hint=hint)
    if number in _MISSING:
        hint = "Restore the table with its bookkeeping, or run connect rebuild SINK FILE."
        return Failed("target_missing", f"a table of the sink is gone or another one: {text}", hint=hint)
    if number in _COLUMN:
        hint = "Undo the change of the table, or run connect rebuild SINK FILE; names that differ by case are one here."
        return Failed("target_column", f"a column does not fit its topic: {text}", hint=hint)
    if number == _STATEMENT_LOG:
        hint = "SET GLOBAL binlog_format = 'ROW'; the sink writes at READ COMMITTED, which STATEMENT cannot log."
        return Failed("target_refused", f"the target's binlog_format is STATEMENT: {text}", hint=hint)
    return Failed("target_refused", f"the target refuses a statement: {text}")


def _place(error: Exception) -> str:
    """The column or key at fault. What stands before it in the message may be a value, so the last one counts."""
    words = str(error.args[1]) if len(error.args) > 1 else ""
    found = _COLUMN_OF.match(words) or _FIELD.match(words)
    if found is None:
        return ""
    name = re.split(r"[`'.]+", found[1].strip("`'"))[-1]
    return f" at {'key' if ' for key ' in words else 'column'} {name}"


def refused_connection(error: Exception, where: str, user: str, database: str) -> ConnectError:
    """Our error for a connection that did not come up."""
    number = number_of(error)
    cause = getattr(error, "original_exception", None)  # what PyMySQL keeps of it
    words = " ".join(str(error.args[1]).split())[:300] if len(error.args) > 1 else type(error).__name__
    if isinstance(cause, ssl.SSLError) or number in _TLS:
        hint = "Check `tls:` against the server's certificate, and the account's REQUIRE clause."
        return Failed("target_tls", f"no TLS with the target {where}: {cause or words}", hint=hint)
    if number in _CREDENTIALS:
        hint = "Check url: and password:, and the account's host and authentication plugin."
        return Failed("target_credentials", f"the target {where} refuses the login of {user}: {words}", hint=hint)
    if number == 1049:
        hint = f"CREATE DATABASE `{database.replace('`', '``')}`; or mend url:."
        return Failed("target_database", f"the target {where} has no database {database}", hint=hint)
    if number in _PERMISSION:
        message = f"user {user} may not use database {database} of the target {where}"
        account = re.search(r"user ('.*'@'.*') to ", words)
        who = account[1] if account else f"'{user}'"
        hint = f"GRANT {', '.join(RIGHTS)} ON `{database.replace('`', '``')}`.* TO {who};"
        return Failed("target_permission", message, hint=hint)
    if number in _GONE or not number:
        message = f"the target database {where} cannot be reached: {words}"
        return Retriable(message, code=UNREACHABLE, hint="Does it run, and is url: right?")
    return Failed("target_refused", f"the target {where} refuses the connection: {words} ({number})")
