"""Avro's binary encoding compiled into closures: the readable twin of the compiled encoder.

A ``Write`` appends one value to a bytearray. Each is made with a ``prefix``, the constant bytes before the value (the
branch of a union), so that an optional column costs no more than a required one.
"""

from __future__ import annotations

from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from connect.record import text
from connect.schema.avro_schema import json_default
from connect.schema.decimals import UnrepresentableError, decimal_bytes, variable_scale
from connect.schema.model import DECIMAL, NO_DEFAULT, VARIABLE_SCALE_DECIMAL, Field, Kind, Type
from connect.schema.refusals import NULL_IN_REQUIRED

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[[bytearray, Any], None]

BRANCH: Final = (b"\x00", b"\x02")  # the first and the second branch of a union
FLOAT_BYTES: Final = {Kind.FLOAT32: 4, Kind.FLOAT64: 8}


def zigzag(number: int) -> bytes:
    """An int or long as Avro writes it."""
    n = number << 1 if number >= 0 else (-number << 1) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


# Fourteen bits a step instead of seven: the last bytes of a number, and the two bytes that more will follow.
_LAST: Final = tuple(zigzag(n >> 1 if not n & 1 else -(n >> 1) - 1) for n in range(1 << 14))
_MORE: Final = tuple(bytes((n & 127 | 128, n >> 7 | 128)) for n in range(1 << 14))
_SHORT: Final = 64  # lengths below take one byte


def _lengths(prefix: bytes) -> tuple[bytes, ...]:
    return tuple(prefix + zigzag(n) for n in range(_SHORT))


def integer(bits: int, prefix: bytes) -> Write:
    """A writer of ints of ``bits`` bits; OverflowError for others."""
    limit = 1 << bits
    small = tuple(prefix + last for last in _LAST[:128])

    def write(out: bytearray, value: int) -> None:
        n = value << 1 if value >= 0 else (-value << 1) - 1
        if n < 128:
            out += small[n]
            return
        if n >= limit:
            message = f"out of the range of {bits} bits"
            raise OverflowError(message)
        out += prefix
        while n > 16383:
            out += _MORE[n & 16383]
            n >>= 14
        out += _LAST[n]

    return write


def raw(prefix: bytes) -> Write:
    """A writer of length and bytes: BYTES, and text that is UTF-8 already."""
    lengths = _lengths(prefix)

    def write(out: bytearray, value: bytes) -> None:
        size = len(value)
        out += lengths[size] if size < _SHORT else prefix + zigzag(size)
        out += value

    return write


def string(prefix: bytes) -> Write:
    """A writer of text."""
    lengths = _lengths(prefix)

    def write(out: bytearray, value: str) -> None:
        data = value.encode()
        size = len(data)
        out += lengths[size] if size < _SHORT else prefix + zigzag(size)
        out += data

    return write


def _boolean(prefix: bytes) -> Write:
    words = {False: prefix + b"\x00", True: prefix + b"\x01"}

    def write(out: bytearray, value: bool) -> None:  # noqa: FBT001 - the shape of every writer
        out += words[value]

    return write


def _float(layout: str, prefix: bytes) -> Write:
    pack = Struct(layout).pack

    def write(out: bytearray, value: float) -> None:
        out += prefix + pack(value)

    return write


def _decimal(scale: int, prefix: bytes) -> Write:
    write_raw = raw(prefix)

    def write(out: bytearray, value: Any) -> None:
        write_raw(out, decimal_bytes(value, scale))

    return write


def _variable_scale(prefix: bytes) -> Write:
    write_scale, write_raw = integer(32, prefix), raw(b"")

    def write(out: bytearray, value: Any) -> None:
        scale, data = variable_scale(value)
        write_scale(out, scale)
        write_raw(out, data)

    return write


def _array(items: Write, prefix: bytes) -> Write:
    lengths = _lengths(prefix)

    def write(out: bytearray, value: list[Any]) -> None:
        if value:
            size = len(value)
            out += lengths[size] if size < _SHORT else prefix + zigzag(size)
            for item in value:
                items(out, item)
            out.append(0)
        else:
            out += lengths[0]

    return write


def _map(items: Write, prefix: bytes) -> Write:
    key = string(b"")

    def write(out: bytearray, value: dict[str, Any]) -> None:
        out += prefix
        if value:
            out += zigzag(len(value))
            for name, item in value.items():
                key(out, name)
                items(out, item)
        out.append(0)

    return write


def _struct(fields: tuple[Field, ...], prefix: bytes) -> Write:
    writers = tuple((field.name, field_writer(field)) for field in fields)

    def write(out: bytearray, value: dict[str, Any]) -> None:
        out += prefix
        for name, write_field in writers:
            write_field(out, value.get(name))

    return write


def _nullable(write_some: Write, null: bytes) -> Write:
    def write(out: bytearray, value: Any) -> None:
        if value is None:
            out += null
        else:
            write_some(out, value)

    return write


def _required(write_some: Write) -> Write:
    def write(out: bytearray, value: Any) -> None:
        if value is None:
            raise UnrepresentableError(NULL_IN_REQUIRED)
        write_some(out, value)

    return write


_SCALARS: Final[dict[Kind, Callable[[bytes], Write]]] = {
    Kind.BOOLEAN: _boolean,
    Kind.INT8: partial(integer, 8),
    Kind.INT16: partial(integer, 16),
    Kind.INT32: partial(integer, 32),
    Kind.INT64: partial(integer, 64),
    Kind.FLOAT32: partial(_float, "<f"),
    Kind.FLOAT64: partial(_float, "<d"),
    Kind.STRING: string,
    Kind.BYTES: raw,
}


def value_writer(type_: Type, prefix: bytes = b"") -> Write:
    """A writer of values of a type that are not null.

    It raises ValueError, TypeError, KeyError, AttributeError, ArithmeticError or ``struct.error`` for a value that is
    none of the type; the caller knows the column and says so.
    """
    if type_.name == DECIMAL:
        return _decimal(int(type_.parameter("scale") or 0), prefix)
    if type_.name == VARIABLE_SCALE_DECIMAL:
        return _variable_scale(prefix)
    if type_.kind is Kind.STRUCT:
        return _struct(type_.fields, prefix)
    if type_.items:
        return (_array if type_.kind is Kind.ARRAY else _map)(_item_writer(type_, type_.items), prefix)
    return _SCALARS[type_.kind](prefix)


def _item_writer(type_: Type, items: Type) -> Write:
    if type_.items_optional:
        return _nullable(value_writer(items, BRANCH[1]), BRANCH[0])
    return _required(value_writer(items))


def branches(field: Field) -> tuple[bytes, bytes]:
    """The bytes before a value of this field, and those of its null (none for a required field).

    A default that is not null stands first in the union, so its branch is 0 (types.md A14).
    """
    if not field.optional:
        return b"", b""
    if json_default(field.type, field.default) is NO_DEFAULT:
        return BRANCH[1], BRANCH[0]
    return BRANCH


def field_writer(field: Field) -> Write:
    """A writer of a field's values, null among them if the field is optional."""
    prefix, null = branches(field)
    write = value_writer(field.type, prefix)
    return _nullable(write, null) if field.optional else _required(write)


def cell_writer(field: Field, decode: Callable[[Any], Any]) -> Write:
    """A writer of a column's undecoded cells that are neither None nor UNAVAILABLE.

    Text cells are UTF-8 already: their bytes pass on undecoded.
    """
    prefix, null = branches(field)
    if decode is text and field.type.kind is Kind.STRING:
        return raw(prefix)
    write_value = value_writer(field.type, prefix)

    def write(out: bytearray, cell: Any) -> None:
        value = decode(cell)
        if value is not None:
            write_value(out, value)
        elif null:
            out += null
        else:
            raise UnrepresentableError(NULL_IN_REQUIRED)

    return write


def constant(field: Field, value: Any) -> bytes:
    """The bytes of one value of a field."""
    out = bytearray()
    field_writer(field)(out, value)
    return bytes(out)
