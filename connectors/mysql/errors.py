"""Errors of the client library and of the server → the errors of Connect: the one table of error numbers (rule W4)."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from connect.errors import ConnectError, Failed, Retriable
from connectors.mysql.quoting import quoted

if TYPE_CHECKING:
    from connect.schema.model import TableId

UNREACHABLE: Final = "source_unreachable"

_AGAIN: Final = "Check the address; if it lasts, look at the server's log and at the network between."
_FULL: Final = "The server is out of connections, memory or disk: raise max_connections or free space."
_LOCKED: Final = "A lock is held by another transaction."
_BUDGET: Final = "The statement was ended: snapshot.max_query, a limit of the account, or somebody's KILL QUERY."
_LOGIN: Final = "Set the right password in `password:` or in the URL."
_EXPIRED: Final = "The password has expired: ALTER USER … IDENTIFIED BY '…'; then set it in `password:` or in the URL."
_CLOSED: Final = "The account is locked: ALTER USER … ACCOUNT UNLOCK;"
_UNKNOWN: Final = ("source_error", "The server refused what Connect asked for; its log says more.")
_GRANT: Final = "Grant what the message names; `connect doctor` prints the exact SQL."
_TLS: Final = "Check `tls:` against the server's certificate, and the account's REQUIRE clause."
_PLUGIN: Final = (
    "Give the account one of caching_sha2_password, sha256_password, mysql_native_password or client_ed25519."
)

# None instead of a code: the world is not there right now.
_BY_NUMBER: Final[dict[int, tuple[str | None, str]]] = {
    0: (None, _AGAIN),  # the connection was closed under the statement
    **dict.fromkeys((2002, 2003, 2005, 2006, 2012, 2013, 2014, 2027, 2055), (None, _AGAIN)),  # of the client
    **dict.fromkeys((1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1927, 3168, 4031), (None, _AGAIN)),
    **dict.fromkeys((1021, 1037, 1038, 1040, 1041, 1135, 1203, 1226), (None, _FULL)),
    1129: (None, "The server blocks this host after too many errors: TRUNCATE TABLE performance_schema.host_cache;"),
    1205: (None, _LOCKED),
    1213: (None, _LOCKED),
    1412: (None, "The table was altered at that moment."),
    **dict.fromkeys((1317, 1969, 3024), ("query_budget", _BUDGET)),
    1045: ("password", _LOGIN),
    **dict.fromkeys((1820, 1862), ("password", _EXPIRED)),
    **dict.fromkeys((3118, 4151), ("password", _CLOSED)),
    1698: ("permission", "The account logs in by its socket only: ALTER USER … IDENTIFIED BY '…';"),
    **dict.fromkeys((1044, 1130, 1142, 1143, 1227, 1370, 1383, 1410, 1419), ("permission", _GRANT)),
    1049: ("database_missing", "The database of the URL does not exist on this server."),
    1146: ("table_missing", "Take the table out of the file, or create it."),
    1051: ("table_missing", "Take the table out of the file, or create it."),
    1054: ("column_missing", "Take the column out of the file, or add it to the table."),
    **dict.fromkeys((2026, 3159), ("tls", _TLS)),
    **dict.fromkeys((1251, 1524, 2059, 2061), ("auth_plugin", _PLUGIN)),
    1064: (
        "source_error",
        "Is the SQL of the table's `snapshot: {where: …}` right? The server's log has the statement.",
    ),
    1381: ("log_off", "Start the server with log_bin=ON and binlog_format=ROW."),
    2068: ("protocol", "A server that asks its reader for a file is not one that Connect reads: is the address right?"),
}
# Their texts repeat values of rows (F175).
_WITH_VALUES: Final = frozenset({1062, 1064, 1264, 1265, 1292, 1366, 1367, 1406, 1411, 1525, 1690, 3140, 3141, 3819})


def translate(error: Exception, where: str, *, account: str = "…", table: TableId | None = None) -> ConnectError:
    """What an error of PyMySQL means to the task.

    Args:
        error: ``pymysql.Error`` with the server's number and text, as PyMySQL's connection raises it.
        where: Who met it, for example ``shop: reading shop.orders``.
        account: Who asked, as GRANT takes it, for the statement of the hint.
        table: What was read, for the same.
    """
    number, words = _parts(error)
    cause = getattr(error, "original_exception", None)  # what PyMySQL keeps of a connection that did not come up
    if isinstance(cause, ssl.SSLError):
        return Failed("tls", f"{where}: {_one_line(str(cause))}", hint=_TLS)
    told = f": {_one_line(words)}" if words and number not in _WITH_VALUES else ""
    message = f"{where}{told} (error {number})" if number else f"{where}{told or f': {type(error).__name__}'}"
    if number in {1142, 1143} and table is not None:
        return Failed("permission", message, hint=f"GRANT SELECT ON {quoted(table)} TO {account};")
    code, hint = _BY_NUMBER.get(
        number, ("source_error", "The server refused what Connect asked for; its log says more.")
    )
    hint = hint.replace("USER …", f"USER {account}")
    if code is None or code == "query_budget":
        return Retriable(message, code=code or UNREACHABLE, hint=hint)
    return Failed(code, message, hint=hint)


def _parts(error: Exception) -> tuple[int, str]:
    """The number and text of an error; 0 where it has none."""
    if len(error.args) > 1 and isinstance(error.args[0], int):
        return error.args[0], str(error.args[1])
    return 0, str(error.args[0]) if error.args else ""


def _one_line(words: str) -> str:
    return " ".join(words.split())[:500]
