"""Rows events → row images, and an image → its cells (types.md A11).

Pure functions over bytes. A whole image stays the event's own bytes: a bitmap of NULLs, then the values of the other
columns; it is cut into cells when a column is asked for. An image that lacks columns (``binlog_row_image`` MINIMAL or
NOBLOB) becomes a list of cells at once, with UNAVAILABLE where the log carries nothing (invariant 5, F47).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connect.errors import Failed
from connect.record import UNAVAILABLE, Row
from connectors.mysql.decimals import decimal_size
from connectors.mysql.table_map import Code, LogColumn, lenenc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from connect.record import RowShape
    from connect.schema.model import TableId

_ID_AND_FLAGS: Final = 8
_EXTRA_LENGTH: Final = struct.Struct("<H").unpack_from
_FIXED: Final = {1: 1, 2: 2, 3: 4, 7: 4, 8: 8, 9: 3, 10: 3, 11: 3, 12: 8, 13: 1, 14: 3}
BIG: Final = 2**20  # bytes of a rows event that is handed on in parts
_PARTIAL_JSON: Final = 1  # the one bit of value options


class RowsKind(NamedTuple):
    """What a rows event holds: which images each row has, extra data in front (version 2), JSON diffs."""

    before: bool
    after: bool
    extra: bool
    diffs: bool = False


# MariaDB's compressed events come here decompressed; they have the kind of their plain twin.
ROWS_EVENTS: Final[dict[int, RowsKind]] = {
    **{code: RowsKind(before=False, after=True, extra=extra) for code, extra in ((23, False), (30, True))},
    **{code: RowsKind(before=True, after=True, extra=extra) for code, extra in ((24, False), (31, True))},
    **{code: RowsKind(before=True, after=False, extra=extra) for code, extra in ((25, False), (32, True))},
    39: RowsKind(before=True, after=True, extra=True, diffs=True),
    **{code: RowsKind(before=False, after=True, extra=extra) for code, extra in ((166, False), (169, True))},
    **{code: RowsKind(before=True, after=True, extra=extra) for code, extra in ((167, False), (170, True))},
    **{code: RowsKind(before=True, after=False, extra=extra) for code, extra in ((168, False), (171, True))},
}


@dataclass(frozen=True, slots=True)
class JsonDiff:
    """The cell of a JSON column of which the log carries only what changed (F54).

    Attributes:
        before: The old document, as binary JSON.
        diffs: The changes, as the log has them.
    """

    before: bytes
    diffs: bytes


_SIZED: Final = frozenset((Code.FLOAT, Code.DOUBLE, Code.ENUM, Code.SET))
_PREFIXED: Final = frozenset((Code.BLOB, Code.BLOB_COMPRESSED, Code.JSON, Code.GEOMETRY, Code.VECTOR))
_STRINGS: Final = frozenset((Code.VARCHAR, Code.VAR_STRING, Code.STRING, Code.VARCHAR_COMPRESSED))
_FRACTIONAL: Final[dict[int, int]] = {Code.TIME2: 3, Code.TIMESTAMP2: 4, Code.DATETIME2: 5}


def width(column: LogColumn) -> int:
    """Bytes of a column's values; negative: of the length in front of each."""
    code, size = column.code, column.size
    if code in _FIXED or code in _SIZED:
        return _FIXED.get(code, size)
    if code in _PREFIXED:
        return -size
    if code in _STRINGS:
        return -1 if size < 256 else -2
    if code in _FRACTIONAL:
        return _FRACTIONAL[code] + (size + 1) // 2
    return decimal_size(size, column.scale) if code == Code.DECIMAL else (size + 7) // 8


class RowForm:
    """How the row images of one table map are cut.

    Args:
        widths: ``width`` of each column.
        json: Indices of its JSON columns, for partial updates.
    """

    def __init__(self, widths: Sequence[int], json: Sequence[int] = ()) -> None:
        self.widths = tuple(widths)
        self._bitmap = (len(self.widths) + 7) // 8
        self._json = {column: n for n, column in enumerate(json)}
        self._fixed = sum(self.widths) if all(width > 0 for width in self.widths) else 0

    def split(self, data: Any) -> Sequence[Any]:
        """A row's data → one cell per column: bytes without their length, None for NULL, UNAVAILABLE.

        Raises:
            Failed: ``bad_row_image``: the image does not have the form of its table map (rule S13).
        """
        if type(data) is not bytes:
            return data  # type: ignore[no-any-return] # cells of an image that lacks columns
        at = self._bitmap
        nulls = int.from_bytes(data[:at], "little")
        cells: list[bytes | None] = []
        for size in self.widths:
            if nulls & 1:
                cells.append(None)
            else:
                if size < 0:
                    start = at - size
                    size = int.from_bytes(data[at:start], "little")  # noqa: PLW2901 - the value's own
                    at = start
                cells.append(data[at : at + size])
                at += size
            nulls >>= 1
        if at != len(data):
            raise bad_image()
        return cells

    def end(self, body: bytes, at: int) -> int:
        """Where the whole image that starts at ``at`` ends."""
        start, at = at, at + self._bitmap
        nulls = int.from_bytes(body[start:at], "little")
        if self._fixed and not nulls:
            return at + self._fixed
        for size in self.widths:
            if not nulls & 1:
                at += size if size > 0 else int.from_bytes(body[at : at - size], "little") - size
            nulls >>= 1
        return at

    def cells(
        self, body: bytes, at: int, present: int, patch: Callable[[int, bytes], Any] | None = None
    ) -> tuple[list[Any], int]:
        """The cells of an image that may lack columns, and its end.

        Args:
            body: The event.
            at: Where the image starts.
            present: A bit for each column, the first one lowest.
            patch: A column's index and bytes → its cell, where that is not the bytes.
        """
        start, at = at, at + (present.bit_count() + 7) // 8
        nulls = int.from_bytes(body[start:at], "little")
        cells: list[Any] = []
        for i in range(len(self.widths)):
            if not present >> i & 1:
                cells.append(UNAVAILABLE)  # Invariant 5: not carried is not NULL
                continue
            if nulls & 1:
                cells.append(None)
            else:
                cell, at = self._cell(body, at, i)
                cells.append(patch(i, cell) if patch else cell)
            nulls >>= 1
        return cells, at

    def _cell(self, body: bytes, at: int, column: int) -> tuple[bytes, int]:
        size = self.widths[column]
        if size < 0:
            start = at - size
            size, at = int.from_bytes(body[at:start], "little"), start
        return body[at : at + size], at + size

    def cells_with_diffs(self, body: bytes, at: int, present: int, before: Sequence[Any]) -> tuple[list[Any], int]:
        """The cells of the new image of a partial update, and its end; a diff finds its document in ``before``."""
        options, at = lenenc(body, at)
        if options & ~_PARTIAL_JSON:
            raise Failed(
                "partial_json",
                f"an update whose new row has value options {options:#x}, which this version does not know",
                hint="SET GLOBAL binlog_row_value_options = ''; what is in the log already needs a newer version.",
            )
        partial = 0
        if options:
            size = (len(self._json) + 7) // 8
            partial, at = int.from_bytes(body[at : at + size], "little"), at + size

        def patch(i: int, cell: bytes) -> Any:
            return _patched(before[i], cell) if i in self._json and partial >> self._json[i] & 1 else cell

        return self.cells(body, at, present, patch)


def _patched(before: Any, diffs: bytes) -> Any:
    if before is None:
        raise bad_image()
    return before if before is UNAVAILABLE else JsonDiff(before, diffs)


def bad_image() -> Failed:
    """The error for an image that does not have the form of its table map."""
    return Failed(
        "bad_row_image",
        "a row image does not have the form that its table map describes",
        hint="The position does not move; report it with the server's version and the table's definition.",
    )


class LogTable:
    """A captured table as one table map describes it: decodes the rows events that name the map."""

    def __init__(self, shape: RowShape, form: RowForm) -> None:
        """``shape.split`` is the form's."""
        self.shape = shape
        self._form = form
        self._all = (1 << len(form.widths)) - 1
        self._key = [shape.schema.index[name] for name in shape.schema.key]

    @property
    def table(self) -> TableId:
        """The table's name."""
        return self.shape.schema.table

    def changes(self, event_type: int, body: bytes) -> list[tuple[Row | None, Row | None]]:
        """Old and new row of each change of a rows event, in order.

        Args:
            event_type: Its code, one of ``ROWS_EVENTS``.
            body: The event without header and checksum, decompressed.

        Raises:
            Failed: ``bad_row_image``, ``partial_image``, ``partial_json`` (rule S13).
        """
        kind = ROWS_EVENTS[event_type]
        try:
            at, presents = self._head(kind, body)
            if kind.diffs or any(present != self._all for present in presents):
                return list(self._partial(kind, body, at, presents))
            return list(self._whole(kind, body, at))
        except (IndexError, KeyError, struct.error):
            raise bad_image() from None

    def _head(self, kind: RowsKind, body: bytes) -> tuple[int, list[int]]:
        """Where the first image starts, and the bitmaps of the columns that the images have."""
        at = _ID_AND_FLAGS
        if kind.extra:
            at += _EXTRA_LENGTH(body, at)[0]
        count, at = lenenc(body, at)
        if count != len(self._form.widths):
            raise bad_image()
        size = (count + 7) // 8
        presents = []
        for _ in range(kind.before + kind.after):
            presents.append(int.from_bytes(body[at : at + size], "little") & self._all)
            at += size
        return at, presents

    def _whole(self, kind: RowsKind, body: bytes, at: int) -> Iterator[tuple[Row | None, Row | None]]:
        shape, end_of, stop = self.shape, self._form.end, len(body)
        while at < stop:
            before = after = None
            if kind.before:
                end = end_of(body, at)
                before, at = Row(shape, body[at:end]), end
            if kind.after:
                end = end_of(body, at)
                after, at = Row(shape, body[at:end]), end
            yield before, after
        if at != stop:
            raise bad_image()

    def _partial(
        self, kind: RowsKind, body: bytes, at: int, presents: Sequence[int]
    ) -> Iterator[tuple[Row | None, Row | None]]:
        """Rows of images that lack columns. What an update left alone keeps its old value, where that is there."""
        form, stop = self._form, len(body)
        while at < stop:
            old: list[Any] | None = None
            new: list[Any] | None = None
            if kind.before:
                old, at = form.cells(body, at, presents[0])
            if kind.diffs and old is not None:
                new, at = form.cells_with_diffs(body, at, presents[-1], old)
            elif kind.after:
                new, at = form.cells(body, at, presents[-1])
            if old is not None and new is not None:
                new = [was if cell is UNAVAILABLE else cell for cell, was in zip(new, old, strict=True)]
            yield self._row(old), self._row(new)
        if at != stop:
            raise bad_image()

    def _row(self, cells: list[Any] | None) -> Row | None:
        if cells is None:
            return None
        for column in self._key:
            if cells[column] is UNAVAILABLE:
                raise Failed(
                    "partial_image",
                    f"{self.table}: a row image without the key column {self.shape.schema.columns[column].name}",
                    hint="SET GLOBAL binlog_row_image = FULL; sessions that are open keep their own setting.",
                )
        return Row(self.shape, cells)
