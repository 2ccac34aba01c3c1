"""Columns of a table map beside columns of a definition: which is which, and what the map alone tells (V1, F49).

What the bytes of a row are is the table map's to say, always. What a column is called and what it means comes from the
map too where it has names; what a map lacks (MariaDB's UUID, INET and JSON, defaults, comments) comes from the
definition, for columns of the same name that are stored as the definition says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from connect.errors import Failed
from connectors.mysql.charsets import BINARY, max_bytes
from connectors.mysql.columns import Column
from connectors.mysql.table_map import Code, LogColumn
from connectors.mysql.types import BLOB_TYPES, GEOMETRY_TYPES, TEXT_TYPES

if TYPE_CHECKING:
    from connectors.mysql.columns import TableDefinition
    from connectors.mysql.table_map import TableMap

OLD_TEMPORAL: Final = {
    Code.OLD_TIMESTAMP: "timestamp",
    Code.OLD_TIME: "time",
    Code.OLD_DATETIME: "datetime",
}
_STRINGS: Final = frozenset((Code.VARCHAR, Code.VAR_STRING, Code.VARCHAR_COMPRESSED))
_BLOBS: Final = frozenset((Code.BLOB, Code.BLOB_COMPRESSED))
_CODES: Final[dict[str, frozenset[int]]] = {
    "tinyint": frozenset((Code.TINY,)),
    "smallint": frozenset((Code.SHORT,)),
    "mediumint": frozenset((Code.INT24,)),
    "int": frozenset((Code.LONG,)),
    "bigint": frozenset((Code.LONGLONG,)),
    "float": frozenset((Code.FLOAT,)),
    "double": frozenset((Code.DOUBLE,)),
    "decimal": frozenset((Code.DECIMAL,)),
    "bit": frozenset((Code.BIT,)),
    "date": frozenset((Code.DATE, Code.NEWDATE)),
    "time": frozenset((Code.TIME2, Code.OLD_TIME)),
    "datetime": frozenset((Code.DATETIME2, Code.OLD_DATETIME)),
    "timestamp": frozenset((Code.TIMESTAMP2, Code.OLD_TIMESTAMP)),
    "year": frozenset((Code.YEAR,)),
    "char": frozenset((Code.STRING,)),
    "binary": frozenset((Code.STRING,)),
    "uuid": frozenset((Code.STRING,)),
    "inet4": frozenset((Code.STRING,)),
    "inet6": frozenset((Code.STRING,)),
    "varchar": _STRINGS,
    "varbinary": _STRINGS,
    "enum": frozenset((Code.ENUM,)),
    "set": frozenset((Code.SET,)),
    "json": frozenset((Code.JSON, Code.BLOB, Code.BLOB_COMPRESSED)),
    "vector": frozenset((Code.VECTOR, Code.VARCHAR)),
    **dict.fromkeys(
        ("tinytext", "text", "mediumtext", "longtext", "tinyblob", "blob", "mediumblob", "longblob"), _BLOBS
    ),
    **dict.fromkeys(GEOMETRY_TYPES, frozenset((Code.GEOMETRY,))),
}
_LENGTH_BYTES: Final = {"tiny": 1, "medium": 3, "long": 4}  # of TEXT and BLOB by the word in front; 2 without one
_ADDRESS_BYTES: Final = {"uuid": 16, "inet6": 16, "inet4": 4}
_FRACTIONAL: Final = frozenset((Code.TIME2, Code.DATETIME2, Code.TIMESTAMP2))
_PLAIN: Final[dict[int, str]] = {
    Code.TINY: "tinyint",
    Code.SHORT: "smallint",
    Code.INT24: "mediumint",
    Code.LONG: "int",
    Code.LONGLONG: "bigint",
    Code.FLOAT: "float",
    Code.DOUBLE: "double",
    Code.DECIMAL: "decimal",
    Code.BIT: "bit",
    Code.DATE: "date",
    Code.NEWDATE: "date",
    Code.TIME2: "time",
    Code.DATETIME2: "datetime",
    Code.TIMESTAMP2: "timestamp",
    Code.YEAR: "year",
    Code.ENUM: "enum",
    Code.SET: "set",
    Code.JSON: "json",
    Code.VECTOR: "vector",
}


def resolve(definition: TableDefinition | None, table_map: TableMap) -> tuple[Column, ...]:
    """The columns of a map: each what the definition says, where that fits, else what the map alone tells.

    Raises:
        Failed: ``schema_mismatch``, ``old_temporal_format``.
    """
    if table_map.named:
        known = definition.column if definition else lambda _: None
        return tuple(_merged(known(log.name or ""), log) or described(log) for log in table_map.columns)
    if definition is None or len(definition.columns) != len(table_map.columns):
        raise _mismatch(table_map, definition, "")
    found = []
    for column, log in zip(definition.columns, table_map.columns, strict=True):
        merged = _merged(column, log)
        if merged is None:
            raise _mismatch(table_map, definition, column.name)
        found.append(merged)
    return tuple(found)


def fits(definition: TableDefinition | None, table_map: TableMap) -> bool:
    """Whether the definition says of every column of the map, in order, what the map says."""
    return (
        definition is not None
        and len(definition.columns) == len(table_map.columns)
        and all(
            (log.name is None or log.name.lower() == column.name.lower()) and agrees(column, log)
            for column, log in zip(definition.columns, table_map.columns, strict=True)
        )
    )


def _mismatch(table_map: TableMap, definition: TableDefinition | None, column: str) -> Failed:
    known = len(definition.columns) if definition else 0
    what = f"column {column} is stored otherwise" if column else f"{known} are known"
    return Failed(
        "schema_mismatch",
        f"{table_map.table}: the log has rows of {len(table_map.columns)} columns that are not those known at this "
        f"position: {what}",
        hint="Was the table altered with sql_log_bin = 0? SET GLOBAL binlog_row_metadata = FULL keeps the columns in "
        "the log itself; for what is in the log already, take the table out of `tables:`, or remove the source and "
        "start anew.",
    )


def _merged(column: Column | None, log: LogColumn) -> Column | None:
    """The definition's column with what the map knows better; None where they are not the same column."""
    if column is None or not agrees(column, log):
        return None
    return replace(
        column,
        name=log.name or column.name,
        unsigned=column.unsigned if log.unsigned is None else log.unsigned,
        charset=column.charset if log.charset is None or column.charset is None else log.charset,
        members=column.members if log.members is None else log.members,
        nullable=log.nullable,
    )


def agrees(column: Column, log: LogColumn) -> bool:
    """Whether a column of the definition is stored as the map says; signs and labels may differ."""
    name = column.data_type
    if log.code not in _CODES.get(name, ()) and not _promoted(column, log):
        return False
    if log.charset is not None and name in TEXT_TYPES | BLOB_TYPES:
        return (log.charset == BINARY) == (name in BLOB_TYPES or column.charset == BINARY) and _same_size(column, log)
    return _same_size(column, log)


def _promoted(column: Column, log: LogColumn) -> bool:
    """A VARCHAR too long for one becomes a TEXT, where sql_mode is not strict."""
    return column.data_type in {"varchar", "varbinary"} and log.code in _BLOBS and (column.length or 0) > 16_383


def _same_size(column: Column, log: LogColumn) -> bool:
    name, length = column.data_type, column.length
    if log.code in _FRACTIONAL:
        return log.size == column.fraction
    if log.code == Code.DECIMAL:
        return (log.size, log.scale) == (length, column.scale)
    if log.code == Code.BIT:
        return log.size == length
    if log.code in _BLOBS and name.endswith(("text", "blob")):
        return log.size == _LENGTH_BYTES.get(name[:-4], 2)
    if name in _ADDRESS_BYTES:
        return log.size == _ADDRESS_BYTES[name]
    return _same_length(column, log) if log.code in _STRINGS | {Code.STRING} else True


def _same_length(column: Column, log: LogColumn) -> bool:
    charset = log.charset or column.charset
    unit = 1 if column.data_type in BLOB_TYPES else max_bytes(charset) if charset else None
    if column.data_type == "vector":  # MariaDB's is stored as a VARBINARY
        unit = 4
    if column.length is None or unit is None:
        return True
    return log.size == column.length * unit + (log.code == Code.VARCHAR_COMPRESSED)


def described(log: LogColumn) -> Column:
    """What a map alone tells of a column: a MariaDB UUID or INET6 is BINARY(16) then, its JSON a LONGTEXT.

    Raises:
        Failed: ``old_temporal_format``: the length of its values depends on digits that no map has (types.md A11).
    """
    name = log.name or ""
    if log.code in OLD_TEMPORAL:
        raise Failed(
            "old_temporal_format",
            f"column {name}: a {OLD_TEMPORAL[Code(log.code)].upper()} of the format before MySQL 5.6, of a table that "
            "is not as it was",
            hint="With mysql56_temporal_format = ON, ALTER TABLE … FORCE; then remove the source and start anew.",
        )
    return Column(
        name,
        _data_type(log),
        unsigned=bool(log.unsigned),
        length=_length(log),
        scale=log.scale if log.code == Code.DECIMAL else None,
        fraction=log.size if log.code in _FRACTIONAL else 0,
        charset=log.charset if log.charset != BINARY or log.code in {Code.ENUM, Code.SET} else None,
        members=log.members or (),
        nullable=log.nullable,
        invisible=log.visible is False,
    )


def _data_type(log: LogColumn) -> str:
    if log.code in _PLAIN:
        return _PLAIN[log.code]
    if log.code == Code.GEOMETRY:
        return GEOMETRY_TYPES[log.geometry or 0]
    binary = log.charset in {BINARY, None}
    if log.code in _BLOBS:
        size = {size: word for word, size in _LENGTH_BYTES.items()}.get(log.size, "")
        return size + ("blob" if binary else "text")
    if log.code == Code.STRING:
        return "binary" if binary else "char"
    return "varbinary" if binary else "varchar"


def _length(log: LogColumn) -> int | None:
    if log.code in {Code.DECIMAL, Code.BIT}:
        return log.size
    if log.code == Code.VECTOR:
        return log.dimensions
    if log.code in _STRINGS | {Code.STRING}:
        return log.size // (max_bytes(log.charset) or 1) if log.charset else log.size
    return None
