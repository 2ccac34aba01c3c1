"""Which schema and which decoder a column gets: the mapping table of types.md A3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from connect.record import text
from connect.schema.model import Kind, Type
from connectors.postgres.types import arrays, binary, numeric, structured, temporal
from connectors.postgres.types.compiled import compiled_decoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.postgres.types.catalog import TypeCatalog, TypeInfo
    from connectors.postgres.types.options import TypeOptions

    Decode = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class ColumnCodec:
    """How a column's cells become values.

    Attributes:
        type: The logical type.
        decode: A cell's text form → the Python value of ``type`` (see ``connect.schema.model.Type``), or None under
            ``unrepresentable: null``. Raises ``Failed`` (``unrepresentable_value``, ``undecodable_value``), and
            ValueError for what is no UTF-8 or, where the decoder is ``int`` or ``float`` itself, no number.
        toastable: Whether an UPDATE can leave the value out as unchanged (F22).
        base_oid: The type under all domains; 0 for one that nobody knows.
        typmod: The typmod that holds for it.
        nullable: Whether ``decode`` may give None: the column is then optional, even if it is NOT NULL.
    """

    type: Type
    decode: Decode
    toastable: bool
    base_oid: int = 0
    typmod: int = -1
    nullable: bool = False


def codec(type_oid: int, typmod: int, catalog: TypeCatalog, options: TypeOptions) -> ColumnCodec:
    """The codec of a column as a Relation message or the catalog describes it.

    A type without a mapping of its own is never dropped: it is published as the text that Postgres prints.

    Args:
        type_oid: The column's type, a domain's own OID where it is one.
        typmod: The column's typmod, -1 for none.
        catalog: Knows the type, or does not: then the text is published.
        options: The modes.
    """
    info, typmod = catalog.root(type_oid, typmod)
    if info is None:
        return ColumnCodec(_TEXT, text, toastable=True)
    if info.element_oid:
        column_type, decode = _array(info, typmod, catalog, options)
    else:
        column_type, decode = _scalar(info, typmod, options)
        decode = compiled_decoder(info.oid, typmod, column_type, decode)
    nullable = options.unrepresentable == "null" and bool(info.element_oid or info.oid in _SELECTIVE)
    return ColumnCodec(column_type, decode, info.toastable, info.oid, typmod, nullable)


def _array(info: TypeInfo, typmod: int, catalog: TypeCatalog, options: TypeOptions) -> tuple[Type, Decode]:
    if options.arrays == "text":
        return _TEXT, text
    element = codec(info.element_oid, typmod, catalog, options)
    element_info = catalog.get(info.element_oid)
    delimiter = element_info.delimiter if element_info else ","
    return Type(Kind.ARRAY, items=element.type), arrays.array(delimiter, element.decode, options)


def _scalar(info: TypeInfo, typmod: int, options: TypeOptions) -> tuple[Type, Decode]:
    if info.typtype == "e":
        allowed = (("allowed", ",".join(info.labels)),)
        return Type(Kind.STRING, "io.debezium.data.Enum", 1, allowed), text  # a label of tomorrow passes too (F28)
    if info.oid in _PLAIN:
        return _PLAIN[info.oid]
    if info.oid in _BY_OPTIONS:
        return _BY_OPTIONS[info.oid](typmod, options)
    if info.typtype == "b" and info.schema != "pg_catalog":
        if info.name == "hstore":
            return structured.hstore_codec(typmod, options)
        return _EXTENSIONS.get(info.name, (_TEXT, text))
    return _TEXT, text


_TEXT: Final = Type(Kind.STRING)
_SELECTIVE: Final = frozenset(
    (1114, 1562, 1700)
)  # some values of timestamp, varbit and numeric fit no schema of theirs


def _named(name: str) -> tuple[Type, Decode]:
    return Type(Kind.STRING, f"io.debezium.data.{name}", 1), text


_PLAIN: Final[dict[int, tuple[Type, Decode]]] = {
    16: (Type(Kind.BOOLEAN), numeric.boolean),
    20: (Type(Kind.INT64), int),
    21: (Type(Kind.INT16), int),
    22: (Type(Kind.ARRAY, items=Type(Kind.INT16)), arrays.vector),  # int2vector
    23: (Type(Kind.INT32), int),
    26: (Type(Kind.INT64), int),  # oid
    30: (Type(Kind.ARRAY, items=Type(Kind.INT64)), arrays.vector),  # oidvector
    114: _named("Json"),
    142: _named("Xml"),
    600: (structured.POINT, structured.point),
    700: (Type(Kind.FLOAT32), float),
    701: (Type(Kind.FLOAT64), float),
    2950: _named("Uuid"),
    3614: _named("Tsvector"),
    3802: _named("Json"),
}
_BY_OPTIONS: Final[dict[int, Callable[[int, TypeOptions], tuple[Type, Decode]]]] = {
    17: lambda _, options: binary.bytea(options),
    790: lambda _, options: numeric.money(options),
    1082: temporal.date_codec,
    1083: temporal.time_codec,
    1114: temporal.timestamp_codec,
    1184: temporal.timestamptz_codec,
    1186: temporal.interval_codec,
    1266: temporal.timetz_codec,
    1560: binary.bit_string,
    1562: binary.bit_string,
    1700: numeric.numeric,
}
_EXTENSIONS: Final[dict[str, tuple[Type, Decode]]] = {
    "geography": (structured.GEOGRAPHY, structured.geometry),
    "geometry": (structured.GEOMETRY, structured.geometry),
    "halfvec": (structured.FLOAT_VECTOR, structured.float_list),
    "ltree": _named("Ltree"),
    "sparsevec": (structured.SPARSE_VECTOR, structured.sparse_vector),
    "vector": (structured.DOUBLE_VECTOR, structured.float_list),
}
