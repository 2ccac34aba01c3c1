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
    size, groups = decimal_size(precision, scale), tuple(_groups(precision, scale))
    sign_bit, ones = 1 << size * 8 - 1, (1 << size * 8) - 1

    def decode(cell: bytes) -> Decimal:
        if len(cell) != size:
            raise undecodable("decimal")
        stored = int.from_bytes(cell, "big")
        negative = not stored & sign_bit
        stored = (stored ^ ones if negative else stored) ^ sign_bit  # the first bit is kept flipped
        digits = _digits(stored.to_bytes(size, "big"), groups)
        return Decimal((int(negative and any(digits)), digits, -scale))

    return decode


def _digits(stored: bytes, groups: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    text, at = "", 0
    for size, count in groups:
        text += str(int.from_bytes(stored[at : at + size], "big")).zfill(count)
        at += size
    return tuple(map(int, text)) or (0,)
