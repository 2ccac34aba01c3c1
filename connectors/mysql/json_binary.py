"""MySQL's binary JSON → the text that the server prints of it, and partial updates of a document (F54, F74).

The text is the server's own: a blank after each colon and comma, members by length of name and then by bytes, doubles
with the fewest digits, dates and decimals as MySQL writes them (A15, 20).
"""

from __future__ import annotations

import re
import struct
from base64 import encodebytes
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from connect.errors import Failed
from connectors.mysql.decimals import decimal_decoder
from connectors.mysql.refusals import undecodable
from connectors.mysql.table_map import Code, lenenc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_U16: Final = struct.Struct("<H").unpack_from
_U32: Final = struct.Struct("<I").unpack_from
_U64: Final = struct.Struct("<Q").unpack_from
_I16: Final = struct.Struct("<h").unpack_from
_I32: Final = struct.Struct("<i").unpack_from
_I64: Final = struct.Struct("<q").unpack_from
_DOUBLE: Final = struct.Struct("<d").unpack_from
_LARGE, _ARRAY = 1, 2  # bits of a container's type byte
_CONTAINERS: Final = range(4)
_LITERALS: Final = ("null", "true", "false")
_INLINE_SMALL: Final = frozenset((4, 5, 6))
_INLINE_LARGE: Final = frozenset((4, 5, 6, 7, 8))
_MAX_POINT: Final = 15  # a decimal point further away than this, and behind all digits, makes an exponent

# A document's parts: text ready to print for scalars, dict and list for the rest.
Node = Any


class _Build(NamedTuple):
    """What containers become: text at once, or nodes that a partial update can change."""

    object: Callable[[Iterator[tuple[str, Any]]], Any]
    array: Callable[[Iterator[Any]], Any]


def _object_text(members: Iterator[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{encode_basestring(name)}: {value}" for name, value in members) + "}"


_TEXT: Final = _Build(_object_text, lambda items: "[" + ", ".join(items) + "]")
_NODES: Final = _Build(dict, list)


def to_text(cell: bytes) -> str:
    """A document → its text.

    Raises:
        Failed: ``undecodable_value``.
    """
    return str(_document(cell, _TEXT))


def patched_text(cell: bytes, diffs: bytes) -> str:
    """A document after a partial update → its text.

    Args:
        cell: The document before.
        diffs: Operations as a partial rows event has them.

    Raises:
        Failed: ``partial_json``: a diff does not fit the document; ``undecodable_value``.
    """
    root = [_document(cell, _NODES)]  # a holder, so that the whole document too can be replaced
    try:
        for operation, path, value in _operations(diffs):
            _apply(root, operation, [0, *path], value)
        [document] = root  # a removal of all of it leaves none
    except (LookupError, TypeError, ValueError):
        raise misfit() from None
    return _node_text(document)


def _document(cell: bytes, build: _Build) -> Any:
    if not cell:
        return "null"  # what INSERT IGNORE makes of NULL in a NOT NULL column
    try:
        return _value(cell[0], cell, 1, build)
    except (IndexError, KeyError, ValueError, RecursionError, struct.error):
        raise undecodable("json") from None


def _value(kind: int, data: bytes, at: int, build: _Build) -> Any:
    return _container(kind, data, at, build) if kind in _CONTAINERS else _SCALARS[kind](data, at)


def _container(kind: int, data: bytes, start: int, build: _Build) -> Any:
    """An object or array; offsets in it count from ``start``."""
    number, size = (_U32, 4) if kind & _LARGE else (_U16, 2)
    inline = _INLINE_LARGE if kind & _LARGE else _INLINE_SMALL
    count = number(data, start)[0]
    values_at = start + 2 * size if kind & _ARRAY else start + 2 * size + count * (size + 2)

    def values() -> Iterator[Any]:
        for at in range(values_at, values_at + count * (1 + size), 1 + size):
            item = data[at]
            yield _value(item, data, at + 1 if item in inline else start + number(data, at + 1)[0], build)

    def names() -> Iterator[str]:
        for at in range(start + 2 * size, values_at, size + 2):
            begin = start + number(data, at)[0]
            yield _bytes(data, begin, _U16(data, at + size)[0]).decode()

    return build.array(values()) if kind & _ARRAY else build.object(zip(names(), values(), strict=True))


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A length in groups of seven bits, and where it ends."""
    length = shift = 0
    while True:
        byte = data[at]
        length |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return length, at


def _bytes(data: bytes, at: int, length: int) -> bytes:
    if at + length > len(data):
        raise IndexError
    return data[at : at + length]


def _string(data: bytes, at: int) -> str:
    length, at = _length(data, at)
    return encode_basestring(_bytes(data, at, length).decode())


def _opaque(data: bytes, at: int) -> str:
    """A value of a type that JSON lacks: a decimal is a number, others a text."""
    kind = data[at]
    length, at = _length(data, at + 1)
    value = _bytes(data, at, length)
    if kind == Code.DECIMAL:
        return f"{decimal_decoder(value[0], value[1])(value[2:]):f}"
    if kind in _PACKED:
        return f'"{_PACKED[kind](_I64(value)[0])}"'
    lines = encodebytes(value).rstrip()  # the server breaks them after 76 characters
    return encode_basestring(f"base64:type{kind}:{lines.decode()}")


def _date(packed: int) -> str:
    days = packed >> 41
    year, month = divmod(days >> 5, 13)
    return f"{year:04}-{month:02}-{days & 31:02}"


def _clock(packed: int) -> str:
    """``hh:mm:ss.ffffff`` from the lower bits of a packed time; hours beyond a day are possible."""
    seconds = packed >> 24
    return f"{seconds >> 12 & 0x3FF:02}:{seconds >> 6 & 63:02}:{seconds & 63:02}.{packed & 0xFFFFFF:06}"


def _date_time(packed: int) -> str:
    return f"{_date(packed)} {_clock(packed & (1 << 41) - 1)}"


def _time(packed: int) -> str:
    return f"-{_clock(-packed)}" if packed < 0 else _clock(packed)


_PACKED: Final[dict[int, Callable[[int], str]]] = {
    Code.OLD_TIMESTAMP: _date_time,
    Code.DATE: _date,
    Code.OLD_TIME: _time,
    Code.OLD_DATETIME: _date_time,
}


def double_text(value: float) -> str:
    """A double as MySQL prints it in JSON: the fewest digits that read back the same."""
    sign, digits, exponent = _shortest(value)
    point = len(digits) + exponent  # digits before the point
    if 1 - _MAX_POINT <= point <= max(_MAX_POINT, len(digits) - 1):
        if point <= 0:
            return f"{sign}0.{'0' * -point}{digits}"
        whole = digits.ljust(point, "0")
        return f"{sign}{whole[:point]}.{whole[point:] or '0'}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1}"


def _shortest(value: float) -> tuple[str, str, int]:
    """Sign, digits without zeros at their end, and the exponent of the last one."""
    mantissa, _, exponent = repr(value).partition("e")
    sign, mantissa = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    power = int(exponent or 0) - len(fraction)
    short = digits.rstrip("0")
    return sign, short or "0", power + len(digits) - len(short) if short else 0


_SCALARS: Final[dict[int, Callable[[bytes, int], str]]] = {
    0x04: lambda data, at: _LITERALS[data[at]],
    0x05: lambda data, at: str(_I16(data, at)[0]),
    0x06: lambda data, at: str(_U16(data, at)[0]),
    0x07: lambda data, at: str(_I32(data, at)[0]),
    0x08: lambda data, at: str(_U32(data, at)[0]),
    0x09: lambda data, at: str(_I64(data, at)[0]),
    0x0A: lambda data, at: str(_U64(data, at)[0]),
    0x0B: lambda data, at: double_text(_DOUBLE(data, at)[0]),
    0x0C: _string,
    0x0F: _opaque,
}


# Partial updates.

_REPLACE, _INSERT, _REMOVE = range(3)
_LEG: Final = re.compile(r'\[(\d+)\]|\.("(?:[^"\\]|\\.)*"|[^.\["]+)')


def _operations(diffs: bytes) -> Iterator[tuple[int, Sequence[str | int], Node]]:
    """Each operation with its path and value; None as the value of a removal."""
    at = 0
    while at < len(diffs):
        operation = diffs[at]
        size, at = lenenc(diffs, at + 1)
        path, at = _path(diffs[at : at + size].decode()), at + size
        value = None
        if operation != _REMOVE:
            size, at = lenenc(diffs, at)
            value, at = _document(diffs[at : at + size], _NODES), at + size
        yield operation, path, value


def _path(text: str) -> list[str | int]:
    """``$.a."b c"[1]`` → its legs."""
    legs: list[str | int] = []
    at = 1
    while at < len(text):
        found = _LEG.match(text, at)
        if found is None:
            raise misfit()
        index, name = found.groups()
        legs.append(int(index) if index is not None else orjson.loads(name) if name[0] == '"' else name)
        at = found.end()
    return legs


def _apply(root: Node, operation: int, path: Sequence[Any], value: Node) -> None:
    parent = root
    for leg in path[:-1]:
        parent = _child(parent, leg)
    leg = path[-1]
    if operation == _INSERT:
        _insert(parent, leg, value)
    elif operation == _REMOVE:
        del parent[leg]
    elif operation == _REPLACE and (leg in parent if isinstance(parent, dict) else leg < len(parent)):
        parent[leg] = value
    else:
        raise misfit()


def _child(parent: Node, leg: Any) -> Node:
    if isinstance(parent, str):
        raise misfit()
    return parent[leg]


def _insert(parent: Node, leg: Any, value: Node) -> None:
    if isinstance(parent, list) and leg <= len(parent):
        parent.insert(leg, value)
        return
    if not isinstance(parent, dict) or leg in parent:
        raise misfit()
    parent[leg] = value
    members = sorted(parent.items(), key=lambda member: (len(member[0].encode()), member[0].encode()))
    parent.clear()
    parent.update(members)


def misfit() -> Failed:
    """The error for a partial update that does not fit the document before it."""
    return Failed(
        "partial_json",
        "a partial JSON update does not fit the document before it",
        hint="SET GLOBAL binlog_row_value_options = ''; the position stays: report it with the server's version.",
    )


def _node_text(node: Node) -> str:
    if isinstance(node, dict):
        return _object_text((name, _node_text(value)) for name, value in node.items())
    return str(_TEXT.array(map(_node_text, node)) if isinstance(node, list) else node)
