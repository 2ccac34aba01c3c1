"""Exact numbers as the bytes of Connect's Decimal: two's complement, big-endian, as short as possible."""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation

from connect.errors import RecordError

# Nothing here may round (F108, F185), so the context holds any number and an inexact result raises.
EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation])

# Digits behind or before the point that a number may have: Postgres's numeric has at most 131,072 and 16,383.
# A bound keeps `1E+999999999` from becoming a gigabyte.
MAX_EXPONENT = 200_000


class UnrepresentableError(ValueError):
    """A value that its column's type cannot hold exactly; callers name the table and column."""


def twos_complement(number: int) -> bytes:
    """``number`` in the fewest bytes, as Java's ``BigInteger.toByteArray``: 0 → 00, -128 → 80, 128 → 0080."""
    size = (number if number >= 0 else ~number).bit_length() // 8 + 1
    return number.to_bytes(size, "big", signed=True)


def unscaled(value: Decimal, scale: int) -> int:
    """``value`` times ten to the ``scale``.

    Raises:
        UnrepresentableError: NaN, an infinity, or digits behind the scale: nothing is ever rounded (F108).
    """
    try:
        shifted = EXACT.scaleb(value, scale)
        number = int(shifted) if abs(shifted.adjusted()) < MAX_EXPONENT else None
    except (InvalidOperation, ValueError, OverflowError):
        number = None
    if number is None:
        message = "NaN, infinite or out of all bounds"
        raise UnrepresentableError(message)
    if number != shifted:
        message = f"needs more than {scale} digits behind the point"
        raise UnrepresentableError(message)
    return number


def decimal_bytes(value: Decimal, scale: int) -> bytes:
    """The bytes of a Decimal column of that scale; raises ``UnrepresentableError`` as ``unscaled`` does."""
    return twos_complement(unscaled(value, scale))


def variable_scale(value: Decimal) -> tuple[int, bytes]:
    """Scale and bytes of a ``VariableScaleDecimal``: trailing zeros stripped, the scale never below 0 (types.md A5)."""
    if not value.is_finite():
        message = "NaN or infinite"
        raise UnrepresentableError(message)
    scale = max(0, -int(EXACT.normalize(value).as_tuple().exponent))
    return scale, decimal_bytes(value, scale)


def from_unscaled(number: int, scale: int) -> Decimal:
    """The number that ``unscaled`` made: its exponent is exactly ``-scale``. RecordError for a hostile scale."""
    if abs(scale) > MAX_EXPONENT:
        raise RecordError(f"a decimal of scale {scale}")
    return EXACT.scaleb(Decimal(number), -scale)


def from_bytes(data: bytes, scale: int) -> Decimal:
    """The number that ``decimal_bytes`` wrote."""
    return from_unscaled(int.from_bytes(data, "big", signed=True), scale)
