"""TABLE_MAP events → the table's name, and the form of each column's bytes in the rows that follow (types.md A11).

Pure: a function of the event's bytes. With ``binlog_row_metadata=FULL`` a map also has names, keys, labels; MariaDB's
default NO_LOG has not even signs and character sets.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from connect.errors import Failed
from connect.record import text
from connect.schema.model import TableId
from connectors.mysql.charsets import BINARY, charset_of, decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_PREFIX: Final = 8  # table id (6 bytes) and flags (2)
_BIG_ENDIAN_16: Final = struct.Struct(">H").unpack_from
_LITTLE_16: Final = struct.Struct("<H").unpack_from


class Code(IntEnum):
    """Types of columns in the log."""

    TINY = 1
    SHORT = 2
    LONG = 3
    FLOAT = 4
    DOUBLE = 5
    OLD_TIMESTAMP = 7
    LONGLONG = 8
    INT24 = 9
    DATE = 10
    OLD_TIME = 11
    OLD_DATETIME = 12
    YEAR = 13
    NEWDATE = 14
    VARCHAR = 15
    BIT = 16
    TIMESTAMP2 = 17
    DATETIME2 = 18
    TIME2 = 19
    BLOB_COMPRESSED = 140  # MariaDB
    VARCHAR_COMPRESSED = 141  # MariaDB
    VECTOR = 242
    JSON = 245
    DECIMAL = 246
    ENUM = 247
    SET = 248
    BLOB = 252
    VAR_STRING = 253
    STRING = 254
    GEOMETRY = 255


_NO_META: Final = frozenset((1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14))
_ONE_BYTE: Final = frozenset((4, 5, 17, 18, 19, 140, 242, 245, 252, 255))
_TWO_BYTES: Final = frozenset((15, 16, 141, 246, 247, 248, 253, 254))
_NUMERIC: Final = frozenset((1, 2, 3, 4, 5, 8, 9, 13, 246))  # have a bit of signedness; YEAR too
# These have a collation, though not all of them characters; ENUM and SET have a list of their own.
_COLLATED: Final = frozenset((15, 242, 252, 253, 254))
_COLLATED_MARIADB: Final = frozenset((15, 140, 141, 252, 253, 254, 255))
_LABELLED: Final = frozenset((Code.ENUM, Code.SET))


@dataclass(frozen=True, slots=True)
class LogColumn:
    """One column of a table map.

    Attributes:
        code: Its type; ENUM and SET are themselves, not STRING.
        size: FLOAT, DOUBLE, ENUM, SET: bytes of a value; BLOB and kin: bytes of the length in front; VARCHAR, STRING:
            longest value in bytes; BIT: bits; DECIMAL: precision; temporal types: digits of the fraction.
        scale: DECIMAL: digits after the point.
        nullable: False for NOT NULL.
        unsigned: Of numbers; None where the map does not say.
        charset: Of text; ``binary`` for BINARY and BLOB; None where the map does not say.
        name: None where the map does not say; so are the following.
        members: Labels of ENUM and SET in order.
        visible: False for a column that ``SELECT *`` leaves out (MySQL).
        geometry: Number of the geometry type, 0 for any.
        dimensions: Of a VECTOR.
    """

    code: int
    size: int = 0
    scale: int = 0
    nullable: bool = True
    unsigned: bool | None = None
    charset: str | None = None
    name: str | None = None
    members: tuple[str, ...] | None = None
    visible: bool | None = None
    geometry: int | None = None
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class TableMap:
    """A table map.

    Attributes:
        table: Database and name.
        columns: In the order of the rows' bytes.
        primary_key: Indices of its columns in key order, empty without one; None where the map does not say (MINIMAL).
        named: Whether columns have names: ``binlog_row_metadata=FULL``.
    """

    table: TableId
    columns: tuple[LogColumn, ...]
    primary_key: tuple[int, ...] | None
    named: bool


def map_key(body: bytes) -> bytes:
    """What tells two maps apart: all but the table's number, which changes whenever the server opens the table."""
    return body[_PREFIX:]


def map_id(body: bytes) -> int:
    """The number by which row events name this map, until the statement's end."""
    return int.from_bytes(body[:6], "little")


def map_table(body: bytes) -> TableId:
    """Only the table's name, for deciding whether it is captured."""
    return _names(body)[0]


def _names(body: bytes) -> tuple[TableId, int]:
    end = _PREFIX + 1 + body[_PREFIX]
    last = end + 2 + body[end + 1]
    return TableId(body[_PREFIX + 1 : end].decode(), body[end + 2 : last].decode()), last + 1


def lenenc(data: bytes, at: int) -> tuple[int, int]:
    """A length-encoded integer and where it ends."""
    first = data[at]
    if first < 0xFB:
        return first, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


def parse_table_map(body: bytes, *, mariadb: bool = False) -> TableMap:
    """A TABLE_MAP event, without the event's header and checksum.

    Args:
        body: The event.
        mariadb: Whether MariaDB wrote it: it lists collations of other columns than MySQL.

    Raises:
        Failed: ``unknown_column_type``, ``bad_table_map`` (rule S13).
    """
    try:
        table, at = _names(body)
        count, at = lenenc(body, at)
        codes = body[at : at + count]
        size, at = lenenc(body, at + count)
        columns = list(_columns(table, codes, body[at : at + size]))
        at += size
        for i, column in enumerate(columns):
            columns[i] = replace(column, nullable=bool(body[at + i // 8] >> i % 8 & 1))
        metadata = _Metadata(columns, _COLLATED_MARIADB if mariadb else _COLLATED)
        return _with_metadata(table, metadata, _entries(body, at + (count + 7) // 8))
    except (IndexError, KeyError, ValueError, struct.error) as error:
        raise Failed(
            "bad_table_map",
            f"a table map that cannot be read: {type(error).__name__}",
            hint="The position does not move; report it with the server's version.",
        ) from error


def _columns(table: TableId, codes: bytes, meta: bytes) -> Iterator[LogColumn]:
    at = 0
    for i, code in enumerate(codes):
        if code in _NO_META:
            yield LogColumn(code)
        elif code in _ONE_BYTE:
            yield LogColumn(code, meta[at])
            at += 1
        elif code in _TWO_BYTES:
            yield _two_bytes(code, meta[at], meta[at + 1])
            at += 2
        else:
            raise Failed(
                "unknown_column_type",
                f"{table}: column {i + 1} has type {code} in the log, which this version does not know",
                hint="Run a newer version of Connect, or take the table out of `tables:`.",
            )


def _two_bytes(code: int, first: int, second: int) -> LogColumn:
    if code == Code.DECIMAL:
        return LogColumn(code, first, second)
    if code == Code.BIT:
        return LogColumn(code, second * 8 + first)
    if code != Code.STRING:
        return LogColumn(code, first | second << 8)
    if first & 0x30 != 0x30:  # bits 8 and 9 of a long CHAR's length hide, inverted, in its type
        return LogColumn(Code.STRING, second | (first & 0x30 ^ 0x30) << 4)
    return LogColumn(first, second)


def _entries(body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at < len(body):
        kind = body[at]
        size, at = lenenc(body, at + 1)
        yield kind, body[at : at + size]
        at += size


@dataclass(slots=True)
class _Metadata:
    """A map's optional metadata while it is gathered; columns are replaced in place."""

    columns: list[LogColumn]
    collated: frozenset[int]
    primary_key: tuple[int, ...] | None = None
    labels: dict[int, list[list[bytes]]] = field(default_factory=dict)

    def of(self, codes: frozenset[int]) -> list[int]:
        """Indices of the columns of these types."""
        return [i for i, column in enumerate(self.columns) if column.code in codes]

    def signs(self, data: bytes) -> None:
        for n, i in enumerate(self.of(_NUMERIC)):
            self.columns[i] = replace(self.columns[i], unsigned=bool(data[n // 8] >> (7 - n % 8) & 1))

    def collations(self, numbers: Sequence[int], codes: frozenset[int]) -> None:
        for i, number in zip(self.of(codes), numbers, strict=True):
            self.columns[i] = replace(self.columns[i], charset=charset_of(number) or f"of collation {number}")

    def names(self, data: bytes) -> None:
        for i, name in enumerate(_strings(data)):
            self.columns[i] = replace(self.columns[i], name=name.decode())

    def visibility(self, data: bytes) -> None:
        for i, column in enumerate(self.columns):
            self.columns[i] = replace(column, visible=bool(data[i // 8] >> (7 - i % 8) & 1))

    def geometries(self, data: bytes) -> None:
        for i, number in zip(self.of(frozenset((Code.GEOMETRY,))), _integers(data), strict=True):
            self.columns[i] = replace(self.columns[i], geometry=number)

    def vectors(self, data: bytes) -> None:
        for i, number in zip(self.of(frozenset((Code.VECTOR,))), _integers(data), strict=True):
            self.columns[i] = replace(self.columns[i], dimensions=number)

    def label_sets(self, code: int, data: bytes) -> None:
        self.labels[code] = list(_label_sets(data))

    def default_collation(self, data: bytes, codes: frozenset[int]) -> list[int]:
        numbers = list(_integers(data))
        found = [numbers[0]] * len(self.of(codes))
        for n, number in zip(numbers[1::2], numbers[2::2], strict=True):
            found[n] = number
        return found


_READ: Final[dict[int, Callable[[_Metadata, bytes], object]]] = {
    1: _Metadata.signs,
    2: lambda m, data: m.collations(m.default_collation(data, m.collated), m.collated),
    3: lambda m, data: m.collations(list(_integers(data)), m.collated),
    4: _Metadata.names,
    5: lambda m, data: m.label_sets(Code.SET, data),
    6: lambda m, data: m.label_sets(Code.ENUM, data),
    7: _Metadata.geometries,
    8: lambda m, data: setattr(m, "primary_key", tuple(_integers(data))),
    9: lambda m, data: setattr(m, "primary_key", tuple(_integers(data))[::2]),  # each with its prefix
    10: lambda m, data: m.collations(m.default_collation(data, _LABELLED), _LABELLED),
    11: lambda m, data: m.collations(list(_integers(data)), _LABELLED),
    12: _Metadata.visibility,
    13: _Metadata.vectors,
}


def _with_metadata(table: TableId, metadata: _Metadata, entries: Iterator[tuple[int, bytes]]) -> TableMap:
    columns = metadata.columns
    for kind, data in entries:
        read = _READ.get(kind)
        if read is not None:  # what is optional and new says nothing about the bytes of rows
            read(metadata, data)
    for code, label_sets in metadata.labels.items():
        for i, labels in zip(metadata.of(frozenset((code,))), label_sets, strict=True):
            columns[i] = replace(columns[i], members=_decoded(columns[i].charset, labels))
    named = bool(columns) and columns[0].name is not None
    key = metadata.primary_key if metadata.primary_key is not None or not named else ()
    return TableMap(table, tuple(columns), key, named)


def _decoded(charset: str | None, labels: Sequence[bytes]) -> tuple[str, ...] | None:
    """Labels as text; None in a character set that Python lacks: whoever publishes the column refuses it by name."""
    if charset == BINARY:
        return tuple(label.decode("latin-1") for label in labels)
    decode = decoder(charset) if charset else text
    return tuple(map(decode, labels)) if decode else None


def _integers(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        number, at = lenenc(data, at)
        yield number


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = lenenc(data, at)
    return data[at : at + size], at + size


def _strings(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        found, at = _string(data, at)
        yield found


def _label_sets(data: bytes) -> Iterator[list[bytes]]:
    at = 0
    while at < len(data):
        count, at = lenenc(data, at)
        labels = []
        for _ in range(count):
            label, at = _string(data, at)
            labels.append(label)
        yield labels
