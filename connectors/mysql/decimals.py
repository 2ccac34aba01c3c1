"""DECIMAL as the log and binary JSON store it: groups of nine digits (types.md A11)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from connectors.mysql.refusals import undecodable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DIGIT_BYTES: Final = (0, 1, 1, 2, 2, 3, 3, 4, 4)  # of the 0 to 8 digits that fill no group of nine


def decimal_size(precision: int, scale: int) -> int:
    """Bytes of a DECIMAL."""
    whole = precision - scale
    return (whole // 9 + scale // 9) * 4 + _DIGIT_BYTES[whole % 9] + _DIGIT_BYTES[scale % 9]


def _groups(precision: int, scale: int) -> Iterator[tuple[int, int]]:
    """Bytes and digits of each group; the short one comes first before the point and last after it."""
    whole = precision - scale
    if whole % 9:
        yield _DIGIT_BYTES[whole % 9], whole % 9
    for _ in range(whole // 9 + scale // 9):
        yield 4, 9
    if scale % 9:
        yield _DIGIT_BYTES[scale % 9], scale % 9


def decimal_decoder(precision: int, scale: int) -> Callable[[bytes], Decimal]:
    """The stored bytes → an exact Decimal with ``scale`` digits after the point."""
    size, groups = decimal_size(precision, scale), _shifted(precision, scale)
    whole, sign_bit, ones = precision - scale, 1 << size * 8 - 1, (1 << size * 8) - 1

    def decode(cell: bytes) -> Decimal:
        if len(cell) != size:
            raise undecodable("decimal")
        stored = int.from_bytes(cell, "big") ^ sign_bit  # the first bit is kept flipped
        negative = stored & sign_bit
        if negative:
            stored ^= ones
        digits = "".join([form % (stored >> shift & mask) for shift, mask, form in groups])
        value = Decimal(f"{'-' if negative else ''}{digits[:whole]}.{digits[whole:]}")
        return value or value.copy_abs()  # no negative zero, as in the server's text

    return decode


def _shifted(precision: int, scale: int) -> list[tuple[int, int, str]]:
    """Of each group: how far its lowest bit is from the number's, its bits, and how its digits are written."""
    shift, found = decimal_size(precision, scale) * 8, []
    for size, count in _groups(precision, scale):
        shift -= size * 8
        found.append((shift, (1 << size * 8) - 1, f"%0{count}d"))
    return found
