"""Tuple data re-packed: key-only old rows, and unchanged values filled from a whole old row (invariant 5, F22)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from connectors.postgres.pgoutput import garbage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connect.errors import Failed

_COUNT: Final = struct.Struct(">H").unpack_from
_LENGTH: Final = struct.Struct(">I").unpack_from
_SIZED: Final = b"tb"
_UNCHANGED: Final = b"u"


def _columns(data: bytes) -> Iterator[bytes]:
    """Each column's bytes, with its kind."""
    at = 2
    for _ in range(_COUNT(data)[0]):
        end = at + 1
        if data[at] in _SIZED:
            end += 4 + _LENGTH(data, end)[0]
        yield data[at:end]
        at = end


def _no_row(data: bytes) -> Failed:
    return garbage(f"an old row of {len(data)} bytes that is none")


def key_only(old: bytes, key: Sequence[bool]) -> bytes:
    """An old row of which the log carries the replica identity only: other columns become unavailable, not NULL."""
    try:
        return old[:2] + b"".join(
            column if in_key else _UNCHANGED for column, in_key in zip(_columns(old), key, strict=True)
        )
    except (struct.error, IndexError, ValueError) as error:
        raise _no_row(old) from error


def fill_unchanged(new: bytes, old: bytes) -> bytes:
    """The new row with its unchanged out-of-line values taken from a whole old row (REPLICA IDENTITY FULL)."""
    try:
        return new[:2] + b"".join(
            before if after == _UNCHANGED else after for after, before in zip(_columns(new), _columns(old), strict=True)
        )
    except (struct.error, IndexError, ValueError) as error:
        raise _no_row(old) from error
