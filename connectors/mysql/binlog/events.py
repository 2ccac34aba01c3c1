"""Events of the binlog, version 4: the header, and the bodies that are not rows. Pure functions over bytes.

The formats: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication_binlog_event.html and
https://mariadb.com/kb/en/replication-protocol/. Integers are little-endian. A body is an event without its header and
without its checksum.
"""

from __future__ import annotations

import re
import struct
from enum import IntEnum
from typing import Final, NamedTuple

from connect.errors import Failed
from connectors.mysql.charsets import charset_of, decoder

HEADER: Final = struct.Struct("<IBIIIH")  # time in seconds, type, server id, size, end position, flags
HEADER_SIZE: Final = 19
CHECKSUM_SIZE: Final = 4
ARTIFICIAL: Final = 0x20  # made for us, not in the log
IGNORABLE: Final = 0x80  # who does not know it may pass over it (F57)
CRC32: Final = 1  # the number of the only checksum there is; 0 is none

_U64: Final = struct.Struct("<Q").unpack_from
_QUERY: Final = struct.Struct("<IIBHH").unpack_from  # thread, seconds, database's length, error, variables' length
_MARIADB_GTID: Final = struct.Struct("<QIB").unpack_from  # number, domain, flags
_XA_PREPARE: Final = struct.Struct("<?III").unpack_from  # one phase, format, gtrid's length, bqual's length
_TIMES: Final = 42  # where the commit times of a GTID event begin
_TIME_BITS: Final = (1 << 55) - 1
_HAS_ORIGINAL: Final = 1 << 55
_FORMAT_FIXED: Final = 57  # version, server, time, header size; then a byte for each type of event
# Codes of variables in a query event; the last is MariaDB's.
_SQL_MODE, _CHARSET, _TIME_ZONE, _CATALOG, _INVOKER, _DATABASES, _COLLATIONS = 1, 4, 5, 6, 11, 12, 131
_TOO_MANY: Final = 254  # databases: then they are not listed
_STANDALONE, _HAS_COMMIT_ID, _PREPARED, _COMPLETED = 1, 2, 64, 128  # flags of MariaDB's GTID event
_ALTER_STARTS, _ALTER_FAILED = 2, 8  # its further flags


class Kind(IntEnum):
    """Types of events."""

    QUERY = 2
    STOP = 3
    ROTATE = 4
    INTVAR = 5
    APPEND_BLOCK = 9
    DELETE_FILE = 11
    RAND = 13
    USER_VAR = 14
    FORMAT_DESCRIPTION = 15
    XID = 16
    BEGIN_LOAD_QUERY = 17
    EXECUTE_LOAD_QUERY = 18
    TABLE_MAP = 19
    WRITE_ROWS_V1 = 23
    UPDATE_ROWS_V1 = 24
    DELETE_ROWS_V1 = 25
    INCIDENT = 26
    HEARTBEAT = 27
    IGNORABLE = 28
    ROWS_QUERY = 29
    WRITE_ROWS = 30
    UPDATE_ROWS = 31
    DELETE_ROWS = 32
    GTID = 33
    ANONYMOUS_GTID = 34
    PREVIOUS_GTIDS = 35
    TRANSACTION_CONTEXT = 36
    VIEW_CHANGE = 37
    XA_PREPARE = 38
    PARTIAL_UPDATE_ROWS = 39
    TRANSACTION_PAYLOAD = 40
    HEARTBEAT_V2 = 41
    GTID_TAGGED = 42
    # MariaDB's own
    ANNOTATE_ROWS = 160
    BINLOG_CHECKPOINT = 161
    MARIADB_GTID = 162
    GTID_LIST = 163
    START_ENCRYPTION = 164
    QUERY_COMPRESSED = 165
    WRITE_ROWS_COMPRESSED_V1 = 166
    UPDATE_ROWS_COMPRESSED_V1 = 167
    DELETE_ROWS_COMPRESSED_V1 = 168
    WRITE_ROWS_COMPRESSED = 169
    UPDATE_ROWS_COMPRESSED = 170
    DELETE_ROWS_COMPRESSED = 171


class Format(NamedTuple):
    """What a format description says: the server's version and the checksum of the file's events."""

    server: str
    checksum: int


class GtidEvent(NamedTuple):
    """The begin of a transaction.

    Attributes:
        source: The 16 bytes of the UUID; zeros for an anonymous one.
        tag: Of a tagged GTID, else "".
        number: Within the source and tag.
        ts_us: When it committed on the server that it was first written to, microseconds since 1970 UTC; 0 unknown.
    """

    source: bytes
    tag: str
    number: int
    ts_us: int


class MariadbGtidEvent(NamedTuple):
    """The begin of a transaction on MariaDB.

    Attributes:
        domain: Of its GTID, with ``number``; the server's part of it is in the header.
        standalone: It is of one statement, and no COMMIT follows.
        prepared: It is an XA transaction to prepare.
        void: Its statement did nothing: an ALTER that begins, and has an event of its end too, or that failed.
    """

    domain: int
    number: int
    standalone: bool
    prepared: bool
    void: bool = False


class Query(NamedTuple):
    """A statement.

    Attributes:
        thread: Of the session.
        database: Its default one.
        sql: The text.
        sql_mode: Of the session, as a number.
        databases: Those of the tables that it uses, triggers' among them, as MySQL lists them; empty where it does not.
    """

    thread: int
    database: str
    sql: str
    sql_mode: int
    databases: tuple[str, ...] = ()


class Xid(NamedTuple):
    """The id of an XA transaction."""

    form: int
    gtrid: bytes
    bqual: bytes


def parse_format(event: bytes) -> Format:
    """A format description, of a whole event: its checksum is always there, and counts where the format says so."""
    if len(event) < HEADER_SIZE + _FORMAT_FIXED + 1 + CHECKSUM_SIZE or event[HEADER_SIZE] != 4:
        raise Failed("protocol", "the binlog is not of version 4", hint="MySQL 8.0 and MariaDB 10.5 write it.")
    server = event[HEADER_SIZE + 2 : HEADER_SIZE + 52].rstrip(b"\0").decode("latin-1")
    return Format(server, event[-CHECKSUM_SIZE - 1])


def parse_rotate(body: bytes) -> tuple[str, int]:
    """The file that follows, and where in it."""
    return body[8:].rstrip(b"\0").decode(), _U64(body)[0]


def parse_gtid(body: bytes) -> GtidEvent:
    """A GTID event, or an anonymous one, whose UUID is all zeros."""
    ts_us = 0
    if len(body) >= _TIMES + 7:
        ts_us = int.from_bytes(body[_TIMES : _TIMES + 7], "little")
        if ts_us & _HAS_ORIGINAL:
            ts_us = int.from_bytes(body[_TIMES + 7 : _TIMES + 14], "little")
    return GtidEvent(body[1:17], "", _U64(body, 17)[0], ts_us & _TIME_BITS)


def parse_tagged_gtid(body: bytes) -> GtidEvent:
    """A GTID event of the serialization library: numbered fields, each a number of variable length or several.

    Raises:
        Failed: ``unknown_event``: a field that we do not know and must not pass over.
    """
    _, at = varlen(body, 0)  # the library's version
    size, at = varlen(body, at)
    last_needed, at = varlen(body, at)
    source, tag, number, immediate, original = b"", "", 0, 0, 0
    while at < min(size, len(body)):
        field, at = varlen(body, at)
        if field == 1:
            parts = []
            for _ in range(16):
                part, at = varlen(body, at)
                parts.append(part)
            source = bytes(parts)
        elif field == 3:
            length, at = varlen(body, at)
            tag, at = body[at : at + length].decode(), at + length
        elif field > 11:
            if field <= last_needed:
                raise Failed("unknown_event", f"a GTID event has a field {field}", hint="Run a newer version.")
            break
        else:
            value, at = varlen(body, at)
            number = _zigzag(value) if field == 2 else number
            immediate = value if field == 6 else immediate
            original = value if field == 7 else original
    return GtidEvent(source, tag, number, original or immediate)


def parse_mariadb_gtid(body: bytes) -> MariadbGtidEvent:
    """MariaDB's GTID event."""
    number, domain, flags = _MARIADB_GTID(body)
    at = 13 + (8 if flags & _HAS_COMMIT_ID else 0)
    if flags & (_PREPARED | _COMPLETED):
        at += 6 + body[at + 4] + body[at + 5]
    further = body[at] if at < len(body) else 0
    void = bool(further & (_ALTER_STARTS | _ALTER_FAILED))
    return MariadbGtidEvent(domain, number, bool(flags & _STANDALONE), bool(flags & _PREPARED), void)


def parse_query(body: bytes) -> Query:
    """A statement, its text in the character set of the client that sent it.

    Bytes that are of no such character are kept as surrogates; so is all that is not ASCII in an unknown set.
    """
    thread, _, database_size, _, variables_size = _QUERY(body)
    start = 13 + variables_size
    end = start + database_size
    mode, collation, databases = _variables(body[13:start])
    database = body[start:end].decode(errors="surrogateescape")
    return Query(thread, database, _statement(body[end + 1 :], collation), mode, databases)


def _statement(sql: bytes, collation: int) -> str:
    decode = decoder(charset_of(collation) or "utf8mb4")
    try:
        return decode(sql) if decode is not None else sql.decode("ascii", errors="surrogateescape")
    except (Failed, UnicodeError):
        return sql.decode(errors="surrogateescape")


def parse_xa_prepare(body: bytes) -> tuple[Xid, bool]:
    """The id, and whether it is committed with this (ONE PHASE)."""
    one_phase, form, gtrid, bqual = _XA_PREPARE(body)
    return Xid(form, body[13 : 13 + gtrid], body[13 + gtrid : 13 + gtrid + bqual]), one_phase


_XID_TEXT: Final = re.compile(r"X'((?:[0-9a-f]{2})*)',X'((?:[0-9a-f]{2})*)',(-?\d+)\s*(?:ONE PHASE)?", re.IGNORECASE)


def parse_xid(text: str) -> Xid:
    """``X'7831',X'',1``, as the servers write it into the log.

    Raises:
        Failed: ``unknown_event``: another spelling.
    """
    found = _XID_TEXT.fullmatch(text.strip())
    if not found:
        raise Failed("unknown_event", "an XA statement of the log names its transaction in a way that is not known")
    return Xid(int(found[3]) & 0xFFFFFFFF, bytes.fromhex(found[1]), bytes.fromhex(found[2]))


def parse_incident(body: bytes) -> str:
    """What the server says of changes that are not in its log (F72)."""
    return body[3 : 3 + body[2]].decode(errors="replace") if len(body) > 2 else ""


def packed(data: bytes, at: int) -> tuple[int, int]:
    """A length-encoded integer of the client protocol, and where it ends."""
    first = data[at]
    if first < 0xFB:
        return first, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


def varlen(data: bytes, at: int) -> tuple[int, int]:
    """An integer of the serialization library, and where it ends: the first byte's low ones count further bytes."""
    first, more = data[at], 0
    while first >> more & 1 and more < 8:
        more += 1
    if more == 8:
        return int.from_bytes(data[at + 1 : at + 9], "little"), at + 9
    return int.from_bytes(data[at : at + 1 + more], "little") >> (more + 1), at + 1 + more


def _zigzag(value: int) -> int:
    return value >> 1 ^ -(value & 1)


# Sizes by code: flags2, sql_mode, auto-increment, charset, names of months, charset of the database, tables to update,
# length of the master's event.
_FIXED: Final = {0: 4, 1: 8, 3: 4, 4: 6, 7: 2, 8: 2, 9: 8, 10: 4}


def _variables(variables: bytes) -> tuple[int, int, tuple[str, ...]]:
    """``sql_mode``, the client's collation and the databases of a query event; 0 and none where they are not there."""
    at, mode, collation = 0, 0, 0
    while at < len(variables):
        code, at = variables[at], at + 1
        if code == _SQL_MODE:
            mode = _U64(variables, at)[0]
        elif code == _CHARSET:
            collation = int.from_bytes(variables[at : at + 2], "little")
        if code in {_CATALOG, _TIME_ZONE}:
            at += 1 + variables[at]
        elif code == _INVOKER:  # user and host
            at += 1 + variables[at]
            at += 1 + variables[at]
        elif code == _COLLATIONS:
            at += 1 + 4 * variables[at]
        elif code == _DATABASES:
            return mode, collation, _databases(variables, at)
        elif code in _FIXED:
            at += _FIXED[code]
        else:
            break  # what is wanted stands before
    return mode, collation, ()


def _databases(variables: bytes, at: int) -> tuple[str, ...]:
    count = variables[at]
    if count == _TOO_MANY:
        return ()
    return tuple(name.decode(errors="surrogateescape") for name in variables[at + 1 :].split(b"\0")[:count])
