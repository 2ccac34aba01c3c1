"""Events inside of events: MySQL's compressed transactions, MariaDB's compressed rows and statements (F55, F56)."""

from __future__ import annotations

import io
import sys
import zlib
from typing import TYPE_CHECKING, Final

from connect.errors import Failed
from connectors.mysql.binlog.events import HEADER, HEADER_SIZE, Kind, packed

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Iterator

_END, _SIZE, _COMPRESSION = 0, 1, 2  # fields of a payload
_ZSTD, _NONE = 0, 255
_PLAIN_KIND: Final = {
    Kind.QUERY_COMPRESSED: Kind.QUERY,
    Kind.WRITE_ROWS_COMPRESSED_V1: Kind.WRITE_ROWS_V1,
    Kind.UPDATE_ROWS_COMPRESSED_V1: Kind.UPDATE_ROWS_V1,
    Kind.DELETE_ROWS_COMPRESSED_V1: Kind.DELETE_ROWS_V1,
    Kind.WRITE_ROWS_COMPRESSED: Kind.WRITE_ROWS,
    Kind.UPDATE_ROWS_COMPRESSED: Kind.UPDATE_ROWS,
    Kind.DELETE_ROWS_COMPRESSED: Kind.DELETE_ROWS,
}
COMPRESSED: Final = frozenset(_PLAIN_KIND)
_UPDATES: Final = frozenset({Kind.UPDATE_ROWS_COMPRESSED_V1, Kind.UPDATE_ROWS_COMPRESSED})
_V1: Final = frozenset({Kind.WRITE_ROWS_COMPRESSED_V1, Kind.UPDATE_ROWS_COMPRESSED_V1, Kind.DELETE_ROWS_COMPRESSED_V1})
_ROWS_HEADER: Final = 8  # table id, flags
_IS_COMPRESSED: Final = 0x80
_LENGTH_SIZE: Final = 0x07
_NEWER: Final = "Run a newer version of Connect."

Readable = io.BufferedIOBase | zstd.ZstdFile
_ALGORITHM: Final = 0x70  # zlib is 0, and the only one


def payload_events(body: bytes, where: str) -> Iterator[tuple[int, int, bytes]]:
    """Time, type and body of each event of a transaction payload; decompressed as they are asked for.

    Raises:
        Failed: ``unknown_event``: another compression. ``protocol``: the payload is cut.
    """
    at, compression = 0, _ZSTD
    while (field := packed(body, at))[0] != _END:
        size, start = packed(body, field[1])
        if field[0] == _COMPRESSION:
            compression = packed(body, start)[0]
        at = start + size
    data = io.BytesIO(body)
    data.seek(field[1])
    if compression == _ZSTD:
        yield from _events(zstd.ZstdFile(data), where)
    elif compression == _NONE:
        yield from _events(data, where)
    else:
        raise Failed("unknown_event", f"a transaction compressed by method {compression} {where}", hint=_NEWER)


def _events(data: Readable, where: str) -> Iterator[tuple[int, int, bytes]]:
    try:
        while header := _exactly(data, HEADER_SIZE, may_end=True):
            timestamp, kind, _, size, _, _ = HEADER.unpack(header)
            yield timestamp, kind, _exactly(data, size - HEADER_SIZE)
    except (EOFError, zstd.ZstdError):
        raise Failed("protocol", f"a compressed transaction is damaged {where}") from None


def _exactly(data: Readable, size: int, *, may_end: bool = False) -> bytes:
    parts, left = [], size
    while left:
        part = data.read(left)
        if not part:
            if may_end and left == size:
                return b""
            raise EOFError
        parts.append(part)
        left -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def decompressed(kind: int, body: bytes, where: str) -> tuple[int, bytes]:
    """The type and body that a compressed event of MariaDB stands for: its last part is compressed by zlib.

    Raises:
        Failed: ``unknown_event``: another compression. ``protocol``: it is damaged.
    """
    if kind == Kind.QUERY_COMPRESSED:
        start = 13 + body[8] + int.from_bytes(body[11:13], "little") + 1
    else:
        start = _ROWS_HEADER
        if kind not in _V1:
            start += int.from_bytes(body[start : start + 2], "little")
        columns, start = packed(body, start)
        start += (columns + 7) // 8 * (2 if kind in _UPDATES else 1)
    if start >= len(body) or not body[start] & _IS_COMPRESSED:
        raise Failed("protocol", f"a compressed event is damaged {where}")
    if body[start] & _ALGORITHM:
        raise Failed("unknown_event", f"an event compressed by another method than zlib {where}")
    try:
        return _PLAIN_KIND[Kind(kind)], body[:start] + zlib.decompress(body[start + 1 + (body[start] & _LENGTH_SIZE) :])
    except zlib.error:
        raise Failed("protocol", f"a compressed event is damaged {where}") from None
