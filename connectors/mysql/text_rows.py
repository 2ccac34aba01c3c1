"""Rows of a query as the server sent them: undecoded packets of the text protocol (their cells: ``text_values``).

PyMySQL's cursor would make Python objects of every cell, at an eighth of the speed.
Protocol: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pymysql
from pymysql.constants import CR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
        elif len(body) < length:
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
