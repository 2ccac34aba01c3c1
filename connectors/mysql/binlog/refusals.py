"""What a server says when it ends a dump → the errors of Connect (F61-F65). Its words count, not its few numbers."""

from __future__ import annotations

import struct
from typing import Final

import pymysql

from connect.errors import ConnectError, Failed, Retriable
from connectors.mysql.errors import UNREACHABLE, translate

_READ_ERROR: Final = 1236
_ERROR: Final = 0xFF
_NUMBER: Final = struct.Struct("<H").unpack_from
_ANEW: Final = "`connect remove SOURCE FILE` and start anew: the tables are read again."
_PURGED: Final = (
    f"What was written after the stored position is gone from this server: {_ANEW} "
    "Keep the log longer than any stop may last: binlog_expire_logs_seconds."
)
_BRANCH: Final = f"Go back to the server that was read before, or {_ANEW}"

# The servers' own words, in lower case; the first that fits counts.
_BY_WORDS: Final = (
    ("same server_uuid", "server_id_clash"),
    ("same server_id", "server_id_clash"),
    ("same server-id", "server_id_clash"),
    ("purged", "log_purged"),
    ("could not find first log file name", "log_purged"),
    ("could not find next log", "log_purged"),
    ("requested start gtid position", "log_purged"),
    ("more gtids than", "wrong_branch"),
    ("not in the master's binlog", "wrong_branch"),
    ("slave has diverged", "wrong_branch"),
    ("position > file size", "log_reset"),
    ("gtid_mode", "gtids_off"),
)
_HINTS: Final = {
    "log_purged": _PURGED,
    "wrong_branch": _BRANCH,
    "log_reset": f"The log was reset or cut: {_ANEW}",
    "gtids_off": "SET PERSIST gtid_mode = ON; by its steps, or start anew: a position of GTIDs needs them.",
    "server_id_clash": "Another replica or worker reads with our server_id: give each source a `server_id` of its own.",
}


def dump_error(packet: bytes, connector: str) -> ConnectError:
    """What a packet that ended the stream means: an error of the server, or its end of file."""
    where = f"{connector}: reading the binlog"
    if not packet or packet[0] != _ERROR:
        return Retriable(f"{where}: the server ended the stream", code=UNREACHABLE, hint="Was it shut down?")
    number = _NUMBER(packet, 1)[0]
    words = packet[9:] if packet[3:4] == b"#" else packet[3:]
    text = " ".join(words.decode(errors="replace").split())
    for known, code in _BY_WORDS:
        if known in text.lower():
            return Failed(code, f"{where}: {text}", hint=_HINTS[code])
    if number != _READ_ERROR:
        return translate(pymysql.OperationalError(number, text), where)
    return Failed("log_unreadable", f"{where}: {text}", hint="The server cannot send its log; its error log says more.")
