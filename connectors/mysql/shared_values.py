"""Decoders of what is the same in the log and in the server's text: characters, bytes, bits, geometries, vectors."""

from __future__ import annotations

import struct
from base64 import standard_b64encode, urlsafe_b64encode
from decimal import Decimal
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Final

from connect.record import text
from connect.schema.avro_reader import shortest_float32
from connectors.mysql.charsets import BINARY, decoder
from connectors.mysql.refusals import undecodable, unrepresentable, unsupported_charset
from connectors.mysql.types import LONG_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.mysql.columns import Column
    from connectors.mysql.type_options import TypeOptions

_SRID: Final = struct.Struct("<I").unpack_from
_WKB_POINT: Final = struct.Struct("<BIdd").unpack
_POINT_KIND: Final = (1, 1)  # little-endian, point
_BINARY_TEXT: Final[dict[str, Callable[[bytes], str]]] = {
    "hex": bytes.hex,
    "base64": lambda cell: standard_b64encode(cell).decode(),
    "base64-url-safe": lambda cell: urlsafe_b64encode(cell).decode(),
}


def text_of(column: Column) -> Callable[[bytes], str]:
    """Text in the column's character set; ``connect.record.text`` for UTF-8 and where the set is not told."""
    if column.charset == BINARY:
        return _latin1
    return refuse_charset(column) or decoder(column.charset or "utf8mb4") or text


def refuse_charset(column: Column) -> Callable[[bytes], str] | None:
    """A decoder that refuses a column whose character set Python lacks, by name (F78); None where it can be decoded."""
    charset = column.charset
    if charset is None or charset == BINARY or decoder(charset) is not None:
        return None

    def refuse(_: bytes) -> str:
        raise unsupported_charset(column.name, charset)

    return refuse


def _latin1(cell: bytes) -> str:
    return cell.decode("latin-1")


def wide_unsigned(column: Column, options: TypeOptions) -> Callable[[int], Any] | None:
    """What becomes of a BIGINT UNSIGNED; None for other columns, whose numbers stay as they are."""
    if column.data_type != "bigint" or not column.unsigned:
        return None
    if options.bigint_unsigned == "precise":
        return Decimal

    def check(number: int) -> int | None:
        if number <= LONG_MAX:
            return number
        unrepresentable(options, "a BIGINT UNSIGNED above 2^63-1", "`types: {bigint_unsigned: precise}`")
        return None

    return check


def decimal(options: TypeOptions) -> Callable[[Decimal], Any] | None:
    """What becomes of a DECIMAL; None where it stays one."""
    if options.decimal == "string":
        return lambda value: f"{value:f}"
    return float if options.decimal == "double" else None


def binary(options: TypeOptions) -> Callable[[bytes], Any]:
    """What becomes of BINARY, VARBINARY and BLOB."""
    return _BINARY_TEXT.get(options.binary, bytes)


def bits(column: Column) -> Callable[[bytes], Any]:
    """BIT(1) as a boolean; a longer one little-endian and in its full width (types.md A9)."""
    if column.length == 1:
        return lambda cell: cell[-1:] == b"\1"
    return lambda cell: cell[::-1]


def geometry(cell: bytes) -> dict[str, Any]:
    """SRID and WKB → a struct; SRID 0 is none."""
    if len(cell) < 9:
        raise undecodable("geometry")
    return {"wkb": cell[4:], "srid": _SRID(cell)[0] or None}


def point(cell: bytes) -> dict[str, Any]:
    """SRID and a point's WKB → a struct with its coordinates as stored: x is the longitude of geographic ones."""
    try:
        order, kind, x, y = _WKB_POINT(cell[4:])
    except struct.error:
        raise undecodable("point") from None
    if (order, kind) != _POINT_KIND:
        raise undecodable("point")
    return {"x": x, "y": y, **geometry(cell)}


def vector(cell: bytes) -> list[float]:
    """32-bit numbers one after another."""
    if len(cell) % 4:
        raise undecodable("vector")
    return [shortest_float32(number) for (number,) in struct.iter_unpack("<f", cell)]


def inet6_text(address: bytes) -> str:
    """Sixteen bytes as MariaDB prints an INET6: the first longest run of zero groups, also of one group, is ``::``."""
    words = struct.unpack(">8H", address)
    start, length = _zero_run(words)
    if start == 0 and (length == 6 or (length == 5 and words[5] == 0xFFFF)):
        return f"::{'ffff:' if length == 5 else ''}{IPv4Address(address[12:])}"
    if not length:
        return ":".join(f"{word:x}" for word in words)
    head = ":".join(f"{word:x}" for word in words[:start])
    return f"{head}::{':'.join(f'{word:x}' for word in words[start + length :])}"


def _zero_run(words: tuple[int, ...]) -> tuple[int, int]:
    best = (0, 0)
    at = 0
    while at < len(words):
        end = at
        while end < len(words) and not words[end]:
            end += 1
        if end - at > best[1]:
            best = (at, end - at)
        at = max(end, at + 1)
    return best
