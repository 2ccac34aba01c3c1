"""Array literals: text form → list of decoded elements."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from connectors.postgres.types.refusals import undecodable, unrepresentable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.postgres.types.options import TypeOptions

_QUOTED: Final = rb'"([^"\\]*(?:\\.[^"\\]*)*)"'
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)


def array(delimiter: str, decode: Callable[[bytes], Any], options: TypeOptions) -> Callable[[bytes], Any]:
    """A decoder of one-dimensional arrays.

    Lower bounds (``[0:2]={…}``) are dropped (A15, 6). An array of more dimensions has no place in the schema (A15, 5):
    ``unrepresentable``; ``arrays: text`` publishes Postgres's own text, which holds both.

    Args:
        delimiter: The element type's ``typdelim``: ``;`` for box, a comma for the others.
        decode: The element's decoder.
        options: Decides on nested arrays.
    """
    separator = delimiter.encode()
    element = re.compile(_QUOTED + rb'|[^"{}\\' + re.escape(separator) + rb"]+", re.DOTALL)

    def decode_array(cell: bytes) -> Any:
        body = _body(cell)
        if body[:1] == b"{":
            unrepresentable(options, "an array of more than one dimension", "`types: {arrays: text}`")
            return None
        if not body:
            return []
        elements = _quoted(body, separator, element) if b'"' in body else _plain(body, separator)
        return [None if element is None else decode(element) for element in elements]

    return decode_array


def _body(cell: bytes) -> bytes:
    if cell[:1] == b"[":
        cell = cell[cell.find(b"=") + 1 :]
    if cell[:1] != b"{" or cell[-1:] != b"}" or len(cell) < 2:
        raise undecodable("array")
    return cell[1:-1]


def _plain(body: bytes, separator: bytes) -> list[bytes | None]:
    """The elements of a body without any quote; None for NULL."""
    elements = body.split(separator)
    if b"" in elements or b"{" in body or b"}" in body or b"\\" in body:
        raise undecodable("array")
    return [None if element == b"NULL" else element for element in elements]


def _quoted(body: bytes, separator: bytes, element: re.Pattern[bytes]) -> Iterator[bytes | None]:
    """The elements of a body with quotes: quoted ones unescaped, a bare NULL as None."""
    at = 0
    while True:
        found = element.match(body, at)
        if found is None:
            raise undecodable("array")
        quoted, at = found[1], found.end()
        if quoted is None:
            yield None if found[0] == b"NULL" else found[0]
        else:
            yield _ESCAPE.sub(rb"\1", quoted) if b"\\" in quoted else quoted
        if at == len(body):
            return
        if body[at : at + 1] != separator:
            raise undecodable("array")
        at += 1


def vector(cell: bytes) -> list[int]:
    """``int2vector`` and ``oidvector``: numbers with blanks between (A15, 7)."""
    return [int(number) for number in cell.split()]
