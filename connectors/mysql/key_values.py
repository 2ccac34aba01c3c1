"""Keys of rows as their values say them → SQL constants, for rows that are read by key (DESIGN §6). Pure, no I/O.

The stream knows a key by its decoded values; the server must meet the row by them, through the key's index. So each
constant is of the column's own type or character set.
"""

from __future__ import annotations

import base64
import re
import struct
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connect.errors import Failed
from connectors.mysql import quoting
from connectors.mysql.types import BLOB_TYPES, TEXT_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from connect.api.snapshots import Key
    from connect.record import Row
    from connect.schema.model import TableSchema, Type
    from connectors.mysql.columns import Column, TableDefinition
    from connectors.mysql.type_options import TypeOptions

_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?")
_TIME: Final = re.compile(r"[-0-9:. TZ]+")
_CHARSET: Final = re.compile(r"[a-z0-9_]+")
_FLOAT: Final = struct.Struct("<f")
# What a temporal type counts: microseconds of one, or the digits to leave away.
_MICROSECONDS: Final = {
    "io.debezium.time.MicroTime": (1, 1),
    "io.debezium.time.NanoTime": (1, 1000),
    "org.apache.kafka.connect.data.Time": (1000, 1),
    "io.debezium.time.Timestamp": (1000, 1),
    "org.apache.kafka.connect.data.Timestamp": (1000, 1),
    "io.debezium.time.MicroTimestamp": (1, 1),
    "io.debezium.time.NanoTimestamp": (1, 1000),
}


def key_text(row: Row) -> Key:
    """The key of a row of any shape, one text a column: numbers in decimal, bytes in hexadecimal digits."""
    return tuple(map(_text, row.key))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


class _Part(NamedTuple):
    """One part of a key: its column, how the column's values are published, and the text."""

    column: Column
    type: Type
    text: str
    options: TypeOptions


def constants(definition: TableDefinition, schema: TableSchema, key: Key, options: TypeOptions) -> list[str]:
    """The parts of ``key_text`` as SQL.

    Args:
        definition: The table.
        schema: Of its rows; its key is what ``key`` has the texts of.
        key: From ``key_text``.
        options: How its values are published.

    Raises:
        Failed: ``key_note``: a part that its column cannot hold.
    """
    found = []
    for field, text in zip(schema.key_columns, key, strict=True):
        column = definition.column(field.name)
        make = _BY_TYPE.get(column.data_type) if column is not None else None
        try:
            if column is None or make is None:
                raise ValueError(field.name)  # noqa: TRY301 - one refusal for all
            found.append(make(_Part(column, field.type, text, options)))
        except ValueError:
            raise Failed(
                "key_note",
                f"the key of a row to be read again does not fit the column {field.name}",
                hint="Was the column's type changed meanwhile? Read the table anew.",
            ) from None
    return found


def _number(part: _Part) -> str:
    if not _NUMBER.fullmatch(part.text):
        raise ValueError(part.text)
    return part.text


def _double(part: _Part) -> str:
    number = _number(part)
    return number if "e" in number else f"{number}e0"


def _float(part: _Part) -> str:
    (exact,) = _FLOAT.unpack(_FLOAT.pack(float(part.text)))
    text = repr(exact)
    return text if "e" in text else f"{text}e0"


def _characters(part: _Part) -> str:
    charset = part.column.charset
    if charset is None or not _CHARSET.fullmatch(charset):
        return quoting.text(part.text)
    return f"CONVERT({quoting.text(part.text)} USING {charset})"


def _label(part: _Part) -> str:
    return quoting.text(part.text)


def _bytes(part: _Part) -> str:
    if part.options.binary in {"bytes", "hex"}:
        data = bytes.fromhex(part.text)
    else:
        altchars = b"-_" if part.options.binary == "base64-url-safe" else None
        data = base64.b64decode(part.text, altchars, validate=True)
    return f"x'{data.hex()}'"


def _bits(part: _Part) -> str:
    if part.type.kind == "boolean":
        return str(int(part.text))
    return str(int.from_bytes(bytes.fromhex(part.text), "little"))


def _date(part: _Part) -> str:
    if part.type.kind == "string":
        return _printed(part.text)
    return f"DATE '1970-01-01' + INTERVAL {int(part.text)} DAY"


def _datetime(part: _Part) -> str:
    if part.type.kind == "string":
        return _printed(part.text)
    return f"TIMESTAMP '1970-01-01 00:00:00' + INTERVAL {_microseconds(part)} MICROSECOND"


def _time(part: _Part) -> str:
    if part.type.kind == "string":
        return _printed(part.text)
    us = _microseconds(part)
    seconds, fraction = divmod(abs(us), 1_000_000)
    return f"SEC_TO_TIME({'-' if us < 0 else ''}{seconds}.{fraction:06})"


def _microseconds(part: _Part) -> int:
    times, over = _MICROSECONDS[part.type.name or ""]
    return int(part.text) * times // over


def _printed(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    return "'" + text.removesuffix("Z").replace("T", " ") + "'"


_BY_TYPE: Final[dict[str, Callable[[_Part], str]]] = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"), _number),
    **dict.fromkeys(TEXT_TYPES, _characters),
    **dict.fromkeys(BLOB_TYPES, _bytes),
    **dict.fromkeys(("enum", "set", "uuid", "inet4", "inet6"), _label),
    **dict.fromkeys(("datetime", "timestamp"), _datetime),
    "double": _double,
    "float": _float,
    "bit": _bits,
    "date": _date,
    "time": _time,
}
