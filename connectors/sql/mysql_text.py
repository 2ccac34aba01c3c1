"""Values as MySQL's literals, and rows as statements of many rows: pure, no connection."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final

from connectors.sql.database import BadRowsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from connectors.sql.database import Lines

# So many bytes a statement: longer ones are not faster, and the server holds a statement whole.
_STATEMENT: Final = 1_000_000


def _text(value: str) -> bytes:
    return b"'" + value.replace("\\", "\\\\").replace("'", "''").encode() + b"'"


def _bytes(value: bytes) -> bytes:
    # No byte of a character in UTF-8 is a quote or a backslash, so the server's lexer sees these two alone.
    return b"_binary'" + value.replace(b"\\", b"\\\\").replace(b"'", b"''") + b"'"


def _float(value: float) -> bytes:
    text = repr(value)  # without an exponent it would be a decimal, which has no negative zero; MariaDB 10.11 has none
    return (text if "e" in text else text + "e0").encode()


_LITERALS: Final[Mapping[type, Callable[[Any], bytes]]] = {
    str: _text,
    int: b"%d".__mod__,
    float: _float,
    bytes: _bytes,
    bool: lambda value: b"1" if value else b"0",
    type(None): lambda _: b"NULL",
}


def literal(value: Any) -> bytes:
    """A text, number, bytes, boolean or None as SQL.

    Raises:
        UnicodeEncodeError: A text that is no UTF-8.
        KeyError: A value of another type.
    """
    return _LITERALS[type(value)](value)


def _too_large(size: int, packet: int) -> BadRowsError:
    return BadRowsError(f"a row of {size} bytes is larger than the server's max_allowed_packet of {packet}")


def statements(head: bytes, tail: bytes, rows: Iterable[Sequence[Any]], packet: int) -> Iterator[bytes]:
    """``head (…),(…),… tail`` in statements of about a megabyte, each below ``packet`` bytes (max_allowed_packet).

    Raises:
        BadRowsError: A row alone is larger than the packet.
    """
    literals = _LITERALS
    room = packet - len(head) - len(tail) - 2
    limit = min(room, _STATEMENT)
    parts: list[bytes] = []
    size = 0
    for row in rows:
        part = b"(" + b",".join([literals[type(value)](value) for value in row]) + b")"
        if size + len(part) > limit and parts:
            yield head + b",".join(parts) + tail
            parts, size = [], 0
        if len(part) > room:
            raise _too_large(len(part), packet)
        parts.append(part)
        size += len(part) + 1
    if parts:
        yield head + b",".join(parts) + tail


def line_statements(head: bytes, tail: bytes, lines: Lines, packet: int) -> Iterator[bytes]:
    """``statements`` of rows that are text already: the same ones."""
    room = packet - len(head) - len(tail) - 2
    limit = min(room, _STATEMENT)
    text, ends = memoryview(lines.text), lines.ends
    start = first = 0
    while first < len(ends):
        after = max(bisect_right(ends, start + limit, first), first + 1)
        end = ends[after - 1]
        if end - start > room:
            raise _too_large(end - start, packet)
        yield b"".join((head, text[start:end], tail))
        start, first = end + 1, after
