"""The compiled twins of splits and decoders, where there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connect.compiled import COMPILED
from connect.schema.model import Kind
from connectors.mysql import shared_values
from connectors.mysql.table_map import Code
from connectors.mysql.text_values import split_text_row
from connectors.mysql.types import BLOB_TYPES

if COMPILED:
    from connectors.mysql import codecs_c, rows_c

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connect.schema.model import Type
    from connectors.mysql.columns import Column
    from connectors.mysql.row_image import RowForm
    from connectors.mysql.table_map import LogColumn
    from connectors.mysql.type_options import TypeOptions

    Decode = Callable[[Any], Any]
    Split = Callable[[Any], Sequence[Any]]

# What one microsecond times the first and divided by the second number is, by the name of the column's type.
_UNITS = {
    "io.debezium.time.MicroTime": (1, 1),
    "io.debezium.time.NanoTime": (1000, 1),
    "org.apache.kafka.connect.data.Time": (1, 1000),
    "io.debezium.time.Timestamp": (1, 1000),
    "io.debezium.time.MicroTimestamp": (1, 1),
    "io.debezium.time.NanoTimestamp": (1000, 1),
    "org.apache.kafka.connect.data.Timestamp": (1, 1000),
}
_INTEGERS = frozenset(("tinyint", "smallint", "mediumint", "int", "bigint"))
_MOST_DIGITS = 38  # of a decimal in 128 bits
_MOST_FRACTION = 6  # digits of a second's


def image_split(form: RowForm) -> Split:
    """The split of a table map's row images."""
    if COMPILED:
        try:
            return rows_c.ImageSplitter(form.split, form.widths)
        except ValueError:  # lengths that no server writes
            pass
    return form.split


def text_split() -> Split:
    """The split of row packets of the text protocol."""
    return rows_c.TextSplitter() if COMPILED else split_text_row


def compiled_log_decoder(column: Column, log: LogColumn, type_: Type, options: TypeOptions, decode: Decode) -> Decode:
    """A decoder that is ``decode`` when it is called, and that compiled encoders run without Python.

    Args:
        column: What the column is.
        log: How it is stored.
        type_: The column's schema, by which the modes are told apart.
        options: The modes.
        decode: The twin, from ``values.log_decoder``.
    """
    if not COMPILED or log.code in {Code.BLOB_COMPRESSED, Code.VARCHAR_COMPRESSED}:
        return decode
    return _log_decoder(column, log, type_, options, decode)


def _log_decoder(  # noqa: PLR0911 - one line a type
    column: Column, log: LogColumn, type_: Type, options: TypeOptions, decode: Decode
) -> Decode:
    name = column.data_type
    if name in _INTEGERS and type_.kind is Kind.BYTES:
        return codecs_c.WideDecoder(decode)
    if name in _INTEGERS:
        return codecs_c.UnsignedDecoder(decode) if column.unsigned else codecs_c.SignedDecoder(decode)
    if name in BLOB_TYPES and type_.kind is Kind.BYTES:
        return codecs_c.BytesDecoder(decode, log.size if name == "binary" else 0)
    match name:
        case "year":
            return codecs_c.YearDecoder(decode)
        case "float":
            return codecs_c.SingleDecoder(decode)
        case "double":
            return codecs_c.DoubleDecoder(decode)
        case "decimal" if type_.kind is Kind.BYTES and log.scale <= log.size <= _MOST_DIGITS:
            return codecs_c.DecimalDecoder(decode, log.size, log.scale)
        case "enum" | "set":
            return _labels(column, decode)
        case "date" | "time" | "datetime" | "timestamp":
            return _temporal(column, log, type_, options, decode)
        case _:
            return _bit(column, decode)


def _temporal(column: Column, log: LogColumn, type_: Type, options: TypeOptions, decode: Decode) -> Decode:
    unit = _UNITS.get(type_.name or "")
    if log.size > _MOST_FRACTION:
        return decode
    match log.code:
        case Code.DATE | Code.NEWDATE if type_.kind is Kind.INT32:
            return codecs_c.DateDecoder(decode)
        case Code.TIME2 if unit:
            return codecs_c.TimeDecoder(decode, *unit, log.size, of_day=options.time == "connect")
        case Code.DATETIME2 if unit:
            return codecs_c.DatetimeDecoder(decode, *unit, log.size)
        case Code.TIMESTAMP2 if options.zero_date != "string" and log.size == column.fraction:
            return codecs_c.TimestampDecoder(decode, log.size)
        case _:
            return decode


def _labels(column: Column, decode: Decode) -> Decode:
    if shared_values.refuse_charset(column) is not None:
        return decode
    try:
        labels = [member.encode() for member in column.members]
    except UnicodeError:
        return decode
    if column.data_type == "enum":
        return codecs_c.EnumDecoder(decode, [b"", *labels])
    return codecs_c.SetDecoder(decode, labels)


def _bit(column: Column, decode: Decode) -> Decode:
    if column.data_type != "bit":
        return decode
    return codecs_c.BitDecoder(decode) if column.length == 1 else codecs_c.BitsDecoder(decode)


def compiled_text_decoder(column: Column, type_: Type, options: TypeOptions, decode: Decode) -> Decode:
    """As ``compiled_log_decoder``, for the cells of the text protocol; ``decode`` is from ``text_values``.

    Encoders know ``record.text``, ``int`` and ``float`` themselves.
    """
    return _text_decoder(column, type_, options, decode) if COMPILED else decode


def _text_decoder(column: Column, type_: Type, options: TypeOptions, decode: Decode) -> Decode:  # noqa: PLR0911 - one line a type
    name, unit = column.data_type, _UNITS.get(type_.name or "")
    if name in BLOB_TYPES and type_.kind is Kind.BYTES:
        return codecs_c.BytesDecoder(decode)
    match name:
        case "bigint" if column.unsigned and type_.kind is Kind.INT64:
            return codecs_c.TextUnsignedDecoder(decode)
        case "bigint" | "decimal" if type_.kind is Kind.BYTES:
            return codecs_c.TextDecimalDecoder(decode)
        case "float":
            return codecs_c.TextFloatDecoder(decode)
        case "date" if type_.kind is Kind.INT32:
            return codecs_c.TextDateDecoder(decode)
        case "time" if unit:
            return codecs_c.TextTimeDecoder(decode, *unit, of_day=options.time == "connect")
        case "datetime" if unit:
            return codecs_c.TextDatetimeDecoder(decode, *unit)
        case "timestamp" if options.zero_date != "string":
            return codecs_c.TextTimestampDecoder(decode)
        case _:
            return _bit(column, decode)
