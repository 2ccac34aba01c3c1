"""Values with parts of their own: points, geometries, hstore, vectors; text form → value."""

from __future__ import annotations

import re
import struct
from binascii import Error, unhexlify
from typing import TYPE_CHECKING, Any, Final

import orjson

from connect.schema.model import Field, Kind, Type
from connectors.postgres.types.refusals import undecodable

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.postgres.types.options import TypeOptions

_HSTORE_TEXT: Final = rb'"([^"\\]*(?:\\.[^"\\]*)*)"'
_HSTORE_PAIR: Final = re.compile(_HSTORE_TEXT + rb"=>(?:NULL|" + _HSTORE_TEXT + rb")(?:, |$)", re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
_EWKB_SRID: Final = 0x20000000  # flag in the geometry's type: an SRID follows

_SHAPE_FIELDS = (Field("wkb", Type(Kind.BYTES), optional=False), Field("srid", Type(Kind.INT32)))
POINT: Final = Type(
    Kind.STRUCT,
    "io.debezium.data.geometry.Point",
    1,
    fields=(
        Field("x", Type(Kind.FLOAT64), optional=False),
        Field("y", Type(Kind.FLOAT64), optional=False),
        Field("wkb", Type(Kind.BYTES)),
        Field("srid", Type(Kind.INT32)),
    ),
    doc="Geometry (POINT)",
)
GEOMETRY: Final = Type(Kind.STRUCT, "io.debezium.data.geometry.Geometry", 1, fields=_SHAPE_FIELDS, doc="Geometry")
GEOGRAPHY: Final = Type(Kind.STRUCT, "io.debezium.data.geometry.Geography", 1, fields=_SHAPE_FIELDS, doc="Geography")
DOUBLE_VECTOR: Final = Type(
    Kind.ARRAY, "io.debezium.data.DoubleVector", 1, items=Type(Kind.FLOAT64), items_optional=False
)
FLOAT_VECTOR: Final = Type(
    Kind.ARRAY, "io.debezium.data.FloatVector", 1, items=Type(Kind.FLOAT32), items_optional=False
)
# A map with integer keys travels as an array of entries, as Confluent's Avro converter writes one (types.md A14);
# INT32 where Debezium's INT16 loses vectors with more than 32,767 dimensions (A15, 13).
SPARSE_VECTOR: Final = Type(
    Kind.STRUCT,
    "io.debezium.data.SparseDoubleVector",
    1,
    fields=(
        Field("dimensions", Type(Kind.INT32), optional=False),
        Field(
            "vector",
            Type(
                Kind.ARRAY,
                items=Type(
                    Kind.STRUCT,
                    "io.confluent.connect.avro.MapEntry",
                    fields=(
                        Field("key", Type(Kind.INT32), optional=False),
                        Field("value", Type(Kind.FLOAT64), optional=False),
                    ),
                ),
                items_optional=False,
            ),
            optional=False,
        ),
    ),
)
JSON: Final = Type(Kind.STRING, "io.debezium.data.Json", 1)


def point(cell: bytes) -> dict[str, Any]:
    """``(x,y)`` → a struct with the same point as little-endian WKB."""
    try:
        x, y = (float(number) for number in cell[1:-1].split(b","))
    except ValueError:
        raise undecodable("point") from None
    return {"x": x, "y": y, "wkb": struct.pack("<BIdd", 1, 1, x, y), "srid": None}


def geometry(cell: bytes) -> dict[str, Any]:
    """PostGIS's hexadecimal EWKB → WKB, with the SRID beside it."""
    try:
        wkb = unhexlify(cell)
        order = "<" if wkb[0] else ">"
        (kind,) = struct.unpack_from(f"{order}I", wkb, 1)
        if not kind & _EWKB_SRID:
            return {"wkb": wkb, "srid": None}
        (srid,) = struct.unpack_from(f"{order}i", wkb, 5)
    except (Error, IndexError, struct.error):
        raise undecodable("geometry") from None
    return {"wkb": wkb[:1] + struct.pack(f"{order}I", kind & ~_EWKB_SRID) + wkb[9:], "srid": srid}


def hstore_codec(_: int, options: TypeOptions) -> tuple[Type, Callable[[bytes], Any]]:
    """``hstore``: a compact JSON text, or a map."""
    if options.hstore == "map":
        return Type(Kind.MAP, items=Type(Kind.STRING)), hstore
    return JSON, lambda cell: orjson.dumps(hstore(cell)).decode()


def hstore(cell: bytes) -> dict[str, str | None]:
    """``"k"=>"v", "k2"=>NULL`` → the pairs, in Postgres's order."""
    pairs: dict[str, str | None] = {}
    at = 0
    while at < len(cell):
        found = _HSTORE_PAIR.match(cell, at)
        if found is None:
            raise undecodable("hstore")
        key, value = found.groups()
        pairs[_unescaped(key)] = None if value is None else _unescaped(value)
        at = found.end()
    return pairs


def _unescaped(text: bytes) -> str:
    return (_ESCAPE.sub(rb"\1", text) if b"\\" in text else text).decode()


def float_list(cell: bytes) -> list[float]:
    """``[1,-2.5]`` of pgvector's vector and halfvec → the numbers as printed."""
    body = cell[1:-1]
    try:
        return [float(number) for number in body.split(b",")] if body else []
    except ValueError:
        raise undecodable("vector") from None


def sparse_vector(cell: bytes) -> dict[str, Any]:
    """``{1:1.5,5:-2}/5`` → dimensions and entries; indices count from 1."""
    try:
        body, dimensions = cell.split(b"/")
        pairs = [pair.split(b":") for pair in body[1:-1].split(b",") if pair]
        return {
            "dimensions": int(dimensions),
            "vector": [{"key": int(index), "value": float(number)} for index, number in pairs],
        }
    except ValueError:
        raise undecodable("sparsevec") from None
