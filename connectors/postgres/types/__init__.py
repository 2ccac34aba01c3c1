"""Postgres types: which schema a column gets, and how the text form of its values is decoded (types.md A2-A8, A15).

Decoders expect the pinned session settings: DateStyle ISO, IntervalStyle postgres, TimeZone UTC, bytea_output hex,
extra_float_digits 3, client_encoding UTF8. The log and COPY print the same text, so both go through the same decoder
(F74).
"""

from connectors.postgres.types.catalog import CATALOG_SQL, TypeCatalog, TypeInfo
from connectors.postgres.types.codecs import ColumnCodec, codec
from connectors.postgres.types.defaults import constant_default, missing_value
from connectors.postgres.types.options import TypeOptions

__all__ = [
    "CATALOG_SQL",
    "ColumnCodec",
    "TypeCatalog",
    "TypeInfo",
    "TypeOptions",
    "codec",
    "constant_default",
    "missing_value",
]
