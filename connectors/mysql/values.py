"""A log cell's bytes → the Python value of its column's type, one closure per column (types.md A11).

The decoders of ``text_values`` give the same values from the server's text (F74): both end in the functions of
``temporal``, ``shared_values`` and ``charsets``.
"""

from __future__ import annotations

import struct
import zlib
from functools import partial
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Final

from connect.schema.avro_reader import shortest_float32
from connectors.mysql import shared_values, temporal
from connectors.mysql.decimals import decimal_decoder
from connectors.mysql.json_binary import patched_text, to_text
from connectors.mysql.refusals import undecodable
from connectors.mysql.table_map import Code
from connectors.mysql.types import BLOB_TYPES, GEOMETRY_TYPES, TEXT_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.mysql.columns import Column
    from connectors.mysql.row_image import JsonDiff
    from connectors.mysql.table_map import LogColumn
    from connectors.mysql.type_options import TypeOptions

    Decode = Callable[[Any], Any]

_FLOAT: Final = struct.Struct("<f").unpack
_DOUBLE: Final = struct.Struct("<d").unpack
_US: Final = 1_000_000
_MONTHS: Final = 13  # a year and a month are one number of this base
_COMPRESSED: Final = 0x80  # method in the high nibble of a compressed column's first byte: 0 plain, 8 zlib
_RAW: Final = 0x08


def log_decoder(column: Column, log: LogColumn, options: TypeOptions) -> Decode:
    """The decoder of a column's cells.

    Args:
        column: What the column is; its fraction, length, members and character set are those of the map.
        log: How the map says that it is stored.
        options: The modes.

    Returns:
        Bytes → value, or None where the options make a value null. ``connect.record.text`` for UTF-8 text. It raises
        ``Failed`` (``unrepresentable_value``, ``undecodable_value``, ``charset_unsupported``) and ValueError.
    """
    decode = _decoder(column, log, options)
    if log.code in {Code.BLOB_COMPRESSED, Code.VARCHAR_COMPRESSED}:
        return lambda cell: decode(decompressed(cell))
    return decode


def _decoder(column: Column, log: LogColumn, options: TypeOptions) -> Decode:
    name = column.data_type
    if name in TEXT_TYPES:
        return shared_values.text_of(column)
    if name in BLOB_TYPES:
        publish = shared_values.binary(options)
        width = log.size if name == "binary" else 0  # the log leaves zero bytes at the end out
        return (lambda cell: publish(cell.ljust(width, b"\0"))) if width else publish
    if name in GEOMETRY_TYPES:
        return shared_values.point if name == "point" else shared_values.geometry
    return _BY_COLUMN[name](column, log, options)


def decompressed(cell: bytes) -> bytes:
    """The value of a MariaDB COMPRESSED column: a header byte, the length before, zlib data."""
    if not cell or not cell[0]:
        return cell[1:]
    if cell[0] & 0xF0 != _COMPRESSED:
        raise undecodable("compressed column")
    start = 1 + (cell[0] & 7)
    try:
        value = zlib.decompress(cell[start:], -zlib.MAX_WBITS if cell[0] & _RAW else zlib.MAX_WBITS)
    except zlib.error:
        raise undecodable("compressed column") from None
    if len(value) != int.from_bytes(cell[1:start], "big"):
        raise undecodable("compressed column")
    return value


def _integer(column: Column, _: LogColumn, options: TypeOptions) -> Decode:
    read: Decode = partial(int.from_bytes, byteorder="little", signed=not column.unsigned)
    wide = shared_values.wide_unsigned(column, options)
    return (lambda cell: wide(read(cell))) if wide else read


def _year(_: Column, __: LogColumn, ___: TypeOptions) -> Decode:
    return lambda cell: 1900 + cell[0] if cell[0] else 0


def _float(_: Column, __: LogColumn, ___: TypeOptions) -> Decode:
    return lambda cell: shortest_float32(_FLOAT(cell)[0])


def _double(_: Column, __: LogColumn, ___: TypeOptions) -> Decode:
    return lambda cell: _DOUBLE(cell)[0]


def _decimal(_: Column, log: LogColumn, options: TypeOptions) -> Decode:
    read, publish = decimal_decoder(log.size, log.scale), shared_values.decimal(options)
    return (lambda cell: publish(read(cell))) if publish else read


def _date(column: Column, _: LogColumn, options: TypeOptions) -> Decode:
    value = temporal.dates(column, options)

    def decode(cell: bytes) -> Any:
        packed = int.from_bytes(cell, "little")
        return value(packed >> 9, packed >> 5 & 15, packed & 31)

    return decode


def _time(column: Column, log: LogColumn, options: TypeOptions) -> Decode:
    value = temporal.times(options)
    if log.code == Code.OLD_TIME:
        return _hires_time(column.fraction, value) if column.fraction else _old_time(value)
    size, unit = (log.size + 1) // 2, 100 ** (3 - (log.size + 1) // 2)
    zero, bits = 1 << size * 8 + 23, size * 8

    def decode(cell: bytes) -> Any:
        packed = int.from_bytes(cell, "big") - zero
        sign, packed = (-1, -packed) if packed < 0 else (1, packed)
        clock = packed >> bits
        seconds = (clock >> 12 & 0x3FF) * 3600 + (clock >> 6 & 63) * 60 + (clock & 63)
        return value(sign * (seconds * _US + (packed & (1 << bits) - 1) * unit))

    return decode


def _old_time(value: Decode) -> Decode:
    def decode(cell: bytes) -> Any:
        number = int.from_bytes(cell, "little", signed=True)
        sign, number = (-1, -number) if number < 0 else (1, number)
        return value(sign * (number // 10_000 * 3600 + number // 100 % 100 * 60 + number % 100) * _US)

    return decode


def _hires_time(digits: int, value: Decode) -> Decode:
    """MariaDB 5.3's TIME(p): units of 10^-p seconds, counted from one second before -838:59:59."""
    units = 10**digits
    least = (838 * 3600 + 59 * 60 + 60) * units
    return lambda cell: value((int.from_bytes(cell, "big") - least) * (_US // units))


def hires_width(code: int, digits: int) -> int:
    """Bytes of MariaDB 5.3's temporal types with a fraction, whose length no table map tells (types.md A11)."""
    match code:
        case Code.OLD_TIME:
            return (3, 4, 4, 5, 5, 5, 6)[digits]
        case Code.OLD_TIMESTAMP:
            return 4 + (digits + 1) // 2
        case _:
            return (5, 6, 6, 7, 7, 7, 8)[digits]


def _datetime(column: Column, log: LogColumn, options: TypeOptions) -> Decode:
    value = temporal.datetimes(column, options)
    if log.code == Code.OLD_DATETIME:
        return _hires_datetime(column.fraction, value) if column.fraction else _old_datetime(value)
    size, unit = (log.size + 1) // 2, 100 ** (3 - (log.size + 1) // 2)
    zero, bits = 1 << size * 8 + 39, size * 8

    def decode(cell: bytes) -> Any:
        packed = int.from_bytes(cell, "big") - zero
        whole = packed >> bits
        year, month = divmod(whole >> 22, _MONTHS)
        seconds = (whole >> 12 & 31) * 3600 + (whole >> 6 & 63) * 60 + (whole & 63)
        return value(year, month, whole >> 17 & 31, seconds * _US + (packed & (1 << bits) - 1) * unit)

    return decode


def _old_datetime(value: Callable[[int, int, int, int], Any]) -> Decode:
    def decode(cell: bytes) -> Any:
        day, clock = divmod(int.from_bytes(cell, "little"), 1_000_000)
        seconds = clock // 10_000 * 3600 + clock // 100 % 100 * 60 + clock % 100
        return value(day // 10_000, day // 100 % 100, day % 100, seconds * _US)

    return decode


def _hires_datetime(digits: int, value: Callable[[int, int, int, int], Any]) -> Decode:
    """MariaDB 5.3's DATETIME(p): one number whose digits have the bases of the calendar, months counted by 13."""
    units = 10**digits

    def decode(cell: bytes) -> Any:
        rest, fraction = divmod(int.from_bytes(cell, "big"), units)
        rest, seconds = divmod(rest, 24 * 3600)
        rest, day = divmod(rest, 32)
        year, month = divmod(rest, _MONTHS)
        return value(year, month, day, seconds * _US + fraction * (_US // units))

    return decode


def _timestamp(column: Column, log: LogColumn, options: TypeOptions) -> Decode:
    value = temporal.timestamps(column, options)
    if log.code == Code.OLD_TIMESTAMP and not column.fraction:
        return lambda cell: value(int.from_bytes(cell, "little"), 0)
    if log.code == Code.OLD_TIMESTAMP:  # MariaDB 5.3: the fraction in units of its last digit
        size, unit = (column.fraction + 1) // 2, 10 ** (6 - column.fraction)
    else:
        size, unit = (log.size + 1) // 2, 100 ** (3 - (log.size + 1) // 2)
    bits = size * 8

    def decode(cell: bytes) -> Any:
        packed = int.from_bytes(cell, "big")
        return value(packed >> bits, (packed & (1 << bits) - 1) * unit)

    return decode


def _bit(column: Column, _: LogColumn, __: TypeOptions) -> Decode:
    return shared_values.bits(column)


def _enum(column: Column, _: LogColumn, __: TypeOptions) -> Decode:
    labels = ("", *column.members)  # index 0 is what the server made of an invalid label (F76)
    refuse = shared_values.refuse_charset(column)

    def decode(cell: bytes) -> str:
        index = int.from_bytes(cell, "little")
        if index >= len(labels):
            raise undecodable("enum")
        return labels[index]

    return refuse or decode


def _set(column: Column, _: LogColumn, __: TypeOptions) -> Decode:
    members = column.members
    refuse = shared_values.refuse_charset(column)

    def decode(cell: bytes) -> str:
        mask = int.from_bytes(cell, "little")
        if mask >> len(members):
            raise undecodable("set")
        return ",".join(member for i, member in enumerate(members) if mask >> i & 1)

    return refuse or decode


def _json(column: Column, log: LogColumn, _: TypeOptions) -> Decode:
    if log.code != Code.JSON:
        return shared_values.text_of(column)  # MariaDB keeps the text as it was written
    return json_text


def json_text(cell: bytes | JsonDiff) -> str:
    """A MySQL document, or what a partial update made of one (F54), as the server prints it."""
    if isinstance(cell, bytes):
        return to_text(cell)
    return patched_text(cell.before, cell.diffs)


def _vector(_: Column, __: LogColumn, ___: TypeOptions) -> Decode:
    return shared_values.vector


def _uuid(_: Column, __: LogColumn, ___: TypeOptions) -> Decode:
    def decode(cell: bytes) -> str:
        digits = cell.ljust(16, b"\0").hex()  # the log leaves zero bytes at the end out (A15, 23)
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    return decode


def _inet4(_: Column, __: LogColumn, ___: TypeOptions) -> Decode:
    return lambda cell: str(IPv4Address(cell.ljust(4, b"\0")))


def _inet6(_: Column, __: LogColumn, ___: TypeOptions) -> Decode:
    return lambda cell: shared_values.inet6_text(cell.ljust(16, b"\0"))


_BY_COLUMN: Final[dict[str, Callable[[Column, LogColumn, TypeOptions], Decode]]] = {
    "bigint": _integer,
    "bit": _bit,
    "date": _date,
    "datetime": _datetime,
    "decimal": _decimal,
    "double": _double,
    "enum": _enum,
    "float": _float,
    "inet4": _inet4,
    "inet6": _inet6,
    "int": _integer,
    "json": _json,
    "mediumint": _integer,
    "set": _set,
    "smallint": _integer,
    "time": _time,
    "timestamp": _timestamp,
    "tinyint": _integer,
    "uuid": _uuid,
    "vector": _vector,
    "year": _year,
}
