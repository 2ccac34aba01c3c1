"""A text-protocol cell's bytes → the Python value of its column's type: the same value as the log gives (F74).

Expected of the session: ``character_set_results = NULL`` (text in the column's own character set), ``time_zone =
'+00:00'`` (F79), a sql_mode without PAD_CHAR_TO_FULL_LENGTH; and the expressions of ``select_list`` as columns.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from connect.record import text
from connect.schema.avro_reader import shortest_float32
from connectors.mysql import shared_values, temporal
from connectors.mysql.refusals import undecodable
from connectors.mysql.table_map import lenenc
from connectors.mysql.types import BLOB_TYPES, GEOMETRY_TYPES, TEXT_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connectors.mysql.columns import Column, TableDefinition
    from connectors.mysql.type_options import TypeOptions

    Decode = Callable[[bytes], Any]

_NULL: Final = 0xFB
_US: Final = 1_000_000


def select_list(definition: TableDefinition) -> list[str]:
    """One SQL expression for each column, in table order.

    FLOAT's own text has six digits only (A15, 18), that of FLOAT(M,D) and DOUBLE(M,D) as many as the column shows:
    multiplied by one they print every digit, and keep the sign of zero.
    """
    return [_expression(column) for column in definition.columns]


def _expression(column: Column) -> str:
    name = "`" + column.name.replace("`", "``") + "`"
    inexact = column.data_type == "float" or (column.data_type == "double" and column.scale is not None)
    return f"{name} * 1e0" if inexact else name


def split_text_row(data: Any) -> Sequence[bytes | None]:
    """A row packet of the text protocol → its cells.

    Raises:
        Failed: ``undecodable_value``: not a row packet.
    """
    cells: list[bytes | None] = []
    at, end = 0, len(data)
    try:
        while at < end:
            size = data[at]
            if size == _NULL:
                cells.append(None)
                at += 1
                continue
            if size < _NULL:
                at += 1
            else:
                size, at = lenenc(data, at)
            cells.append(data[at : at + size])
            at += size
    except (IndexError, KeyError):
        raise undecodable("row packet") from None
    return cells


def text_decoder(column: Column, options: TypeOptions) -> Decode:
    """The decoder of a column's cells.

    Returns:
        Bytes → value, or None where the options make a value null; ``connect.record.text`` for UTF-8 text, ``int`` for
        integers. It raises ``Failed`` (``unrepresentable_value``, ``undecodable_value``, ``charset_unsupported``) and
        ValueError.
    """
    name = column.data_type
    if name in TEXT_TYPES or name in {"enum", "set"}:
        return shared_values.text_of(column)
    if name in BLOB_TYPES:
        return shared_values.binary(options)
    if name in GEOMETRY_TYPES:
        return shared_values.point if name == "point" else shared_values.geometry
    return _BY_COLUMN[name](column, options)


def _integer(column: Column, options: TypeOptions) -> Decode:
    wide = shared_values.wide_unsigned(column, options)
    return (lambda cell: wide(int(cell))) if wide else int


def _float(_: Column, __: TypeOptions) -> Decode:
    return lambda cell: shortest_float32(float(cell))


def _decimal(_: Column, options: TypeOptions) -> Decode:
    publish = shared_values.decimal(options)

    def read(cell: bytes) -> Decimal:
        try:
            value = Decimal(cell.decode())
        except (InvalidOperation, ValueError):
            raise undecodable("decimal") from None
        return value or value.copy_abs()  # no negative zero, as in the log

    return (lambda cell: publish(read(cell))) if publish else read


def _date(column: Column, options: TypeOptions) -> Decode:
    value = temporal.dates(column, options)
    return lambda cell: value(int(cell[:4]), int(cell[5:7]), int(cell[8:10]))


def _clock(cell: bytes) -> int:
    """``hh:mm:ss.ffffff``, hours of any length → microseconds."""
    hours, minutes, seconds = cell.split(b":")
    whole, _, fraction = seconds.partition(b".")
    return (int(hours) * 3600 + int(minutes) * 60 + int(whole)) * _US + int(fraction.ljust(6, b"0"))


def _time(_: Column, options: TypeOptions) -> Decode:
    value = temporal.times(options)

    def decode(cell: bytes) -> Any:
        try:
            return value(-_clock(cell[1:]) if cell[:1] == b"-" else _clock(cell))
        except ValueError:
            raise undecodable("time") from None

    return decode


def _datetime(column: Column, options: TypeOptions) -> Decode:
    value = temporal.datetimes(column, options)

    def decode(cell: bytes) -> Any:
        try:
            return value(int(cell[:4]), int(cell[5:7]), int(cell[8:10]), _clock(cell[11:]))
        except ValueError:
            raise undecodable("datetime") from None

    return decode


def _timestamp(column: Column, options: TypeOptions) -> Decode:
    zero = temporal.no_timestamp(column, options)
    if options.zero_date == "string":
        return text

    def decode(cell: bytes) -> str | None:
        stamp = cell.decode()
        return zero() if stamp.startswith("0000-00-00") else f"{stamp[:10]}T{stamp[11:]}Z"

    return decode


def _bit(column: Column, _: TypeOptions) -> Decode:
    return shared_values.bits(column)


def _json(column: Column, _: TypeOptions) -> Decode:
    return shared_values.text_of(column)


_BY_COLUMN: Final[dict[str, Callable[[Column, TypeOptions], Decode]]] = {
    "bigint": _integer,
    "bit": _bit,
    "date": _date,
    "datetime": _datetime,
    "decimal": _decimal,
    "double": lambda _, __: float,
    "float": _float,
    "inet4": lambda _, __: text,
    "inet6": lambda _, __: text,
    "int": lambda _, __: int,
    "json": _json,
    "mediumint": lambda _, __: int,
    "smallint": lambda _, __: int,
    "time": _time,
    "timestamp": _timestamp,
    "tinyint": lambda _, __: int,
    "uuid": lambda _, __: text,
    "vector": lambda _, __: shared_values.vector,
    "year": lambda _, __: int,
}
