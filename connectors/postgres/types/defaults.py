"""Column defaults: the text of ``pg_get_expr`` → a constant value, where it is one."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from connect.errors import Failed
from connect.schema.model import NO_DEFAULT, Kind
from connectors.postgres.types.numeric import to_scale

if TYPE_CHECKING:
    from connectors.postgres.types.codecs import ColumnCodec

# One literal under one cast. A second cast, a function, an operator: not a constant, or not surely the same one.
_TYPE_NAME: Final = r'::(?:[\w ]|"[^"]*"|\.)+(?:\([\d, -]+\))?(?: with(?:out)? time zone)?(?:\[\])*'
_QUOTED: Final = re.compile(rf"'((?:[^']|'')*)'(?:{_TYPE_NAME})?")
_NUMBER: Final = re.compile(rf"\(?(-?\d+(?:\.\d+)?)\)?(?:{_TYPE_NAME})?")
_BITS: Final = re.compile(rf"B'([01]*)'(?:{_TYPE_NAME})?")
_NULL: Final = re.compile(rf"NULL(?:{_TYPE_NAME})?")
_BPCHAR, _MONEY = 1042, 790
_TEMPORAL: Final = frozenset((1083, 1114, 1184, 1186, 1266))
_DIGITS: Final = 0xFFFF  # of a typmod: fraction digits; all ones where there is no limit
_BOOLEANS: Final = {"true": True, "false": False}


def constant_default(expression: str | None, codec: ColumnCodec) -> object:
    """The decoded value of a constant default, else ``NO_DEFAULT`` (F107): ``now()``, ``nextval(…)``, any expression.

    Args:
        expression: ``pg_get_expr(adbin, adrelid)`` under the pinned settings; None for a column without a default.
        codec: The column's.

    Returns:
        A value of the column's type, None for ``NULL::…``, or ``NO_DEFAULT``, also where the literal is of another
        type and the server would convert it on insert.
    """
    if not expression:
        return NO_DEFAULT
    if _NULL.fullmatch(expression):
        return None
    if codec.type.kind is Kind.BOOLEAN and expression in _BOOLEANS:
        return _BOOLEANS[expression]
    if codec.base_oid == _MONEY and not expression.endswith("::money"):
        return NO_DEFAULT  # a number's digits are no minor units
    literal = _literal(expression)
    return NO_DEFAULT if literal is None else _decoded(literal, codec)


def missing_value(text: str | None, codec: ColumnCodec) -> object:
    """What rows from before a column was added have: the decoded value, ``NO_DEFAULT`` for null."""
    return NO_DEFAULT if text is None else _decoded(text, codec)


def _decoded(literal: str, codec: ColumnCodec) -> object:
    if codec.base_oid == _BPCHAR:
        literal = literal.ljust(codec.typmod - 4)
    elif codec.base_oid in _TEMPORAL and 0 <= codec.typmod & _DIGITS < len(_fraction(literal)):
        return NO_DEFAULT  # the server rounds it on insert
    try:
        value = codec.decode(literal.encode())
    except (Failed, ValueError):
        return NO_DEFAULT
    if isinstance(value, Decimal):
        return to_scale(value, codec.type)
    return NO_DEFAULT if value is None else value


def _fraction(literal: str) -> str:
    found = re.search(r"\.(\d+)", literal)
    return found[1] if found else ""


def _literal(expression: str) -> str | None:
    if found := _QUOTED.fullmatch(expression):
        return found[1].replace("''", "'")
    found = _NUMBER.fullmatch(expression) or _BITS.fullmatch(expression)
    return found[1] if found else None
