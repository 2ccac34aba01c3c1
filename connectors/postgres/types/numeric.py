"""Booleans, numbers of any size and money: text form → value."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from connect.schema.model import DECIMAL, Kind, Type, decimal_type, variable_scale_decimal_type
from connectors.postgres.types.refusals import undecodable, unrepresentable

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.postgres.types.options import TypeOptions

_LAST_DIGIT: Final = ord("9")
_SPECIAL: Final = {b"NaN": "NAN", b"Infinity": "POSITIVE_INFINITY", b"-Infinity": "NEGATIVE_INFINITY"}
_EXACT: Final = Context(prec=150_000)  # more digits than any numeric has
_BOOLEANS: Final = {b"t": True, b"f": False}


def boolean(cell: bytes) -> bool:
    """``t`` or ``f``."""
    try:
        return _BOOLEANS[cell]
    except KeyError:
        raise undecodable("boolean") from None


def precision_and_scale(typmod: int) -> tuple[int, int]:
    """Both halves of a numeric's typmod; the scale is an 11-bit signed number (negative from Postgres 15)."""
    packed = typmod - 4
    scale = packed & 0x7FF
    return packed >> 16 & 0xFFFF, scale - 0x800 if scale >= 0x400 else scale


def numeric(typmod: int, options: TypeOptions) -> tuple[Type, Callable[[bytes], Any]]:
    """Type and decoder of ``numeric`` (types.md A5).

    Avro allows no negative scale and none above the precision, Postgres both: ``numeric(3,-2)`` is published with
    precision 5 and scale 0 (A15, 4), ``numeric(3,5)`` with precision 5 and scale 5; both hold each value exactly.
    """
    if options.decimal == "string":
        return Type(Kind.STRING), lambda cell: _SPECIAL.get(cell) or cell.decode()
    if options.decimal == "double":
        return Type(Kind.FLOAT64), float
    if typmod < 0:
        return variable_scale_decimal_type(), _variable_scale(options)
    precision, scale = precision_and_scale(typmod)
    if scale < 0:
        return decimal_type(precision - scale, 0), _fixed_scale(options)
    return decimal_type(max(precision, scale), scale), _fixed_scale(options)


def _fixed_scale(options: TypeOptions) -> Callable[[bytes], Decimal | None]:
    def decode(cell: bytes) -> Decimal | None:
        try:
            if cell[-1] > _LAST_DIGIT:
                _not_finite(cell, options)
                return None
            return Decimal(cell.decode())
        except (InvalidOperation, ValueError, IndexError):
            raise undecodable("numeric") from None

    return decode


def _variable_scale(options: TypeOptions) -> Callable[[bytes], Decimal | None]:
    """Trailing zeros are stripped and the scale is never below 0, as Debezium does (types.md A3)."""

    def decode(cell: bytes) -> Decimal | None:
        try:
            if cell[-1] > _LAST_DIGIT:
                _not_finite(cell, options)
                return None
            if b"." in cell:
                cell = cell.rstrip(b"0").rstrip(b".")
            return Decimal(cell.decode())
        except (InvalidOperation, ValueError, IndexError):
            raise undecodable("numeric") from None

    return decode


def _not_finite(cell: bytes, options: TypeOptions) -> None:
    if cell not in _SPECIAL:
        raise undecodable("numeric")
    unrepresentable(
        options, "NaN or infinity in a numeric column", "`types: {decimal: string}` or `types: {decimal: double}`"
    )


def money(options: TypeOptions) -> tuple[Type, Callable[[bytes], Any]]:
    """Type and decoder of ``money``.

    Its text depends on ``lc_monetary``, but in every locale the digits without symbol, group and decimal separators
    are the stored integer of minor units; ``money_fraction_digits`` says how many of them are the fraction.
    """
    digits = options.money_fraction_digits

    def decode(cell: bytes) -> Decimal:
        return Decimal(_minor_units(cell.decode())).scaleb(-digits)

    if options.decimal == "string":
        return Type(Kind.STRING), lambda cell: f"{decode(cell):f}"
    if options.decimal == "double":
        return Type(Kind.FLOAT64), lambda cell: float(decode(cell))
    return decimal_type(None, digits), decode


def _minor_units(text_form: str) -> int:
    digits = "".join(character for character in text_form if "0" <= character <= "9")
    if not digits:
        raise undecodable("money")
    negative = "-" in text_form or "(" in text_form or "\N{MINUS SIGN}" in text_form
    return -int(digits) if negative else int(digits)


def to_scale(value: Decimal, column: Type) -> Decimal:
    """A constant rounded as the server rounds it into a column of fixed scale; others as they are."""
    if column.name != DECIMAL:
        return value
    return value.quantize(Decimal(1).scaleb(-int(column.parameter("scale") or 0)), ROUND_HALF_UP, _EXACT)
