"""Rows of a query as the server sent them: undecoded packets of the text protocol (their cells: ``text_values``).

PyMySQL's cursor would make Python objects of every cell, at an eighth of the speed.
Protocol: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pymysql
from pymysql.constants import CR

from connect.compiled import COMPILED

if COMPILED:
    from connectors.mysql.rows_c import Packets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_WHOLE: Final = 0xFFFFFF  # a packet of this length goes on in the next one
_END: Final = 0xFE
_ERROR: Final = 0xFF
_END_LENGTH: Final = 9  # an end is shorter; a row that begins with 0xFE has 16 MB at least


def row_packets(read: Callable[[int], bytes], sequence: int) -> Iterator[bytes]:
    """The packets of a result's rows, up to its end.

    Args:
        read: Reads so many bytes, fewer at the end of the connection.
        sequence: Number of the first row's packet.

    Raises:
        pymysql.Error: What the server or the link met between rows.
    """
    while True:
        header = read(4)
        if len(header) < 4 or header[3] != sequence:
            raise pymysql.OperationalError(CR.CR_SERVER_LOST, "the link broke between two rows")
        length = header[0] | header[1] << 8 | header[2] << 16
        body = read(length)
        sequence = sequence + 1 & 0xFF
        if length == _WHOLE:
            rest, sequence = _continued(read, sequence)
            body += rest
        elif len(body) < length or not body:
            raise pymysql.OperationalError(CR.CR_SERVER_LOST, "the link broke inside a row")
        elif body[0] >= _END:
            if body[0] == _ERROR:
                pymysql.err.raise_mysql_exception(body)
            if length < _END_LENGTH:
                return
        yield body


def _continued(read: Callable[[int], bytes], sequence: int) -> tuple[bytes, int]:
    """The rest of a row of 16 MB or more (F197), and the next sequence number."""
    parts = []
    while True:
        header = read(4)
        length = int.from_bytes(header[:3], "little")
        part = read(length)
        if len(header) < 4 or header[3] != sequence or len(part) < length:
            raise pymysql.OperationalError(CR.CR_SERVER_LOST, "the link broke inside a row")
        sequence = sequence + 1 & 0xFF
        parts.append(part)
        if length < _WHOLE:
            return b"".join(parts), sequence


def fetch(
    read: Callable[[int], bytes], read_some: Callable[[], bytes], sequence: int, max_bytes: int | None
) -> tuple[Sequence[bytes], bool]:
    """The packets of a result's rows, cut after the one that passes ``max_bytes``, and whether there are more.

    Args:
        read: As ``row_packets`` takes it.
        read_some: Reads what is there, or waits for some; nothing at the end of the connection.
        sequence: Number of the first row's packet.
        max_bytes: None for no limit.

    Raises:
        pymysql.Error: What the server or the link met between rows.
    """
    return _compiled(read_some, sequence, max_bytes) if COMPILED else _plain(read, sequence, max_bytes)


def _plain(read: Callable[[int], bytes], sequence: int, max_bytes: int | None) -> tuple[list[bytes], bool]:
    packets, size = [], 0
    for packet in row_packets(read, sequence):
        packets.append(packet)
        size += len(packet)
        if max_bytes is not None and size > max_bytes:
            return packets, True
    return packets, False


def _compiled(read_some: Callable[[], bytes], sequence: int, max_bytes: int | None) -> tuple[Packets, bool]:
    packets = Packets(sequence, max_bytes)
    while packets.more:
        data = read_some()
        if not data:
            break
        packets.feed(data)
    if packets.error is not None:
        pymysql.err.raise_mysql_exception(packets.error)
    if packets.more or packets.broken:
        where = "inside a row" if packets.inside else "between two rows"
        raise pymysql.OperationalError(CR.CR_SERVER_LOST, f"the link broke {where}")
    return packets, packets.cut
