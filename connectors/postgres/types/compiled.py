"""The compiled twin of a column's decoder, where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from connect.compiled import COMPILED
from connect.schema.model import VARIABLE_SCALE_DECIMAL, Kind

if COMPILED:
    from connectors.postgres.types import codecs_c

if TYPE_CHECKING:
    from collections.abc import Callable

    from connect.schema.model import Type

    Decode = Callable[[bytes], Any]

# What one microsecond times the first and divided by the second number is, by the name of the column's type.
_UNITS: Final = {
    "io.debezium.time.Time": (1, 1000),
    "io.debezium.time.MicroTime": (1, 1),
    "io.debezium.time.NanoTime": (1000, 1),
    "io.debezium.time.Timestamp": (1, 1000),
    "io.debezium.time.MicroTimestamp": (1, 1),
    "io.debezium.time.NanoTimestamp": (1000, 1),
    "org.apache.kafka.connect.data.Time": (1, 1000),
    "org.apache.kafka.connect.data.Timestamp": (1, 1000),
}


def compiled_decoder(oid: int, typmod: int, column: Type, decode: Decode) -> Decode:
    """A decoder that is ``decode`` when it is called, and that compiled encoders run without Python.

    Args:
        oid: The type under all domains.
        typmod: The typmod that holds for it.
        column: The column's schema, by which the modes of ``TypeOptions`` are told apart.
        decode: The twin.
    """
    return _compiled(oid, typmod, column, decode) if COMPILED else decode


def _compiled(oid: int, typmod: int, column: Type, decode: Decode) -> Decode:  # noqa: PLR0911 - one line a type
    kind, unit = column.kind, _UNITS.get(column.name or "")
    match oid:
        case 16:
            return codecs_c.BooleanDecoder(decode)
        case 17 if kind is Kind.BYTES:
            return codecs_c.HexBytesDecoder(decode)
        case 1082 if kind is Kind.INT32:
            return codecs_c.DateDecoder(decode)
        case 1083 if unit:
            return codecs_c.TimeDecoder(decode, *unit)
        case 1114 if unit:
            return codecs_c.TimestampDecoder(decode, *unit)
        case 1184:
            return codecs_c.ZonedTimestampDecoder(decode, typmod if 0 <= typmod <= 6 else 6)
        case 1700 if kind is Kind.BYTES:
            return codecs_c.FixedScaleDecoder(decode)
        case 1700 if column.name == VARIABLE_SCALE_DECIMAL:
            return codecs_c.VariableScaleDecoder(decode)
        case _:
            return decode
