"""The SQL that reads rows of a table for a snapshot: pure, no I/O (rule N4, F168).

Only the server orders keys. What it gave as the last key of a chunk is given back to it in a form that it compares as
it compares the column: text in the column's own character set, so that the column's collation decides; ENUM and SET,
which order by number, and BIT as numbers; FLOAT as the double that ``select_list`` reads it as.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from connect.errors import Failed
from connectors.mysql import quoting
from connectors.mysql.quoting import name
from connectors.mysql.shared_values import text_of
from connectors.mysql.text_values import select_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connect.api.snapshots import Key
    from connectors.mysql.columns import Column, TableDefinition

_NUMBERS: Final = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"})
_DOUBLES: Final = frozenset({"float", "double"})
_BY_NUMBER: Final = frozenset({"enum", "set", "bit"})
_BYTES: Final = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_TIMES: Final = frozenset({"date", "time", "datetime", "timestamp"})
_CHARSET: Final = re.compile(r"[a-z0-9_]+")
_NUMBER: Final = re.compile(r"-?\d+(\.\d*)?(e[-+]?\d+)?")
_TIME: Final = re.compile(r"[-0-9:. ]+")
_HEX: Final = re.compile(r"([0-9a-f]{2})*")


class Reading(NamedTuple):
    """How a table is read.

    Attributes:
        definition: The table as the catalogue describes it now.
        order: The unique key by which chunks are read; empty for none.
        condition: SQL that a row must meet, or None.
        mariadb: Which of the two dialects.
        max_ms: The query may run so long; 0 for no limit.
    """

    definition: TableDefinition
    order: tuple[str, ...]
    condition: str | None
    mariadb: bool
    max_ms: int


def chunk_query(reading: Reading, after: Key | None, limit: int) -> str:
    """The next rows after a key, in its order."""
    where = [] if after is None else [_after(_columns(reading.definition, reading.order), after)]
    tail = f" ORDER BY {quoting.names(reading.order)} LIMIT {limit:d}"
    return _select(reading, where, tail, ordered=True)


def keys_query(reading: Reading, key_names: Sequence[str], keys: Sequence[Sequence[str]]) -> str:
    """The rows of these keys, each given as SQL constants (see ``key_values.constants``)."""
    listed = ", ".join(f"({', '.join(key)})" for key in keys)
    return _select(reading, [f"({quoting.names(key_names)}) IN ({listed})"], "", ordered=False)


def whole_query(reading: Reading) -> str:
    """Every row."""
    return _select(reading, [], "", ordered=False)


def chunk_order(definition: TableDefinition) -> tuple[str, ...]:
    """The unique key by which chunks are read: the primary key first; NULLs would fall between chunks.

    A primary key over prefixes of its columns is unique over the columns too; reading by it sorts.
    """
    for key in definition.unique_keys:
        if all(_orderable(column) for column in _columns(definition, key)):
            return key
    return definition.primary_key


def last_key(definition: TableDefinition, order: Sequence[str], cells: Sequence[bytes | None]) -> Key:
    """The key of a row of ``chunk_query``: one JSON-ready text a column."""
    index = {column.name: i for i, column in enumerate(definition.columns)}
    return tuple(_key_part(column, cells[index[column.name]] or b"") for column in _columns(definition, order))


def _key_part(column: Column, cell: bytes) -> str:
    """A number for what orders by number, hexadecimal digits for texts and bytes, else as the server prints it."""
    if column.data_type == "bit":
        return str(int.from_bytes(cell, "big"))
    if column.data_type == "enum":
        return str(_number_of(column, cell))
    if column.data_type == "set":
        labels = cell.split(b",") if cell else []
        return str(sum(1 << (_number_of(column, label) - 1) for label in labels))
    return cell.hex() if _is_raw(column) else cell.decode("ascii")


def _number_of(column: Column, label: bytes) -> int:
    """Which member a label is, from 1; 0 for the empty one that stands for a wrong value (F76)."""
    text = text_of(column)(label)
    return column.members.index(text) + 1 if text in column.members else 0


def _orderable(column: Column) -> bool:
    return column.data_type in _NUMBERS | _DOUBLES | _BY_NUMBER | _TIMES or _is_raw(column) or _is_named(column)


def _is_raw(column: Column) -> bool:
    return column.data_type in _BYTES or (column.charset is not None and column.data_type not in _BY_NUMBER)


def _is_named(column: Column) -> bool:
    return column.data_type in {"uuid", "inet4", "inet6"}


def _columns(definition: TableDefinition, wanted: Sequence[str]) -> list[Column]:
    by_name = {column.name: column for column in definition.columns}
    return [by_name[one] for one in wanted]


def _after(columns: Sequence[Column], key: Key) -> str:
    # Not (a, b) > (x, y): MySQL does not look that up in an index.
    cases = []
    for i, column in enumerate(columns):
        before = [f"{name(one.name)} = {_literal(one, part)}" for one, part in zip(columns[:i], key[:i], strict=True)]
        cases.append(f"({' AND '.join([*before, _greater(column, key[i])])})")
    return " OR ".join(cases)


def _greater(column: Column, part: str) -> str:
    if column.data_type != "enum":
        return f"{name(column.name)} > {_literal(column, part)}"
    later = column.members[int(part) :]  # listed, since e > 2 is not looked up in an index either
    return f"{name(column.name)} IN ({', '.join(map(quoting.text, later))})" if later else "FALSE"


def _literal(column: Column, part: str) -> str:
    """A part of a key as SQL.

    Raises:
        Failed: ``key_note``: it is no part of a key of this column.
    """
    kind = column.data_type
    if _is_raw(column) and _HEX.fullmatch(part):
        charset = column.charset if kind not in _BYTES else None
        introducer = f"_{charset} " if charset and _CHARSET.fullmatch(charset) else ""
        return f"{introducer}x'{part}'"
    if kind == "enum" and part.isdigit() and 0 < int(part) <= len(column.members):
        return quoting.text(column.members[int(part) - 1])
    if kind in _NUMBERS | _BY_NUMBER and _NUMBER.fullmatch(part):
        return part
    if kind in _DOUBLES and _NUMBER.fullmatch(part):
        return part if "e" in part else f"{part}e0"
    if kind in _TIMES and _TIME.fullmatch(part):
        return f"'{part}'"
    if _is_named(column):
        return quoting.text(part)
    raise Failed(
        "key_note",
        f"the stored key of a snapshot does not fit the column {column.name} of type {kind}",
        hint="Was the column's type changed meanwhile? Read the table anew.",
    )


def _select(reading: Reading, conditions: list[str], tail: str, *, ordered: bool) -> str:
    definition = reading.definition
    listed = ", ".join(select_list(definition))
    source = quoting.quoted(definition.table)
    if (
        ordered
        and reading.order
        and reading.order == definition.primary_key
        and reading.order in definition.unique_keys
    ):
        source += " FORCE INDEX (PRIMARY)"  # never a sort of the whole table for a chunk of it
    parts = [*conditions, *([reading.condition] if reading.condition is not None else [])]
    where = " WHERE " + " AND ".join(f"({part})" for part in parts) if parts else ""
    rest = f"{listed} FROM {source}{where}{tail}"
    if not reading.max_ms:
        return f"SELECT {rest}"
    if reading.mariadb:
        return f"SET STATEMENT max_statement_time = {reading.max_ms / 1000:.3f} FOR SELECT {rest}"
    return f"SELECT /*+ MAX_EXECUTION_TIME({reading.max_ms:d}) */ {rest}"
