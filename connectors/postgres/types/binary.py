"""bytea and bit strings: text form → value."""

from __future__ import annotations

from base64 import standard_b64encode, urlsafe_b64encode
from binascii import Error, unhexlify
from typing import TYPE_CHECKING, Any, Final

from connect.schema.model import Kind, Type
from connectors.postgres.types.refusals import undecodable, unrepresentable

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.postgres.types.options import TypeOptions

UNBOUNDED_BITS: Final = 2_147_483_647


def bytea(options: TypeOptions) -> tuple[Type, Callable[[bytes], Any]]:
    """Type and decoder of ``bytea`` under ``bytea_output=hex``."""
    if options.binary == "bytes":
        return Type(Kind.BYTES), from_hex
    return Type(Kind.STRING), _BYTEA_TEXT[options.binary]


def from_hex(cell: bytes) -> bytes:
    r"""``\x0102ff`` → bytes. The escape form (A15, 27) is refused: it would decode to garbage."""
    if cell[:2] != b"\\x":
        raise undecodable("bytea")
    try:
        return unhexlify(cell[2:])
    except Error:
        raise undecodable("bytea") from None


_BYTEA_TEXT: Final[dict[str, Callable[[bytes], str]]] = {
    "hex": lambda cell: from_hex(cell).hex(),
    "base64": lambda cell: standard_b64encode(from_hex(cell)).decode(),
    "base64-url-safe": lambda cell: urlsafe_b64encode(from_hex(cell)).decode(),
}


def bit_string(typmod: int, options: TypeOptions) -> tuple[Type, Callable[[bytes], Any]]:
    """Type and decoder of ``bit`` and ``varbit``; their typmod is the length itself, -1 for none.

    ``io.debezium.data.Bits``: little-endian bytes, rightmost bit first, always as many bytes as the value's own bits
    fill (A15, 11): bit(n) comes in its full width, and the number of bytes tells the length of a varbit to the byte.
    """
    if typmod == 1:
        return Type(Kind.BOOLEAN), _one_bit(options)
    length = typmod if typmod > 0 else UNBOUNDED_BITS
    return Type(Kind.BYTES, "io.debezium.data.Bits", 1, (("length", str(length)),)), _bits


def _bits(cell: bytes) -> bytes:
    if not cell:
        return b""
    try:
        return int(cell, 2).to_bytes((len(cell) + 7) // 8, "little")
    except (ValueError, OverflowError):
        raise undecodable("bit") from None


def _one_bit(options: TypeOptions) -> Callable[[bytes], bool | None]:
    def decode(cell: bytes) -> bool | None:
        if cell == b"1":
            return True
        if cell == b"0":
            return False
        if cell:
            raise undecodable("bit")
        unrepresentable(options, "an empty varbit(1), published as boolean", "a wider varbit for the column")
        return None

    return decode
